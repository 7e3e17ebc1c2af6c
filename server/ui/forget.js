// A patient is left out of every later job: the form, and which jobs and models had the patient's rows.
import { Problem, getJson, postJson } from './api.js';
import { $, attempt, make, showAlert, short, tableOf, time } from './dom.js';
import { showFaults } from './form.js';

const PARTS = { train: 'learned from them', validation: 'chose its epoch by them', test: 'was tested on them' };
const BY = { rows: 'learned from the rows', init: 'began from a model that did' };

const jobLink = (id) => make('a', { href: `#train/${id}` }, short(id));
const modelLink = (id) => make('a', { href: `#models/${id}` }, short(id));

const joined = (links) => make('span', {}, ...links.flatMap((link, i) => (i ? [', ', link] : [link])));

function showResult(result) {
  const { jobs, models, cancelled, replay, unknown } = result;
  $('forget-result').replaceChildren(
    make('h3', { id: 'forget-said', tabindex: -1 }, result.new ? `Left out of ${result.dataset} from now on` : `Was left out of ${result.dataset} already, since ${time(result.forgotten_at)}`),
    make('p', {}, `${result.patients} patient${result.patients === 1 ? ' is' : 's are'} left out of this data set now.`),
    ...(jobs.length ? [tableOf('Jobs that have used the patient’s rows', ['Job', 'It', 'State', 'Its model'], jobs.map((job) => [jobLink(job.id), PARTS[job.part],
      cancelled.includes(job.id) ? `${job.state}, told to end` : job.state, job.model ? modelLink(job.model) : '–']))] : [make('p', {}, 'No job is known to have used the patient’s rows.')]),
    ...(models.length ? [tableOf('Models that have learned from them', ['Model', 'How', 'By the job'], models.map((one) => [modelLink(one.id), BY[one.by], jobLink(one.job)])),
      make('p', { class: 'help' }, 'A model keeps what it has learned. Train it again without the patient, and activate that one.')] : []),
    ...(replay ? [make('p', {}, 'Trained again without the patient by job ', jobLink(replay), ': its record says how far predictions moved.')] : []),
    ...(unknown.jobs.length ? [make('p', {}, 'Of these jobs it is not known whose rows they used: ', joined(unknown.jobs.map(jobLink)), '.')] : []),
    ...(unknown.models.length ? [make('p', {}, 'Of these models it is not known, since their jobs are deleted: ', joined(unknown.models.map(modelLink)), '.')] : []),
  );
  $('forget-said').focus();
}

async function showForgotten() {
  const { datasets } = await getJson('patients/forgotten');
  $('forgotten').replaceChildren(datasets.length ? tableOf('Patients who are left out', ['Data set', 'Patients left out', 'The latest'], datasets.map((one) => [one.dataset, String(one.patients), time(one.latest_at)]))
    : make('p', { class: 'status' }, 'Nobody is left out of any data set.'));
}

async function send(form) {
  const value = (name) => form.elements[name].value.trim();
  showFaults(form, []);
  if (!confirm(`Leave this patient out of every later job on ${value('dataset')}? That cannot be taken back: the id is not kept, only a keyed digest of it. Jobs that use the rows now are cancelled.`)) return;
  try {
    const result = await postJson('patients/forget', { dataset: value('dataset'), patient_id: value('patient_id'), replay: form.elements.replay.checked });
    form.elements.patient_id.value = ''; // it stays nowhere
    await showForgotten();
    showResult(result);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showAlert(error);
    showFaults(form, error.errors);
  }
}

export async function show(box) {
  const { datasets } = await getJson('datasets');
  const form = make('form', { id: 'forget-form', novalidate: true },
    make('div', { class: 'field', 'data-field': 'dataset' }, make('label', { for: 'forget-dataset' }, 'Data set'),
      make('input', { id: 'forget-dataset', name: 'dataset', list: 'forget-datasets', autocomplete: 'off', spellcheck: 'false', value: datasets.length === 1 ? datasets[0].name : null }),
      make('datalist', { id: 'forget-datasets' }, ...datasets.map(({ name }) => make('option', { value: name })))),
    make('div', { class: 'field', 'data-field': 'patient_id' }, make('label', { for: 'forget-patient' }, 'The patient’s id, as the table has it'),
      make('input', { id: 'forget-patient', name: 'patient_id', autocomplete: 'off', spellcheck: 'false', 'aria-describedby': 'forget-help' }),
      make('p', { class: 'help', id: 'forget-help' }, 'It is sent to this server only, and not kept: a keyed digest is. An id that the table does not have is remembered all the same.')),
    make('p', {}, make('input', { id: 'forget-replay', name: 'replay', type: 'checkbox' }), ' ', make('label', { for: 'forget-replay' }, 'Train again without the patient, and say how far predictions move')),
    make('p', { class: 'actions' }, make('button', { type: 'submit' }, 'Leave the patient out')));
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => send(form));
  });
  box.replaceChildren(make('section', { 'aria-labelledby': 'forget-title' }, make('h2', { id: 'forget-title' }, 'Leave a patient out'),
    make('p', { class: 'help' }, 'No later job trains, validates or tests on the patient’s rows. All others stay in the part of the split that they were in.'), form,
    make('div', { id: 'forget-result' }), make('h2', {}, 'Left out so far'), make('div', { id: 'forgotten' })));
  await showForgotten();
}
