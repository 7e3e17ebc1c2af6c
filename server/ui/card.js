// A model as a card: what it is, how good it is, from which probability on it calls a finding; and what can be done with it.
import { ask, getJson, key, save } from './api.js';
import { showCaption } from './caption.js';
import { $, attempt, bytes, fillFacts, fillTable, make, number, percent, rowOf, short, time, words } from './dom.js';
import { showOwn } from './own.js';
import { validationsOf } from './scoring.js';

const KINDS = { youden: 'Youden', sensitivity_90: '90 % sensitivity', specificity_90: '90 % specificity' };

/** "0.812 (0.745 to 0.880)" */
function withInterval(value, low, high, shown) {
  if (value === null || value === undefined) return '–';
  return typeof low === 'number' ? `${shown(value)} (${shown(low)} to ${shown(high)})` : shown(value);
}

const three = (value) => number(value, 3);

/** A threshold's rates on test rows; the card of an older model lacks them. */
function pointOf(threshold, rates) {
  if (threshold === null || threshold === undefined) return '–';
  if (!rates) return percent(threshold);
  const side = (name) => withInterval(rates[name], rates[`${name}_low`], rates[`${name}_high`], percent);
  return make('span', {}, percent(threshold), make('br'), `sensitivity ${side('sensitivity')}`, make('br'), `specificity ${side('specificity')}`);
}

const LEAST = 10; // test films with a finding, and without it: the server gives no verdict of fewer

/** An AUROC, and whether it is of so few films that it says nothing. */
function aurocOf({ auroc, auroc_low: low, auroc_high: high, positives, negatives }) {
  const said = withInterval(auroc, low, high, three);
  if (positives === undefined || negatives === undefined || Math.min(positives, negatives) >= LEAST) return said;
  return make('span', {}, said, make('br'), make('span', { class: 'help' }, `too few films: ${positives} with, ${negatives} without`));
}

function showPoints(points) {
  const table = $('card-points');
  table.closest('.scroll').hidden = !points;
  if (!points) return;
  table.tHead.replaceChildren(make('tr', {}, ...['Finding', 'AUROC', ...Object.values(KINDS)].map((name) => make('th', { scope: 'col' }, name))));
  fillTable(table, Object.entries(points).map(([label, point]) => rowOf('Operating points', [words(label), aurocOf(point),
    ...Object.keys(KINDS).map((kind) => pointOf(point[kind], point.rates?.[kind]))], 1)));
}

/** Where an imported file came from, as far as its report says. */
function importOf(report) {
  if (!report) return null;
  const { outputs, warnings, ...facts } = report;
  return Object.entries(facts).map(([name, value]) => `${name.replaceAll('_', ' ')}: ${typeof value === 'object' ? JSON.stringify(value) : value}`).join('; ');
}

function testOf({ metrics }) {
  const test = metrics?.test;
  return test ? `${withInterval(test.macro_auroc, test.macro_auroc_low, test.macro_auroc_high, three)} on ${test.rows} test rows` : null;
}

/** A file of it; a key would not be sent along with a link. */
export function fileOf(card, text, what, ending) {
  const path = `models/${card.id}/${what}`;
  const name = `${card.id}.${ending}`;
  const label = `${text} file of ${short(card.id)}`;
  if (!key.get()) return make('a', { href: path, download: name, 'aria-label': label }, text);
  return make('button', { type: 'button', class: 'quiet', 'aria-label': label, onclick: () => attempt(() => save(path, name)) }, text);
}

function actionsOf(card, job, { activate, remove }) {
  const parts = [fileOf(card, 'Weights', 'weights', 'safetensors')];
  if (!card.backbone) parts.push(fileOf(card, 'ONNX', 'onnx', 'onnx'));
  if (job) {
    parts.push(make('a', { href: `#train/${job.id}` }, 'Its job'));
    if (job.state === 'succeeded' && !key.get()) parts.push(make('a', { href: `jobs/${job.id}/report`, target: '_blank', rel: 'noopener' }, 'Its report'));
    if (job.state === 'succeeded' && key.get()) parts.push(make('button', { type: 'button', class: 'quiet', onclick: () => attempt(() => save(`jobs/${job.id}/report`, `report-${short(job.id)}.html`)) }, 'Its report'));
  }
  if (!card.backbone) parts.push(make('a', { href: `#site/worth/${card.id}` }, 'Its validations and profiles'));
  if (activate) parts.push(make('button', { type: 'button', class: 'quiet', onclick: activate }, 'Activate'));
  if (remove) parts.push(make('button', { type: 'button', class: 'quiet', onclick: remove }, 'Delete'));
  return parts;
}

/** The job that made it, where that is still there. */
async function jobOf({ job }) {
  if (!job) return null;
  try {
    return await getJson(`jobs/${job}`);
  } catch (error) {
    if (error.status !== 404) throw error;
    return null;
  }
}

/** `work`: {activate, remove}, each null where it cannot be; `changed`: the card is another now. */
export async function showCard(id, work, changed) {
  const card = await getJson(`models/${id}`);
  const [job, validations] = await Promise.all([jobOf(card), validationsOf(card.id)]);
  $('card').hidden = false;
  $('card').dataset.model = id;
  $('card-title').textContent = card.name ? `Model ${card.name}` : `Model ${short(card.id)}`;
  $('card-actions').replaceChildren(...actionsOf(card, job, work));
  fillFacts($('card-facts'), {
    Id: card.id,
    Made: `${time(card.created_at)}${card.imported ? ', imported' : ''}`,
    Network: `${card.architecture}, ${card.parameters.toLocaleString('en')} parameters, ${bytes(card.bytes)}`,
    Input: card.image_size ? `${card.image_size} × ${card.image_size}, ${card.resize}, ${card.channels ?? 3} channel${card.channels === 1 ? '' : 's'}` : 'no picture',
    'Takes besides': card.inputs?.join(', ') || null,
    Findings: card.labels?.map((label) => label.replaceAll('_', ' ')).join(', '),
    'AUROC on test': testOf(card),
    'Data set': job?.dataset_name,
    Rows: card.data ? `${card.data.train} to train, ${card.data.validation} to validate, ${card.data.test} to test` : null,
    'Validation loss': job?.validation_loss ? `${number(job.validation_loss)} (base rates alone: ${number(job.baseline?.validation_loss)})` : null,
    Population: card.population,
    'Validated on': validations,
    'Imported from': importOf(card.import),
    Warnings: card.warnings?.map((warning) => warning.detail).join(' ') || null,
    'SHA-256': card.sha256,
  });
  showPoints(card.operating_points);
  showOwn(card, changed);
  showCaption('card-caption', `models/${card.id}`, card, async () => { await changed(); });
}
