// The list of jobs: found by name, data set or state, and more of them when there are more.
import { getJson } from './api.js';
import { $, attempt, fillTable, make, number, short, time } from './dom.js';

const PAGE = 20;
let next = null;   // the cursor of the page that follows
let opened = () => {};

/** "succeeded", "running (dry run)", "failed (fetch)" */
function stateOf(job) {
  const kind = job.dry_run ? 'dry run' : job.type;
  const state = job.waits_for ? `${job.state}: ${job.waits_for}` : job.state;
  return kind === 'train' ? state : `${state} (${kind})`;
}

function rowOf(job) {
  const open = make('button', { type: 'button', class: 'quiet', 'aria-label': `Show ${short(job.id)}`, onclick: () => attempt(() => opened(job.id)) }, short(job.id));
  return make('tr', { 'data-job': job.id, title: job.note }, make('td', {}, open), make('td', { class: 'wide' }, job.name ?? '–'),
    make('td', {}, job.dataset_name || '–'), make('td', {}, stateOf(job)), make('td', {}, number(job.macro_auroc, 3)),
    make('td', {}, number(job.validation_loss)), make('td', {}, time(job.created_at)));
}

async function page(cursor) {
  const asked = { limit: PAGE, q: $('jobs-text').value.trim(), state: $('jobs-state').value, cursor };
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value));
  const list = await getJson(`jobs?${query}`);
  next = list.next_cursor;
  $('jobs-more').hidden = !next;
  return list.jobs;
}

const filtered = () => Boolean($('jobs-text').value.trim() || $('jobs-state').value);

export async function listJobs() {
  const jobs = await page();
  fillTable($('jobs'), jobs.map(rowOf));
  const none = filtered() ? 'No job is found so.' : 'No job yet.';
  $('jobs-status').textContent = jobs.length ? '' : none;
  return jobs;
}

/** `open`: called with the id of a job that is to be shown. */
export function startJobs(open) {
  opened = open;
  $('jobs-filter').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(listJobs);
  });
  $('jobs-state').addEventListener('change', () => attempt(listJobs));
  $('jobs-more').addEventListener('click', () => attempt(async () => fillTable($('jobs'), (await page(next)).map(rowOf), { more: true })));
}
