// Start a training: on which data set, from which model, with what else.
import { Problem, getContract, getJson, postJson } from './api.js';
import { called } from './caption.js';
import { listDatasets, startFetch } from './datasets.js';
import { $, attempt, make, showAlert } from './dom.js';
import { makeFields, readFields, showFaults } from './form.js';
import { greet } from './greet.js';
import { openJob } from './job.js';
import { listJobs, startJobs } from './jobs.js';
import { startScoring } from './scoring.js';

let properties = null;

const refresh = () => attempt(async () => { await Promise.all([listJobs(), showChoices(), greet()]); });

async function open_(id) {
  delete $('job').dataset.state; // of the one that was shown before
  $('job').hidden = false;
  $('job-title').focus();
  await openJob(id, refresh);
}

/** The names that a field can take, as a list to pick from; any other can still be typed. */
function choices(field, options) {
  if (!$(field)) return;
  const list = $(`${field}-choices`) ?? make('datalist', { id: `${field}-choices` });
  list.replaceChildren(...options.map(({ value, text }) => make('option', { value }, text)));
  $(field).after(list);
  $(field).setAttribute('list', list.id);
}

async function showChoices() {
  const use = (name) => {
    $('field-dataset').value = name;
    $('field-dataset').focus();
  };
  const [names, { models }, { jobs }] = await Promise.all([listDatasets(use), getJson('models?limit=100'), getJson('jobs?limit=100&type=train&state=succeeded')]);
  const cards = models.map((card) => ({ value: card.id, text: `${called(card)}, ${card.architecture}${card.backbone ? ', a backbone' : ''}` }));
  for (const field of ['field-dataset', 'scoring-dataset']) choices(field, names.map((value) => ({ value })));
  for (const field of ['field-init', 'scoring-model']) choices(field, cards);
  choices('field-replay_of', jobs.filter((job) => job.model).map((job) => ({ value: job.id, text: `${called(job)}, ${job.dataset_name}` })));
  if (names.length === 1) $('field-dataset').placeholder = names[0];
}

async function submit(form, more = {}) {
  let started;
  showFaults(form, []);
  try {
    started = await postJson('jobs/train', { ...readFields(form, properties), ...more });
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showAlert(error);
    showFaults(form, error.errors);
    return;
  }
  await listJobs();
  await open_(started.id);
}

/** Called whenever the view is shown, with the id of a job that is wanted. */
async function begun(id) {
  await listJobs();
  await open_(id);
}

export async function showTrain(wanted) {
  if (!properties) {
    properties = (await getContract()).components.schemas.TrainRequest.properties;
    makeFields(properties, $('train-fields'), $('train-more'));
    attempt(() => startFetch(begun)); // here, not with the page: they read the contract, which is large
    attempt(() => startScoring(begun));
  }
  const [jobs] = await Promise.all([listJobs(), showChoices()]);
  const running = jobs.find((job) => job.state === 'running');
  if (wanted) await open_(wanted);
  else if (running && $('job').hidden) await openJob(running.id, refresh);
}

export function startTrain() {
  const form = $('train-form');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => submit(form));
  });
  $('dry-run').addEventListener('click', () => attempt(() => submit(form, { epochs: 0 })));
  startJobs(open_);
}
