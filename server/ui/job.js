// One job: how far it is, its curves, and what can be done with it.
import { ask, has, key, save } from './api.js';
import { drawLines } from './charts.js';
import { $, attempt, duration, fillFacts, make, number, percent, short } from './dom.js';
import { ENDED, watch } from './watch.js';

let watching = null; // an AbortController
let counted = -1;    // epochs in the charts: they are drawn anew only when there is another
let drawnJob = null;

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
  for (const [name, lines] of Object.entries(curves(record))) drawLines($(`chart-${name}`), lines);
  $('epochs').tBodies[0].replaceChildren(...epochs.map((epoch) => make('tr', {}, make('th', { scope: 'row' }, String(epoch.epoch)),
    ...['loss', 'val_loss', 'top5_accuracy', 'val_top5_accuracy', 'val_macro_auroc'].map((name) => make('td', {}, number(epoch[name]))),
    make('td', {}, number(epoch.images_per_s, 0)))));
}

function sentence(record) {
  if (record.state !== 'running') return record.error ? `${record.state}: ${record.error}` : record.state;
  const left = duration(record.eta_s);
  return `running, ${record.phase ?? 'starting'}${left ? `; about ${left} left` : ''}`;
}

function verdict(record) {
  if (record.validation_loss === null || !record.baseline) return null;
  const { validation_loss: loss } = record.baseline;
  return `${number(record.validation_loss)} (base rates alone: ${number(loss)}: ` +
    `${record.validation_loss < loss ? 'something was learned' : 'nothing was learned'})`;
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
  if (!ENDED.includes(record.state)) {
    return [button('Cancel', async () => { await ask('POST', `${path}/cancel`); })];
  }
  const actions = [];
  if (record.model && await has('GET', '/jobs/{id}/report')) actions.push(opener('Report', `${path}/report`, `report-${short(record.id)}.html`));
  if (record.model) actions.push(button('Scores of the test split (CSV)', () => save(`${path}/scores?split=test`, `scores-${short(record.id)}.csv`)));
  if (record.model) actions.push(make('a', { class: 'button', href: '#models' }, 'To its model'));
  return actions;
}

let actionsFor = '';

async function showActions(record) {
  const wanted = `${record.id} ${ENDED.includes(record.state)} ${record.model}`;
  if (wanted === actionsFor) return;
  actionsFor = wanted;
  const actions = await actionsOf(record);
  if (wanted === actionsFor) $('job-actions').replaceChildren(...actions);
}

function now(current) {
  const megabytes = (bytes) => number(bytes && bytes / 1e6, 1);
  if (current.file) {
    return `file ${current.file} of ${current.files}, ${megabytes(current.bytes)} of ${megabytes(current.bytes_total)} MB`;
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
  const { current, dataset, evaluation } = record;
  fillFacts($('job-facts'), {
    Done: percent(record.progress),
    Now: current ? now(current) : null,
    Rows: dataset ? `${dataset.train} to train, ${dataset.validation} to validate, ${dataset.test} to test` : null,
    'Validation loss': verdict(record),
    'AUROC on test': evaluation?.test?.macro_auroc ? number(evaluation.test.macro_auroc, 3) : null,
    Model: record.model,
  });
  showEpochs(record);
  showActions(record);
}

/** Show a job and follow it to its end; onEnd is told when it has come. */
export async function openJob(id, onEnd) {
  watching?.abort();
  watching = new AbortController();
  const { signal } = watching;
  $('job').hidden = false;
  await watch(id, (record) => signal.aborted || show(record), signal);
  onEnd();
}
