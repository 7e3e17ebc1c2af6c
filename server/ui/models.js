// The models: which one answers, what they are, two of them side by side.
import { ask, getJson, has, key, save } from './api.js';
import { $, attempt, make, number, short, time } from './dom.js';
import { startImport } from './import.js';

let cards = [];
let jobs = new Map(); // by id: what is known of the trainings that made them
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

/** Its files: links, but a key would not be sent along with one. */
function filesOf(card) {
  const file = (text, what, ending) => {
    const path = `models/${card.id}/${what}`;
    const name = `${card.id}.${ending}`;
    const label = `${text} file of ${short(card.id)}`;
    if (!key.get()) return make('a', { href: path, download: name, 'aria-label': label }, text);
    return make('button', { type: 'button', class: 'quiet', 'aria-label': label, onclick: () => attempt(() => save(path, name)) }, text);
  };
  const onnx = card.backbone ? [] : [' ', file('ONNX', 'onnx', 'onnx')];
  return make('td', {}, file('Weights', 'weights', 'safetensors'), ...onnx);
}

// Which one answers, or what makes another one answer; a backbone cannot.
function statusOf(card, answers) {
  if (answers) return make('strong', {}, 'answers now');
  if (card.backbone) return 'to transfer from';
  return make('button', {
    type: 'button', class: 'quiet', 'aria-label': `Activate ${short(card.id)}`,
    onclick: () => attempt(() => change(`models/${card.id}/activate`, `${short(card.id)} answers now.`)),
  }, 'Activate');
}

function rowOf(card, active) {
  const answers = card.id === active;
  return make('tr', { 'data-model': card.id, 'aria-current': answers ? 'true' : null }, make('td', {}, compareBox(card)),
    make('th', { scope: 'row' }, short(card.id)), make('td', {}, statusOf(card, answers)), make('td', {}, time(card.created_at)),
    make('td', {}, number(jobs.get(card.job)?.validation_loss)), make('td', {}, number(jobs.get(card.job)?.baseline?.validation_loss)),
    make('td', {}, card.imported ? 'imported' : card.population ?? '–'), filesOf(card));
}

/** Whether two models answer for the same findings; what an old card does not say is not held against it. */
const ofOtherFindings = (one, other) => Boolean(one.labels && other.labels) && JSON.stringify(one.labels) !== JSON.stringify(other.labels);

function text(value) {
  if (value === undefined || value === null) return '–';
  if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(4))); // more is not seen side by side
  return Array.isArray(value) ? value.join(', ') || '–' : String(value);
}

/** A model as rows: how good it is first, then how it was trained, then what it is. */
async function sideOf(card) {
  const { tensors, intended_use, metrics, operating_points: points, ...facts } = card;
  facts.warnings = card.warnings?.map((warning) => warning.detail);
  facts.threshold = Object.fromEntries(Object.entries(points ?? {}).map(([label, { youden }]) => [label, youden]));
  if (!card.job) return flatten({ metrics, ...facts });
  const { validation_loss, top5_accuracy, baseline, evaluation, config } = await getJson(`jobs/${card.job}`);
  const { findings, ...test } = evaluation?.test ?? {};
  const aurocs = Object.fromEntries((findings ?? []).map((finding) => [finding.label, finding.auroc]));
  return flatten({ validation_loss, top5_accuracy, baseline, test, 'AUROC on test': aurocs, config, ...facts });
}

async function showComparison() {
  const both = cards.filter((card) => chosen.has(card.id));
  $('comparison').hidden = both.length < 2;
  if (both.length < 2) return;
  $('comparison-warning').hidden = !both.some((card) => ofOtherFindings(both[0], card));
  const sides = await Promise.all(both.map(sideOf));
  const names = [...new Set(sides.flatMap(Object.keys))];
  $('comparison-table').tHead.replaceChildren(make('tr', {}, make('th', { scope: 'col' }, 'Field'),
    ...both.map((card) => make('th', { scope: 'col' }, short(card.id)))));
  $('comparison-table').tBodies[0].replaceChildren(...names.map((name) => {
    const values = sides.map((side) => text(side[name]));
    return make('tr', { class: new Set(values).size > 1 ? 'differs' : null }, make('th', { scope: 'row' }, name),
      ...values.map((value) => make('td', {}, value)));
  }));
}

async function change(path, said) {
  await ask('POST', path);
  await showModels();
  $('models-status').textContent = said;
}

/** Called whenever the view is shown. */
export async function showModels() {
  const list = await getJson('models?limit=100');
  cards = list.models;
  jobs = new Map((await getJson('jobs?limit=100')).jobs.map((job) => [job.id, job]));
  $('model-list').tBodies[0].replaceChildren(...cards.map((card) => rowOf(card, list.active)));
  $('models-status').textContent = cards.length ? '' : 'No model yet: train one, or import one.';
  $('rollback').hidden = cards.length < 2 || !await has('POST', '/models/rollback');
  await showComparison();
}

export function startModels() {
  attempt(() => startImport(showModels));
  $('rollback').addEventListener('click', () => attempt(() => change('models/rollback', 'The model before it answers again.')));
}
