// One job: how far it is, its curves, and what can be done with it.
import { ask, has, key, postJson, save } from './api.js';
import { drawLines } from './charts.js';
import { $, attempt, bytes, duration, fillFacts, make, number, percent, short } from './dom.js';
import { ENDED, watch } from './watch.js';

const UNITS = { loss: 'cross-entropy (nats)', top5: 'accuracy (0 to 1)', auroc: 'AUROC (0 to 1)' };

let watching = null; // an AbortController
let counted = -1;    // epochs in the charts: they are drawn anew only when there is another
let drawnJob = null;
let whenEnded = () => {};

function curves(record) {
  const epochs = record.epochs ?? [];
  const line = (name) => epochs.map((epoch) => [epoch.epoch, epoch[name]]);
  const base = (value) => (value === null || value === undefined || epochs.length === 0 ? []
    : [[epochs[0].epoch, value], [epochs.at(-1).epoch, value]]);
  return {
    loss: { training: { points: line('loss') }, validation: { points: line('val_loss') },
      'base rates': { points: base(record.baseline?.validation_loss), dashed: true } },
    top5: { training: { points: line('top5_accuracy') }, validation: { points: line('val_top5_accuracy') },
      'base rates': { points: base(record.baseline?.top5_accuracy), dashed: true } },
    auroc: { validation: { points: line('val_macro_auroc') } },
  };
}

function showEpochs(record) {
  const epochs = record.epochs ?? [];
  const count = epochs.length + (record.baseline ? 1000 : 0);
  if (count === counted && drawnJob === record.id) return;
  counted = count;
  drawnJob = record.id;
  for (const [name, lines] of Object.entries(curves(record))) drawLines($(`chart-${name}`), lines, UNITS[name]);
  $('epochs').tBodies[0].replaceChildren(...epochs.map((epoch) => make('tr', {}, make('th', { scope: 'row' }, String(epoch.epoch)),
    ...['loss', 'val_loss', 'top5_accuracy', 'val_top5_accuracy', 'val_macro_auroc'].map((name) => make('td', {}, number(epoch[name]))),
    make('td', {}, number(epoch.images_per_s, 0)))));
}

function sentence(record) {
  if (record.state !== 'running') return record.error ? `${record.state}: ${record.error}` : record.state;
  const left = duration(record.eta_s);
  return `running, ${record.phase ?? 'starting'}${left ? `; about ${left} left` : ''}`;
}

function losses(record) {
  if (record.validation_loss === null || !record.baseline) return null;
  return `${number(record.validation_loss)} (base rates alone: ${number(record.baseline.validation_loss)})`;
}

const ANSWERS = { learned: 'yes', not_known: 'it cannot be told', worse: 'no, it is worse than the base rates' };

/** Whether anything was learned, and how sure that is. */
function learned(learning) {
  if (!learning) return null;
  const interval = learning.gain_low === null ? '' : ` (95 %: ${number(learning.gain_low)} to ${number(learning.gain_high)})`;
  return `${ANSWERS[learning.answer]}; loss below that of the base rates by ${number(learning.gain)}${interval} ` +
    `on ${learning.rows} ${learning.split} rows of ${learning.patients} patients`;
}

/** "0.712 (0.650 to 0.774)" */
function withInterval(value, low, high) {
  if (value === null || value === undefined) return null;
  return typeof low === 'number' ? `${number(value, 3)} (95 %: ${number(low, 3)} to ${number(high, 3)})` : number(value, 3);
}

function button(text, work, quiet = true) {
  return make('button', { type: 'button', class: quiet ? 'quiet' : null, onclick: () => attempt(work) }, text);
}

/** A page of the server's own: a link without a key, a file with one. */
function opener(text, path, name) {
  if (key.get()) return button(text, () => save(path, name));
  return make('a', { class: 'button quiet', href: path, target: '_blank', rel: 'noopener' }, text);
}

async function actionsOf(record) {
  const path = `jobs/${record.id}`;
  const cancel = (text, wish) => button(text, async () => {
    await postJson(`${path}/cancel`, wish);
    if (ENDED.includes(record.state)) await openJob(record.id, whenEnded); // else it is watched already
  });
  if (!ENDED.includes(record.state)) {
    return [cancel('Cancel', {}), record.type === 'train' ? cancel('Stop, keep its best epoch', { keep_best: true }) : ''];
  }
  const actions = [];
  if (record.state === 'interrupted') actions.push(button('Resume', () => resume(record.id), false), cancel('Cancel', {}));
  if (record.model && await has('GET', '/jobs/{id}/report')) {
    actions.push(opener('Report', `${path}/report`, `report-${short(record.id)}.html`));
    actions.push(opener('Report for mailing', `${path}/report?copy=mail`, `report-mail-${short(record.id)}.html`));
  }
  if (record.evaluation) actions.push(button('Scores of the test split (CSV)', () => save(`${path}/scores?split=test`, `scores-${short(record.id)}.csv`)));
  if (record.evaluation) actions.push(button('Scores of all rows (CSV)', () => save(`${path}/scores?split=all`, `scores-all-${short(record.id)}.csv`)));
  if (record.model) actions.push(make('a', { class: 'button', href: '#models' }, 'To its model'));
  return actions;
}

let actionsFor = '';

async function showActions(record) {
  const wanted = `${record.id} ${record.state} ${record.model}`;
  if (wanted === actionsFor) return;
  actionsFor = wanted;
  const actions = await actionsOf(record);
  if (wanted === actionsFor) $('job-actions').replaceChildren(...actions);
}

/** Where it is, in the units of what it does. */
function now({ type, current }) {
  if (!current) return null;
  if (type === 'fetch') {
    return `file ${current.file} of ${current.files}, ${bytes(current.bytes)}` +
      `${current.bytes_total ? ` of ${bytes(current.bytes_total)}` : ''}`;
  }
  return `epoch ${current.epoch}, step ${current.step} of ${current.steps}, loss ${number(current.loss)}, ` +
    `${number(current.images_per_s, 0)} images/s`;
}

function show(record) {
  $('job-title').textContent = `Job ${short(record.id)}`;
  const said = sentence(record);
  if ($('job-state').textContent !== said) $('job-state').textContent = said;
  $('job').dataset.state = record.state;
  $('job-progress').value = record.progress;
  const { dataset, evaluation } = record;
  fillFacts($('job-facts'), {
    Done: percent(record.progress),
    [ENDED.includes(record.state) ? 'Reached' : 'Now']: now(record),
    Rows: dataset ? `${dataset.train} to train, ${dataset.validation} to validate, ${dataset.test} to test` : null,
    'Validation loss': losses(record),
    'Learned something': learned(evaluation?.learning),
    'AUROC on test': withInterval(evaluation?.test?.macro_auroc, evaluation?.test?.macro_auroc_low, evaluation?.test?.macro_auroc_high),
    Warning: record.warnings?.map((warning) => warning.detail).join(' ') || null,
    'Warning of the comparison': record.promotion?.warning,
    Model: record.model,
  });
  $('job-curves').hidden = record.type !== 'train';
  showEpochs(record);
  showActions(record);
}

async function resume(id) {
  await ask('POST', `jobs/${id}/resume`);
  await openJob(id, whenEnded);
}

/** Show a job and follow it to its end; onEnd is told when it has come. */
export async function openJob(id, onEnd) {
  whenEnded = onEnd;
  watching?.abort();
  watching = new AbortController();
  const { signal } = watching;
  $('job').hidden = false;
  await watch(id, (record) => signal.aborted || show(record), signal);
  onEnd();
}
