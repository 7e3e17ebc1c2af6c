// The API reference: openapi.yaml, as JSON from the build, made readable. Its prose is Markdown, without HTML in it.
import { getContract } from './api.js';
import { $, attempt, make, measureHead } from './dom.js';
import { schemaTree } from './schema.js';

const METHODS = ['get', 'post', 'put', 'patch', 'delete'];
const markdown = globalThis.markdownit({ html: false, linkify: false });

/** Markdown as an element; headings in it are below the page's own. */
function prose(text = '', inline = false) {
  const parsed = new DOMParser().parseFromString(inline ? markdown.renderInline(text) : markdown.render(text), 'text/html');
  for (const wide of parsed.querySelectorAll('pre, table')) wide.tabIndex = 0; // they scroll
  return make(inline ? 'span' : 'div', {}, ...parsed.body.childNodes);
}

const follow = (contract, value) =>
  (value.$ref ? value.$ref.replace('#/', '').split('/').reduce((at, part) => at[part], contract) : value);

function scroll(label, ...children) {
  return make('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': label }, ...children);
}

function parametersOf(contract, item, operation, id) {
  const all = [...(item.parameters ?? []), ...(operation.parameters ?? [])].map((parameter) => follow(contract, parameter));
  if (!all.length) return [];
  const rows = all.map((parameter) => make('tr', {}, make('th', { scope: 'row' }, make('code', {}, parameter.name)),
    make('td', {}, `${parameter.in}${parameter.required ? ', required' : ''}`), make('td', {}, prose(parameter.description))));
  return [make('h4', {}, 'Parameters'), scroll(`Parameters of ${id}`, make('table', {}, make('thead', {}, make('tr', {},
    ...['Name', 'Where', 'What'].map((name) => make('th', { scope: 'col' }, name)))), make('tbody', {}, ...rows)))];
}

function exampleOf(name, example, id) {
  const text = typeof example.value === 'string' ? example.value : JSON.stringify(example.value, null, 2);
  return make('details', {}, make('summary', {}, `Example: ${example.summary ?? name}`),
    make('pre', { tabindex: '0', 'aria-label': `Example ${name} of ${id}` }, make('code', {}, text)));
}

function contentOf(contract, content = {}, id = '') {
  return Object.entries(content).flatMap(([kind, media]) => [
    make('p', {}, make('code', {}, kind)),
    /json$|^multipart/.test(kind) ? make('details', {}, make('summary', {}, 'Fields'), schemaTree(contract, media.schema, prose)) : '',
    ...Object.entries(media.examples ?? {}).map(([name, example]) => exampleOf(name, example, id)),
  ]);
}

function responsesOf(contract, operation, id) {
  return Object.entries(operation.responses).map(([status, response]) => {
    const said = follow(contract, response);
    return make('details', {}, make('summary', {}, make('strong', {}, status), ' ', prose(said.description.split('\n\n')[0], true)),
      ...contentOf(contract, said.content, `${id} ${status}`));
  });
}

function operationOf(contract, path, method, item) {
  const operation = item[method];
  const id = operation.operationId;
  const body = operation.requestBody;
  return make('article', { class: 'operation', id },
    make('h3', {}, make('span', { class: 'method' }, method.toUpperCase()), ' ', make('code', {}, path)),
    make('p', {}, make('strong', {}, operation.summary), ` (${operation['x-role']})`),
    prose(operation.description),
    ...parametersOf(contract, item, operation, id),
    ...(body ? [make('h4', {}, 'Body'), prose(body.description), ...contentOf(contract, body.content, id)] : []),
    make('h4', {}, 'Replies'), ...responsesOf(contract, operation, id));
}

function operationsOf(contract, tag) {
  return Object.entries(contract.paths).flatMap(([path, item]) => METHODS.filter((method) => item[method]?.tags[0] === tag)
    .map((method) => ({ path, method, item, id: item[method].operationId })));
}

async function show() {
  const contract = await getContract();
  $('title').textContent = `${contract.info.title} ${contract.info.version}: API reference`;
  $('about').append(make('p', {}, contract.info.summary), prose(contract.info.description.replace(/^#/gm, '#')));
  for (const tag of contract.tags) {
    const operations = operationsOf(contract, tag.name);
    $('contents').append(make('p', {}, make('a', { href: `#tag-${tag.name}` }, make('strong', {}, tag.name))),
      make('ul', {}, ...operations.map(({ path, method, id }) =>
        make('li', {}, make('a', { href: `#${id}` }, `${method.toUpperCase()} ${path}`)))));
    $('reference').append(make('section', { id: `tag-${tag.name}` }, make('h2', {}, tag.name), prose(tag.description),
      ...operations.map(({ path, method, item }) => operationOf(contract, path, method, item))));
  }
  if (location.hash) document.querySelector(CSS.escape(location.hash).replace('\\#', '#'))?.scrollIntoView();
}

measureHead();
attempt(show);
