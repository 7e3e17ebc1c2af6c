// A file that others trained becomes a model here, and the page says which of its parts were mapped.
import { ask, getContract, has } from './api.js';
import { $, attempt, fillFacts, make, short } from './dom.js';
import { fieldOf } from './form.js';

/** The parameters of the operation that imports: what a file of others may not say of itself. */
async function parameters() {
  const { post } = (await getContract()).paths['/models'];
  return post.parameters.filter((one) => one.in === 'query').map(({ name, description, schema }) => [name, { ...schema, description }]);
}

const asText = (entry) => (typeof entry === 'object' && entry !== null ? Object.values(entry).join(', ') : String(entry));

function outputRow({ output, name, label, why }) {
  return make('tr', {}, make('th', { scope: 'row' }, String(output)), make('td', {}, name || '–'),
    make('td', {}, label ?? `left out: ${why ?? 'no reason is given'}`));
}

/** A card's report; one of a file of cxrd's has none. */
function showReport(card) {
  const { outputs = [], warnings = [], ...facts } = card.import ?? { format: 'a weights file of cxrd, which stays as it is' };
  $('import-result').hidden = false;
  $('import-said').textContent = card.backbone
    ? `${short(card.id)} is imported. Its head was made anew and has learned nothing: it is only for a training to begin from.`
    : `${short(card.id)} is imported. It answers when it is activated.`;
  $('import-warnings').replaceChildren(...warnings.map((text) => make('li', {}, text)));
  fillFacts($('import-facts'), Object.fromEntries(Object.entries(facts).map(([name, value]) => [name.replaceAll('_', ' '), asText(value)])));
  $('import-outputs').hidden = outputs.length === 0;
  $('import-outputs').querySelector('tbody').replaceChildren(...outputs.map(outputRow));
}

async function send(form, done) {
  const options = new URLSearchParams([...new FormData(form)].filter(([name, text]) => name !== 'file' && text.trim() !== ''));
  const reply = await ask('POST', `models?${options}`,
    { body: $('import-file').files[0], headers: { 'Content-Type': 'application/octet-stream' } });
  const card = await reply.json();
  await done();
  showReport(card);
}

/** `done`: the list of models is another now. */
export async function startImport(done) {
  if (!await has('POST', '/models')) return;
  $('import').hidden = false;
  $('import-fields').append(...(await parameters()).map(([name, field]) => fieldOf(name, field, 'import')));
  $('import-form').addEventListener('submit', (event) => {
    event.preventDefault();
    $('import-result').hidden = true;
    attempt(() => send(event.target, done));
  });
}
