// Score a data set with a model, or validate the model there: the form, and what a job of these kinds says.
import { Problem, getContract, getJson, postJson } from './api.js';
import { $, attempt, fillTable, make, number, percent, ranged, showAlert } from './dom.js';
import { fieldOf, readFields, showFaults } from './form.js';
import { keptOf } from './kept.js';

const FIRST = ['dataset', 'model', 'labels', 'other_words', 'rows', 'csv', 'images', 'name'];
let properties = null;

/** The findings as JSON, or as names between commas; what is neither is sent as it is, and the server says what is wrong. */
function labelsOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text.split(',').map((name) => name.trim()).filter(Boolean);
  }
}

async function submit(form, kind, begun) {
  const asked = readFields(form, properties);
  if (asked.labels) asked.labels = labelsOf(form.elements.labels.value);
  showFaults(form, []);
  try {
    const { id } = await postJson(`jobs/${kind}`, asked);
    await begun(id);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showAlert(error);
    showFaults(form, error.errors);
  }
}

/** `begun`: called with the id of the job that was started. */
export async function startScoring(begun) {
  const schema = (await getContract()).components.schemas.ValidateJobRequest;
  if (!schema) return;
  properties = Object.fromEntries(FIRST.map((name) => [name, schema.properties[name]]));
  const form = $('scoring-form');
  $('scoring-fields').append(...FIRST.map((name) => fieldOf(name, properties[name], 'scoring')));
  $('scoring-labels').placeholder = '{"Effusion": ["Pleural effusion"], "Mass": []}';
  $('scoring').hidden = false;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => submit(form, 'validate', begun));
  });
  $('score-only').addEventListener('click', () => attempt(() => submit(form, 'predict', begun)));
}

function external({ external: is, reason }) {
  if (is === undefined) return null;
  return is ? 'yes' : `${is === false ? 'no' : 'not known'}: ${reason}`;
}

/** Facts that a finished job tells of the model that it scored with. */
export function scoredFacts({ id: job, scored, scored_model: model, dataset }) {
  const link = model ? make('a', { href: `#models/${model}` }, model) : null;
  if (!scored) return { 'Scored model': link };
  return {
    'Scored model': link,
    Pictures: dataset ? `${dataset.test}, ${dataset.unreadable_images ?? 0} of them could not be scored` : null,
    'External validation': external(scored),
    'On this site': model && scored.findings ? make('a', { href: `#site/worth/${model}/${job}` }, 'Make a profile of it') : null,
    'Findings scored': scored.findings?.join(', ').replaceAll('_', ' '),
    'Not in the table': scored.not_scored?.join(', ').replaceAll('_', ' ') || null,
    'Not scored': scored.unusable.slice(0, 5).map(({ image, detail }) => `${image}: ${detail}`).join('; ') || null,
  };
}

/** A figure of these pictures, and below it that of the model's own test rows. */
const beside = (here, own) => make('span', {}, here, make('br'), make('span', { class: 'own-figure' }, `own: ${own}`));

/** Each finding that was scored: here, and on the model's own test rows; and what profiles kept. */
export function showFindings(record) {
  const { evaluation, scored } = record;
  $('job-findings').hidden = !(evaluation && scored);
  if ($('job-findings').hidden) return;
  $('job-kept').replaceChildren(...keptOf(record));
  const three = (value) => number(value, 3);
  const named = new Set(scored.findings);
  fillTable($('findings-here'), evaluation.test.findings.filter(({ label }) => named.has(label)).map((finding) => {
    const here = finding.operating_points.youden;
    const own = scored.own?.[finding.label];
    const cells = [String(finding.positives), beside(ranged(finding, 'auroc', three), ranged(own, 'auroc', three)),
      ...['sensitivity', 'specificity'].map((name) => beside(ranged(here, name, percent), ranged(own?.rates?.youden, name, percent))),
      ranged(here, 'ppv', percent), ranged(here, 'positive_rate', percent)];
    return make('tr', {}, make('th', { scope: 'row' }, finding.label.replaceAll('_', ' ')), ...cells.map((cell) => make('td', {}, cell)));
  }));
}

/** The validations of a model that have succeeded, as links with their figures. */
export async function validationsOf(model) {
  const { jobs } = await getJson('jobs?type=validate&state=succeeded&limit=100');
  const found = jobs.filter((job) => job.scored_model === model);
  return found.length ? make('span', {}, ...found.flatMap((job, i) => [i ? ', ' : '', make('a', { href: `#train/${job.id}` }, job.name ?? job.dataset_name),
    ` (AUROC ${number(job.macro_auroc, 3)})`])) : null;
}
