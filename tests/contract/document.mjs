// openapi.yaml as a program asks it: which operation a reply belongs to, what its schema says of it, what it shows as examples.
// The schemas are compiled by ajv in its strict mode, which takes no keyword that means nothing.
import { readFileSync } from 'node:fs';
import addFormats from 'ajv-formats';
import { Ajv2020 } from 'ajv/dist/2020.js';
import YAML from 'yaml';

const ANNOTATIONS = ['example', 'x-role'];
const escape = (name) => name.replaceAll('~', '~0').replaceAll('/', '~1');

export class Contract {
  constructor(file) {
    this.document = YAML.parse(readFileSync(file, 'utf8'));
    this.ajv = new Ajv2020({ strict: true, allErrors: true, allowUnionTypes: true, strictRequired: false, keywords: ANNOTATIONS });
    addFormats(this.ajv);
    this.ajv.addVocabulary(['openapi', 'info', 'servers', 'tags', 'paths', 'webhooks', 'components', 'security']);
    this.ajv.addSchema(this.document, 'contract');
    this.patterns = Object.keys(this.document.paths).sort((a, b) => a.includes('{') - b.includes('{'))
      .map((path) => [path, new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/\{\w+\}/g, '[^/]+')}$`)]);
  }

  // The value at a pointer and the pointer itself, with references followed.
  at(pointer) {
    const value = pointer.slice(2).split('/').reduce((inner, part) => inner?.[decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')], this.document);
    return value?.$ref ? this.at(value.$ref) : { value, pointer };
  }

  // What is wrong with a value, as sentences; nothing is an empty list.
  faults(pointer, value) {
    const validate = this.ajv.getSchema(`contract${pointer}`);
    return validate(value) ? [] : validate.errors.map(({ instancePath, message }) => `${instancePath || 'the value'} ${message}`);
  }

  // Where the schema of a reply is, or null for what has none. A HEAD is its GET without a body.
  schemaOf(method, target, status, type) {
    const path = this.patterns.find(([, pattern]) => pattern.test(target.split('?')[0]))?.[0];
    const found = path && this.at(`#/paths/${escape(path)}/${method.toLowerCase()}/responses/${status}`);
    return found?.value?.content?.[type]?.schema ? `${found.pointer}/content/${escape(type)}/schema` : null;
  }

  // Every { pointer of the schema, value, name } in the document: of bodies, headers, parameters and schemas.
  * examples(node = this.document, pointer = '#') {
    if (node === null || typeof node !== 'object') return;
    if (node.schema) {
      const schema = `${pointer}/schema`;
      if ('example' in node) yield { schema, value: node.example, name: pointer };
      for (const [name, { value }] of Object.entries(node.examples ?? {})) yield { schema, value, name: `${pointer}/examples/${name}` };
    } else if (node.type || node.enum) {
      if ('example' in node) yield { schema: pointer, value: node.example, name: pointer };
      for (const value of Array.isArray(node.examples) ? node.examples : []) yield { schema: pointer, value, name: pointer };
      if ('default' in node) yield { schema: pointer, value: node.default, name: `${pointer}/default` };
    }
    for (const [key, inner] of Object.entries(node)) {
      if (!['example', 'examples', 'default'].includes(key)) yield* this.examples(inner, `${pointer}/${escape(key)}`);
    }
  }
}
