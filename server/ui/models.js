// The models: which one answers, what they are, two of them side by side.
import { ask, getJson, has } from './api.js';
import { called } from './caption.js';
import { fileOf, showCard } from './card.js';
import { $, attempt, fillTable, make, number, short, time } from './dom.js';
import { greet } from './greet.js';
import { startImport } from './import.js';
import { showPaired } from './paired.js';

const PAGE = 50;
let cards = [];
let active = null; // its id
let candidates = {}; // its shadow's and its canary's ids
let next = null;   // the cursor of the page that follows
let open = null;   // the id of the one whose card is shown
let jobs = new Map(); // by id: the trainings that made them, as far as they are known
const chosen = new Set(); // ids to compare

/** {a: {b: 1}} -> {'a.b': 1} */
function flatten(value, prefix = '') {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return { [prefix]: value };
  return Object.assign({}, ...Object.entries(value).map(([name, part]) => flatten(part, prefix ? `${prefix}.${name}` : name)));
}

function compareBox(card) {
  const box = make('input', { type: 'checkbox', 'aria-label': `Compare ${short(card.id)}` });
  box.checked = chosen.has(card.id);
  box.addEventListener('change', () => {
    if (box.checked) chosen.add(card.id);
    else chosen.delete(card.id);
    attempt(showComparison);
  });
  return box;
}

function filesOf(card) {
  const onnx = card.backbone ? [] : [' ', fileOf(card, 'ONNX', 'onnx', 'onnx')];
  return make('td', {}, make('span', {}, fileOf(card, 'Weights', 'weights', 'safetensors'), ...onnx));
}

const of = (id) => called(cards.find((card) => card.id === id) ?? { id });

/** The question says what becomes of predictions before anything changes. */
function activate(card) {
  const before = active ? `${of(active)} answers now. ` : '';
  if (!confirm(`Activate ${called(card)}? ${before}From then on it answers every prediction of everybody who uses this server.`)) return;
  attempt(() => change(`models/${card.id}/activate`, `${called(card)} answers now.`));
}

function remove(card) {
  if (!confirm(`Delete model ${called(card)}? Its weights are gone then, and cannot be brought back.`)) return;
  attempt(async () => {
    await ask('DELETE', `models/${card.id}`);
    chosen.delete(card.id);
    if (open === card.id) closeCard();
    await showModels();
    $('models-status').textContent = `${called(card)} is deleted.`;
  });
}

// Which one answers, or what makes another one answer; a backbone cannot.
function statusOf(card) {
  if (card.id === active) return make('strong', {}, 'answers now');
  if (card.backbone) return 'to transfer from';
  const roles = [card.id === candidates.shadow && 'in the shadow', card.id === candidates.canary && 'canary'].filter(Boolean).join(', ');
  return make('span', {}, make('button', { type: 'button', class: 'quiet', 'aria-label': `Activate ${short(card.id)}`, onclick: () => activate(card) }, 'Activate'),
    roles ? make('a', { href: '#site/shadow', class: 'role' }, roles) : null);
}

function closeCard() {
  open = null;
  $('card').hidden = true;
}

async function openCard(id) {
  const card = cards.find((one) => one.id === id) ?? { id };
  const may = id !== active;
  await showCard(id, { activate: may && !card.backbone ? () => activate(card) : null, remove: may ? () => remove(card) : null }, showModels);
  open = id;
}

/** Show the card that is open as it is now; its model may have been deleted elsewhere, and then it is closed. */
async function showCardAgain() {
  try {
    await openCard(open);
  } catch (error) {
    if (error.status !== 404) throw error;
    closeCard();
  }
}

function rowOf(card) {
  const answers = card.id === active;
  const job = jobs.get(card.job);
  const show = make('button', { type: 'button', class: 'quiet', 'aria-label': `Show ${short(card.id)}`, onclick: () => attempt(async () => {
    await openCard(card.id);
    $('card-title').focus();
  }) }, short(card.id));
  const gone = make('button', { type: 'button', class: 'quiet', 'aria-label': `Delete ${short(card.id)}`, disabled: answers, onclick: () => remove(card) }, 'Delete');
  return make('tr', { 'data-model': card.id, 'aria-current': answers ? 'true' : null, title: card.note }, make('td', {}, compareBox(card)),
    make('th', { scope: 'row' }, show), make('td', { class: 'wide' }, card.name ?? '–'), make('td', {}, statusOf(card)),
    make('td', {}, number(card.metrics?.test?.macro_auroc, 3)), make('td', {}, job?.dataset_name ?? (card.imported ? 'imported' : '–')),
    make('td', {}, time(card.created_at)), make('td', {}, number(job?.validation_loss)), filesOf(card), make('td', {}, gone));
}

/** Whether two models answer for the same findings; findings that an old card does not name are not held against it. */
const ofOtherFindings = (one, other) => Boolean(one.labels && other.labels) && JSON.stringify(one.labels) !== JSON.stringify(other.labels);

