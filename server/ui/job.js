// One job: how far it is, its curves, and what can be done with it.
import { ask, has, key, postJson, save } from './api.js';
import { called, showCaption } from './caption.js';
import { drawLines } from './charts.js';
import { $, attempt, bytes, duration, fillFacts, fillTable, make, number, percent, short, time } from './dom.js';
import { scoredFacts, showFindings } from './scoring.js';
import { ENDED, watch } from './watch.js';

const SHARE = { min: 0, max: 1 };
const UNITS = { loss: 'cross-entropy (nats)', top5: 'accuracy (0 to 1)', auroc: 'AUROC (0 to 1)' };

let watching = null; // an AbortController
let counted = -1;    // epochs in the charts: they are drawn anew only when there is another
let drawnJob = null;
let whenEnded = () => {};
let steps = [];      // of the job that is watched: [epoch and part of it, loss]
let stepsOf = null;
let clock = null;    // which keeps the time that it runs

function curves(record) {
  const epochs = record.epochs ?? [];
  const line = (name) => epochs.map((epoch) => [epoch.epoch, epoch[name]]);
  const base = (value) => (value === null || value === undefined || epochs.length === 0 ? [] // from before the first epoch on
    : [[0, value], [epochs.at(-1).epoch, value]]);
  return {
    loss: { training: { points: line('loss') }, validation: { points: line('val_loss') },
      'base rates': { points: base(record.baseline?.validation_loss), dashed: true }, 'each step': { points: steps, fine: true } },
    top5: { training: { points: line('top5_accuracy') }, validation: { points: line('val_top5_accuracy') },
      'base rates': { points: base(record.baseline?.top5_accuracy), dashed: true } },
    auroc: { validation: { points: line('val_macro_auroc') } },
  };
}

function showEpochs(record) {
  const epochs = record.epochs ?? [];
  const count = `${epochs.length} ${Boolean(record.baseline)} ${steps.length >> 3}`; // some steps at a time
  if (count === counted && drawnJob === record.id) return;
  counted = count;
  drawnJob = record.id;
  for (const [name, lines] of Object.entries(curves(record))) drawLines($(`chart-${name}`), lines, UNITS[name], name === 'loss' ? { beginAtZero: true } : SHARE);
  fillTable($('epochs'), epochs.map((epoch) => make('tr', {}, make('th', { scope: 'row' }, String(epoch.epoch)),
    ...['loss', 'val_loss', 'top5_accuracy', 'val_top5_accuracy', 'val_macro_auroc'].map((name) => make('td', {}, number(epoch[name]))),
    make('td', {}, number(epoch.images_per_s, 0)))));
}

