// The films of this tab as a table: a row each, with what was found, sorted as its head is clicked.
import { $, make, percent, words } from './dom.js';
import { films } from './films.js';
import { isDoubtful, warningsOf } from './findings.js';
import { judged } from './judging.js';

const STATES = { queued: 'waits its turn', asking: 'asked', waiting: 'waits', done: 'answered', failed: 'refused' };
const HIGHEST = 3; // findings in a row
const order = { by: 'added', down: false };
const rows = new Map(); // film -> its <tr>
let wanted = '';        // the finding that the third column is of; '': the highest

const findingOf = (film) => (wanted ? film.prediction?.findings.find(({ label }) => label === wanted) : film.prediction?.findings[0]);

const VALUES = {
  added: ({ id }) => id,
  name: ({ name }) => name,
  state: ({ state }) => STATES[state],
  finding: (film) => findingOf(film)?.probability ?? -1,
  warnings: ({ prediction }) => (prediction ? warningsOf(prediction).length : -1),
};

function compared(a, b) {
  const [x, y] = [a, b].map(VALUES[order.by]);
  const which = typeof x === 'string' ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
  return (order.down ? -which : which) || a.id - b.id;
}

/** The films in the order in which they are shown. */
export const inOrder = () => [...films].sort(compared);

function findingsText(film) {
  if (!film.prediction) return '';
  const { findings } = film.prediction;
  const shown = wanted ? findings.filter(({ label }) => label === wanted) : findings.slice(0, HIGHEST);
  const kindOf = (finding) => (isDoubtful(finding, film.prediction) ? 'chip doubtful' : finding.positive ? 'chip positive' : 'chip');
  return shown.map(judged).map((finding) => make('span', { class: kindOf(finding) }, `${words(finding.label)} ${percent(finding.probability)}`));
}

const warningsText = ({ prediction, error }) => (error ? error.message
  : prediction ? warningsOf(prediction).map(({ code }) => words(code)).join(', ') : '');

function fill(film, row, { shown, prior, actions }) {
  const picture = film.thumb ? make('img', { src: film.thumb, alt: '', width: 48, height: 48 }) : make('span', { class: 'blank', 'aria-hidden': 'true' });
  const open = make('button', { type: 'button', class: 'open', 'aria-current': film === shown ? 'true' : null, onclick: () => actions.open(film) },
    picture, make('span', {}, film.name));
  const compare = make('button', { type: 'button', class: 'quiet', 'aria-pressed': String(film === prior), disabled: film === shown || film.state === 'failed',
    'aria-label': `Compare with ${film.name} as the prior film`, onclick: () => actions.compare(film) }, 'Prior');
  const remove = make('button', { type: 'button', class: 'quiet', 'aria-label': `Take ${film.name} off the list`, onclick: () => actions.remove(film) }, '×');
  const focus = [...row.querySelectorAll('button')].indexOf(document.activeElement);
  row.dataset.state = film.state;
  row.classList.toggle('shown', film === shown);
  row.replaceChildren(make('td', { class: 'film-name' }, open), make('td', {}, film.note || STATES[film.state]),
    make('td', {}, ...[findingsText(film)].flat()), make('td', { class: film.error ? 'fault' : null }, warningsText(film)),
    make('td', { class: 'row-actions' }, compare, remove));
  if (focus >= 0) row.querySelectorAll('button')[focus].focus({ preventScroll: true });
}

function showHead() {
  for (const head of $('worklist-table').tHead.querySelectorAll('th[data-by]')) {
    head.setAttribute('aria-sort', head.dataset.by !== order.by ? 'none' : order.down ? 'descending' : 'ascending');
  }
}

function showSummary() {
  const of = (state) => films.filter((film) => film.state === state).length;
  const open = films.length - of('done') - of('failed');
  $('worklist-status').textContent = `${films.length} film${films.length === 1 ? '' : 's'}: ${of('done')} answered` +
    `${of('failed') ? `, ${of('failed')} refused` : ''}${open ? `, ${open} to go` : ''}.`;
}

function showChoices() {
  const labels = [...new Set(films.flatMap(({ prediction }) => prediction?.findings.map(({ label }) => label) ?? []))].sort();
  const choice = $('worklist-finding');
  if (choice.options.length === labels.length + 1) return;
  choice.replaceChildren(make('option', { value: '' }, 'highest findings'), ...labels.map((label) => make('option', { value: label }, words(label))));
  choice.value = labels.includes(wanted) ? wanted : '';
}

/** Show the whole list; `context` says which film is shown, which is its prior, and what the buttons do. */
export function showWorklist(context) {
  const list = inOrder();
  for (const film of [...rows.keys()]) if (!films.includes(film)) rows.delete(film);
  for (const film of list) {
    if (!rows.has(film)) rows.set(film, make('tr', { 'data-film': film.id }));
    fill(film, rows.get(film), context);
  }
  const body = $('worklist-table').tBodies[0];
  const now = list.map((film) => rows.get(film));
  const focus = document.activeElement;
  if (now.length !== body.rows.length || now.some((row, i) => row !== body.rows[i])) body.replaceChildren(...now);
  if (body.contains(focus)) focus.focus({ preventScroll: true });
  $('worklist').hidden = films.length === 0;
  showHead();
  showSummary();
  showChoices();
}

/** One film has changed: its row alone, unless the order may have. */
export function showRow(film, context) {
  const row = rows.get(film);
  if (!row || order.by !== 'added') return showWorklist(context);
  fill(film, row, context);
  showSummary();
  showChoices();
  return undefined;
}

/** Let the head sort; `again` shows the list anew. */
export function startWorklist(again) {
  for (const head of $('worklist-table').tHead.querySelectorAll('th[data-by] button')) {
    head.addEventListener('click', () => {
      const { by } = head.closest('th').dataset;
      const down = order.by === by ? !order.down : by === 'finding' || by === 'warnings';
      Object.assign(order, { by, down });
      again();
    });
  }
  $('worklist-finding').addEventListener('change', () => {
    wanted = $('worklist-finding').value;
    if (wanted) Object.assign(order, { by: 'finding', down: true });
    again();
  });
}
