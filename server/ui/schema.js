// A JSON schema as a list of fields, with the lists of what they hold below them.
import { make } from './dom.js';

const DEEPEST = 5;

function resolve(contract, schema) {
  if (!schema.$ref) return schema;
  const { $ref, ...own } = schema;
  return { ...$ref.replace('#/', '').split('/').reduce((at, part) => at[part], contract), ...own };
}

/** All properties, those of its parts (allOf) among them. */
function propertiesOf(contract, schema) {
  const parts = (schema.allOf ?? []).map((part) => propertiesOf(contract, resolve(contract, part)));
  return Object.assign({}, ...parts, schema.properties ?? {});
}

function kindOf(contract, schema) {
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if ('const' in schema) return JSON.stringify(schema.const);
  if (schema.oneOf) return schema.oneOf.map((part) => kindOf(contract, resolve(contract, part))).join(' or ');
  const range = schema.minimum === undefined ? '' : `, ${schema.minimum} to ${schema.maximum ?? '…'}`;
  return `${[schema.type ?? 'any'].flat().join(' or ')}${range}`;
}

/** The inside: the thing itself, the items of an array, or the one of oneOf that has fields. */
function innerOf(contract, schema) {
  if (schema.items) return resolve(contract, schema.items);
  const one = (schema.oneOf ?? []).map((part) => resolve(contract, part)).find((part) => part.properties || part.allOf || part.items);
  return one ?? schema;
}

export function schemaTree(contract, schema, prose, depth = 0) {
  const inner = innerOf(contract, resolve(contract, schema));
  const fields = Object.entries(propertiesOf(contract, inner)).map(([name, part]) => [name, resolve(contract, part)]);
  if (fields.length === 0) return make('p', { class: 'kind' }, kindOf(contract, inner));
  return make('ul', { class: 'tree' }, ...fields.map(([name, part]) => {
    const below = innerOf(contract, part);
    const more = depth < DEEPEST && Object.keys(propertiesOf(contract, below)).length > 0;
    return make('li', {}, make('code', {}, name), make('span', { class: 'kind' }, ` ${kindOf(contract, part)}`),
      part.description ? prose(part.description) : '', more ? schemaTree(contract, below, prose, depth + 1) : '');
  }));
}
