// Start a training, and the list of those that there are.
import { Problem, getContract, getJson, postJson } from './api.js';
import { $, attempt, make, number, short, showAlert, time } from './dom.js';
import { makeFields, readFields, showFaults } from './form.js';
import { openJob } from './job.js';

let properties = null;

function rowOf(job) {
  const open = make('button', { type: 'button', class: 'quiet', 'aria-label': `Show ${short(job.id)}`, onclick: () => attempt(() => open_(job.id)) }, short(job.id));
  return make('tr', {}, make('td', {}, open), make('td', {}, time(job.created_at)), make('td', {}, job.state),
    make('td', {}, number(job.validation_loss)));
}

export async function listJobs() {
  const { jobs } = await getJson('jobs?limit=20');
  $('jobs').tBodies[0].replaceChildren(...jobs.map(rowOf));
  $('jobs-status').textContent = jobs.length ? '' : 'No job yet.';
  return jobs;
}

async function open_(id) {
  $('job-title').focus();
  await openJob(id, () => attempt(listJobs));
}

async function submit(form) {
  let started;
  showFaults(form, []);
  try {
    started = await postJson('jobs/train', readFields(form, properties));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showAlert(error);
    showFaults(form, error.errors);
    return;
  }
  await listJobs();
  $('job').hidden = false;
  await open_(started.id);
}

/** Called whenever the view is shown. */
export async function showTrain() {
  if (!properties) {
    properties = (await getContract()).components.schemas.TrainRequest.properties;
    makeFields(properties, $('train-fields'), $('train-more'));
  }
  const jobs = await listJobs();
  const running = jobs.find((job) => job.state === 'running');
  if (running && $('job').hidden) await openJob(running.id, () => attempt(listJobs));
}

export function startTrain() {
  const form = $('train-form');
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => submit(form));
  });
}
