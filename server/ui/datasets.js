// The data sets that a training can name, and a form that fetches another one.
import { Problem, getContract, getJson, postJson } from './api.js';
import { $, attempt, bytes, fillTable, make, showAlert } from './dom.js';
import { showFaults } from './form.js';

const ASK_AGAIN_MS = 1500;
const count = (n) => (n === null ? '–' : n.toLocaleString('en'));

function completeOf({ state, complete, rows, rows_with_picture: found, problem }) {
  if (complete) return 'yes';
  if (complete === false) return `no: ${count(rows - found)} rows without a picture`;
  return problem ?? (state === 'counting' ? 'being counted' : '–');
}

/** Names of the findings that there are most of. */
function labelsOf({ labels }) {
  if (!labels) return '–';
  const there = Object.entries(labels).filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a);
  return `${there.length}: ${there.slice(0, 3).map(([name, n]) => `${name.replaceAll('_', ' ')} ${count(n)}`).join(', ')}${there.length > 3 ? ', …' : ''}`;
}

function rowOf(one, use) {
  const choose = make('button', { type: 'button', class: 'quiet', 'aria-label': `Train on ${one.name}`, onclick: () => use(one.name) }, one.name);
  return make('tr', { 'data-dataset': one.name }, make('td', {}, choose), make('td', {}, count(one.rows)), make('td', {}, count(one.pictures)),
    make('td', {}, labelsOf(one)), make('td', {}, one.bytes === null ? '–' : bytes(one.bytes)), make('td', { class: 'wide' }, completeOf(one)));
}

let timer = null;

/** The list, again until all are counted; `use`: called with the name that is chosen. Returns the names. */
export async function listDatasets(use) {
  clearTimeout(timer);
  const { datasets } = await getJson('datasets');
  fillTable($('datasets'), datasets.map((one) => rowOf(one, use)));
  $('datasets-status').textContent = datasets.length ? '' : 'No data set yet: put a folder below --datasets, or fetch one.';
  if (datasets.some(({ state }) => state === 'counting') && !$('train').hidden) {
    timer = setTimeout(() => listDatasets(use).catch(showAlert), ASK_AGAIN_MS); // attempt() would take another's alert away
  }
  return datasets.map(({ name }) => name);
}

/** One address a line. */
const addresses = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean).map((url) => ({ url }));

/** A fault of archives[2].url belongs to the field of all archives. */
const fieldOfFault = ({ field, detail }) => ({ field: field.replace(/^(archives|table).*/, '$1'), detail });

/** `begun`: called with the id of the job that fetches. */
export async function startFetch(begun) {
  if (!(await getContract()).paths['/datasets']?.post) return;
  $('fetch').hidden = false;
  $('fetch-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const form = event.target;
    attempt(async () => {
      showFaults(form, []);
      const [name, table, archives, note] = ['name', 'table', 'archives', 'note'].map((field) => form.elements[field].value);
      try {
        const { id } = await postJson('datasets', { name: name.trim(), table: { url: table.trim() }, archives: addresses(archives), ...(note.trim() ? { note } : {}) });
        await begun(id);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        showAlert(error);
        showFaults(form, error.errors.map(fieldOfFault));
      }
    });
  });
}
