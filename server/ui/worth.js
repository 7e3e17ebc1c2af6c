// The worth of one model here: its validations beside its training's own figures, and its profiles.
import { getJson, key, save } from './api.js';
import { called } from './caption.js';
import { $, attempt, make, number, ranged, short, tableOf, time } from './dom.js';
import { startProfiles } from './profiles.js';

const MOST = 20; // validations whose records are read

const three = (value) => number(value, 3);

/** A job's report: a link, or with a key a button, since a link would not send it. */
function reportOf(job, text) {
  const path = `jobs/${job}/report`;
  if (!key.get()) return make('a', { href: path, target: '_blank', rel: 'noopener' }, text);
  return make('button', { type: 'button', class: 'quiet', onclick: () => attempt(() => save(path, `report-${short(job)}.html`)) }, text);
}

function externalOf({ external, reason }) {
  if (external) return 'yes';
  return `${external === false ? 'no' : 'not known'}: ${reason}`;
}

function rowOf(record, own) {
  const { evaluation: { test }, scored } = record;
  return [make('a', { href: `#train/${record.id}` }, record.name ?? record.dataset_name), time(record.finished_at), externalOf(scored),
    `${test.rows} of ${test.patients} patients`, ranged(test, 'macro_auroc', three), own, reportOf(record.id, 'Report')];
}

async function validationsOf(model) {
  const { jobs } = await getJson('jobs?type=validate&state=succeeded&limit=100');
  const mine = jobs.filter((job) => job.scored_model === model);
  return { records: await Promise.all(mine.slice(0, MOST).map(({ id }) => getJson(`jobs/${id}`))), more: Math.max(0, mine.length - MOST) };
}

function showValidations(card, training, { records, more }) {
  const own = card.metrics?.test ? `${ranged(card.metrics.test, 'macro_auroc', three)} on ${card.metrics.test.rows} films` : 'not said by its file';
  const columns = ['Validated on', 'When', 'External', 'Films', 'Mean AUROC here', 'The training’s own, on its test rows', 'Report'];
  $('worth-validations').replaceChildren(
    make('h2', { id: 'worth-validations-title' }, 'Validations'),
    make('p', { class: 'help' }, 'External: the model has learned from none of these pictures or patients, as far as its records say. Where it is not, the figures here flatter. ',
      'Intervals are of 95 %, by patient. A link shows each finding here and on the training’s test rows.'),
    records.length ? tableOf('Validations', columns, records.map((record) => rowOf(record, own)))
      : make('p', { class: 'status' }, 'This model has not been validated here. ', make('a', { href: '#train' }, 'Train'), ' has “Validate a model, or score a data set”.'),
    more ? make('p', { class: 'help' }, `${more} older ones are in the list of jobs.`) : '',
    training ? make('p', {}, 'Beside them: ', reportOf(training.id, 'the report of its training'), '.') : '',
  );
}

/** The training that made the model, where its record is still there. */
async function trainingOf({ job }) {
  if (!job) return null;
  const { jobs } = await getJson(`jobs?q=${job}`);
  return jobs.find(({ id, state }) => id === job && state === 'succeeded') ?? null;
}

let wanted = null; // the model that is asked about

async function showModel(id, job) {
  wanted = id;
  const card = await getJson(`models/${id}`);
  const [training, validations] = await Promise.all([trainingOf(card), validationsOf(id)]);
  if (wanted !== id) return;
  showValidations(card, training, validations);
  const sources = [...validations.records.map((record) => ({ job: record.id, name: `${record.name ?? record.dataset_name}, ${time(record.finished_at)}`, record })),
    ...(training ? [{ job: training.id, name: 'the test rows of its training', record: null }] : [])];
  await startProfiles($('worth-profiles'), { card, sources, job, still: () => wanted === id });
}

/** `model`, `job`: what the address asks for; without, the active model. */
export async function show(box, model, job) {
  const { models, active } = await getJson('models?limit=100');
  const able = models.filter(({ backbone }) => !backbone);
  if (model && !able.some(({ id }) => id === model)) able.push(await getJson(`models/${model}`));
  const chosen = model ?? active ?? able[0]?.id;
  if (!chosen) {
    box.replaceChildren(make('p', { class: 'status' }, 'No model yet: train one, or import one.'));
    return;
  }
  const select = make('select', { id: 'worth-model' }, ...able.map((card) => make('option', { value: card.id, selected: card.id === chosen },
    `${called(card)}${card.id === active ? ', answers now' : ''}`)));
  select.addEventListener('change', () => {
    history.replaceState(null, '', `#site/worth/${select.value}`); // no other view: the choice keeps the focus
    attempt(() => showModel(select.value));
  });
  box.replaceChildren(
    make('p', { class: 'filter' }, make('label', { for: 'worth-model' }, 'Model'), select, make('a', { href: `#models/${chosen}`, id: 'worth-card' }, 'Its card')),
    make('section', { id: 'worth-validations', 'aria-labelledby': 'worth-validations-title' }),
    make('section', { id: 'worth-profiles', 'aria-labelledby': 'profiles-title' }),
  );
  await showModel(chosen, job);
}