function sentence(record) {
  if (record.state !== 'running') {
    const isDry = record.dry_run && record.state === 'succeeded';
    if (record.waits_for) return `${record.state}: ${record.waits_for}`;
    return record.error ? `${record.state}: ${record.error}` : `${record.state}${isDry ? '; a dry run: nothing was trained, its report says what the data are' : ''}`;
  }
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

const TRIALS = { waiting: 'waiting', activated: 'passed, and active since', refused: 'refused', stopped: 'stopped' };

/** Its trial in the shadow of the active model, which the training asked for. */
function trialOf(promotion) {
  const trial = promotion?.shadow;
  if (!trial) return null;
  const { state, reason, seen, pictures, until, ended_at: ended } = trial;
  if (state === 'waiting') return make('a', { href: '#site/shadow' }, `waiting until it has looked at ${pictures} pictures, or ${time(until)}`);
  return `${TRIALS[state]}, ${time(ended)}, after ${seen ?? 0} of ${pictures} pictures${reason ? `: ${reason}` : ''}`;
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
  const which = called(record);
  const cancel = (text, wish) => button(text, async () => {
    const lost = record.type !== 'train' ? 'The files that have come so far are removed.' : 'All that it has learned so far is lost.';
    if (!confirm(`${text} job ${which}? ${wish.keep_best ? 'It ends after this, with its best epoch as a model.' : lost}`)) return;
    await postJson(`${path}/cancel`, wish);
    if (ENDED.includes(record.state)) await openJob(record.id, whenEnded); // else it is watched already
  });
  if (!ENDED.includes(record.state)) {
    return [cancel('Cancel', {}), record.type === 'train' ? cancel('Stop, keep its best epoch', { keep_best: true }) : ''];
  }
  const actions = [];
  if (record.state === 'interrupted') actions.push(button('Resume', () => resume(record.id), false), cancel('Cancel', {}));
  const reported = ['train', 'validate'].includes(record.type) && (record.model || record.state === 'succeeded');
  if (reported && await has('GET', '/jobs/{id}/report')) {
    actions.push(opener('Report', `${path}/report`, `report-${short(record.id)}.html`));
    actions.push(opener('Report for mailing', `${path}/report?copy=mail`, `report-mail-${short(record.id)}.html`));
  }
  if (record.evaluation) actions.push(button('Scores of the test split (CSV)', () => save(`${path}/scores?split=test`, `scores-${short(record.id)}.csv`)));
  if (record.evaluation) actions.push(button('Scores of all rows (CSV)', () => save(`${path}/scores?split=all`, `scores-all-${short(record.id)}.csv`)));
  if (record.scored && !record.evaluation) actions.push(button('Scores (CSV)', () => save(`${path}/scores`, `scores-${short(record.id)}.csv`)));
  if (record.model) actions.push(make('a', { class: 'button', href: `#models/${record.model}` }, 'To its model'));
  actions.push(button('Delete', async () => {
    if (!confirm(`Delete job ${which}? Its record, report and scores are gone then${record.model ? '; its model stays' : ''}.`)) return;
    await ask('DELETE', path);
    watching?.abort();
    $('job').hidden = true;
    whenEnded();
  }));
  return actions;
}

let actionsFor = '';

async function showActions(record) {
  const wanted = `${record.id} ${record.state} ${record.model} ${record.name}`;
  if (wanted === actionsFor) return;
  actionsFor = wanted;
  const actions = await actionsOf(record);
  if (wanted === actionsFor) $('job-actions').replaceChildren(...actions);
}

/** Where it is, in the units of what it does. */
function now({ type, current, config }) {
  if (!current) return null;
  if (type === 'fetch') {
    return `file ${current.file} of ${current.files}, ${bytes(current.bytes)}` +
      `${current.bytes_total ? ` of ${bytes(current.bytes_total)}` : ''}`;
  }
  const of = config?.epochs ? ` of ${config.epochs}` : '';
  return `epoch ${current.epoch}${of}, step ${current.step} of ${current.steps}, loss ${number(current.loss)}, ` +
    `${number(current.images_per_s, 0)} images/s`;
}

/** Seconds that it has run since it was begun or resumed. */
function elapsed({ started_at: from, finished_at: to }) {
  return from ? duration(Math.max(0, ((to ? new Date(to) : new Date()) - new Date(from)) / 1000)) : null;
}

/** The newest step's loss, for the chart: at most a few hundred points, of which every second goes when there are more. */
function noteStep({ id, current, type, state }) {
  if (stepsOf !== id) steps = [];
  stepsOf = id;
  if (type !== 'train' || state !== 'running' || typeof current?.loss !== 'number') return;
  const at = current.epoch - 1 + current.step / current.steps;
  if (steps.length && steps.at(-1)[0] >= at) return;
  steps.push([at, current.loss]);
  if (steps.length > 600) steps = steps.filter((_, i) => i % 2);
}

const asText = (value) => (value !== null && typeof value === 'object' ? JSON.stringify(value) : String(value));

function showConfig({ id, config }) {
  if ($('job-config').dataset.of === id) return;
  $('job-config').dataset.of = id;
  $('job-config').hidden = !config;
  fillFacts($('job-config-facts'), Object.fromEntries(Object.entries(config ?? {}).filter(([, value]) => value !== null).map(([name, value]) => [name, asText(value)])));
}

function tick(record) {
  clearInterval(clock);
  const tell = () => { for (const at of $('job-facts').querySelectorAll('.elapsed')) at.textContent = elapsed(record); };
  if (record.state === 'running') clock = setInterval(tell, 1000);
}

function show(record) {
  noteStep(record);
  $('job-title').textContent = record.name ? `Job ${record.name}` : `Job ${short(record.id)}`;
  const said = sentence(record);
  if ($('job-state').textContent !== said) $('job-state').textContent = said;
  $('job').dataset.state = record.state;
  $('job-progress').value = record.progress;
  const { dataset, evaluation } = record;
  fillFacts($('job-facts'), {
    Id: record.id,
    'Data set': record.dataset_name,
    Done: percent(record.progress),
    [record.finished_at ? 'Took' : 'Running for']: record.started_at ? make('span', { class: 'elapsed' }, elapsed(record)) : null,
    [ENDED.includes(record.state) ? 'Reached' : 'Now']: now(record),
    Rows: dataset && record.type === 'train' ? `${dataset.train} to train, ${dataset.validation} to validate, ${dataset.test} to test` : null,
    'Validation loss': losses(record),
    'Learned something': learned(evaluation?.learning),
    'AUROC on test': withInterval(evaluation?.test?.macro_auroc, evaluation?.test?.macro_auroc_low, evaluation?.test?.macro_auroc_high),
    Warning: record.warnings?.map((warning) => warning.detail).join(' ') || null,
    'Warning of the comparison': record.promotion?.warning,
    'Became the active model': record.promotion ? `${record.promotion.promoted ? 'yes' : 'no'}: ${record.promotion.reason}` : null,
    'Trial in the shadow': trialOf(record.promotion),
    Model: record.model,
    ...scoredFacts(record),
  });
  showFindings(record);
  tick(record);
  showConfig(record);
  showCaption('job-caption', `jobs/${record.id}`, record, (changed) => { show({ ...record, name: changed.name, note: changed.note }); whenEnded(); });
  $('job-curves').hidden = record.type !== 'train' || record.config?.epochs === 0;
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