function text(value) {
  if (value === undefined || value === null) return '–';
  if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(4))); // more is not seen side by side
  return Array.isArray(value) ? value.join(', ') || '–' : String(value);
}

const AUROC = 'AUROC on test';

/** A model as rows: how good it is first, then how it was trained, then what it is. */
async function sideOf(card) {
  const { tensors, intended_use, metrics, operating_points: points, ...facts } = card;
  facts.warnings = card.warnings?.map((warning) => warning.detail);
  facts.threshold = Object.fromEntries(Object.entries(points ?? {}).map(([label, { youden }]) => [label, youden]));
  if (!card.job) return flatten({ metrics, ...facts });
  const { validation_loss, top5_accuracy, baseline, evaluation, config } = await getJson(`jobs/${card.job}`);
  const { findings, ...test } = evaluation?.test ?? {};
  const aurocs = Object.fromEntries((findings ?? []).map((finding) => [finding.label, finding.auroc]));
  return flatten({ validation_loss, top5_accuracy, baseline, test, [AUROC]: aurocs, config, ...facts });
}

const GENERAL = 'How good, and what it is';

/** Their fields by what they are about: a table each, of which the first two, how good they are, are open. */
function groupsOf(both, sides) {
  const groups = new Map();
  for (const name of new Set(sides.flatMap(Object.keys))) {
    const [of, ...rest] = name.split('.');
    const group = rest.length ? of : GENERAL;
    const values = sides.map((side) => text(side[name]));
    const differs = new Set(values).size > 1;
    const row = make('tr', { class: differs ? 'differs' : null }, make('th', { scope: 'row' }, rest.join('.') || of),
      ...values.map((value) => make('td', {}, value)));
    const { rows, count } = groups.get(group) ?? { rows: [], count: 0 };
    groups.set(group, { rows: [...rows, row], count: count + differs });
  }
  return [...groups].map(([name, { rows, count }]) => {
    const table = make('table', {}, make('thead', {}, make('tr', {}, make('th', { scope: 'col' }, 'Field'), ...both.map((card) => make('th', { scope: 'col' }, called(card))))),
      make('tbody', {}, ...rows));
    return make('details', { class: 'group', open: [GENERAL, AUROC].includes(name) ? '' : null },
      make('summary', {}, `${name.replaceAll('_', ' ')} `, make('span', { class: 'help' }, `${count ? `${count} of ${rows.length} differ` : `${rows.length} alike`}`)),
      make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': name }, table));
  });
}

async function showComparison() {
  const both = cards.filter((card) => chosen.has(card.id)).sort((a, b) => (a.created_at < b.created_at ? -1 : 1)); // the older one first
  $('comparison').hidden = both.length < 2;
  if (both.length < 2) return;
  $('paired').hidden = true;
  if (both.length === 2) await showPaired(...both);
  $('comparison-warning').hidden = !both.some((card) => ofOtherFindings(both[0], card));
  $('comparison-groups').replaceChildren(...groupsOf(both, await Promise.all(both.map(sideOf))));
}

async function change(path, said) {
  await ask('POST', path);
  await Promise.all([showModels(), greet()]);
  $('models-status').textContent = said;
}

const filter = () => $('models-text').value.trim();

async function page(cursor) {
  const asked = { limit: PAGE, q: filter(), cursor };
  const list = await getJson(`models?${new URLSearchParams(Object.entries(asked).filter(([, value]) => value))}`);
  active = list.active;
  candidates = { shadow: list.shadow, canary: list.canary };
  next = list.next_cursor;
  $('models-more').hidden = !next;
  return list.models;
}

function fill() {
  const found = filter() ? 'No model is found so.' : 'No model yet: train one, or import one.';
  fillTable($('model-list'), cards.map(rowOf));
  $('models-status').textContent = cards.length ? '' : found;
}

/** Called whenever the view is shown, with the id of a model whose card is wanted. */
let importing = false; // its form is there: it is made of the contract, which is large

export async function showModels(wanted) {
  if (!importing) attempt(() => startImport(showModels));
  importing = true;
  const [models, known] = await Promise.all([page(), getJson('jobs?limit=100')]);
  cards = models;
  jobs = new Map(known.jobs.map((job) => [job.id, job]));
  fill();
  const alone = cards.length < 2 && !filter(); // a filter's page does not say how many there are
  $('rollback').hidden = alone || !await has('POST', '/models/rollback');
  if (typeof wanted === 'string') await openCard(wanted);
  else if (open) await showCardAgain();
  await showComparison();
}

function rollBack() {
  if (!confirm(`Roll back? ${active ? `${of(active)} answers now; t` : 'T'}he model that was active before it answers every prediction then.`)) return;
  attempt(() => change('models/rollback', 'The model before it answers again.'));
}

export function startModels() {
  $('rollback').addEventListener('click', rollBack);
  $('models-filter').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(showModels);
  });
  $('models-more').addEventListener('click', () => attempt(async () => {
    cards = [...cards, ...await page(next)];
    fill();
  }));
}
