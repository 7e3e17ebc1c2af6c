// Fields for the values that the active model takes beside the picture, and for nothing else.
import { Problem, getJson } from './api.js';
import { $ } from './dom.js';
import { offerSet } from './judging.js';

const NAMES = ['age', 'sex', 'view', 'history', 'history_last', 'course'];
let known = null; // the id of the model whose fields are shown
let wanted = null; // that of the model whose fields were asked for last

const fields = () => [...$('patient').querySelectorAll('.patient-field')];

function show({ inputs = [], labels, architecture }) {
  const asked = inputs.includes('history') ? [...inputs, 'history_last'] : inputs;
  for (const field of fields()) field.hidden = !asked.includes(field.dataset.input);
  $('patient-history-help').hidden = !inputs.includes('history') && !inputs.includes('course');
  $('patient-course-help').hidden = !inputs.includes('course');
  $('patient-labels').textContent = labels ? ` This model knows ${labels.join(', ')}.` : '';
  $('patient').hidden = inputs.length === 0;
  $('no-picture').hidden = architecture !== 'logistic';
}

/** Show what the model `id` takes. */
export async function askFor(id) {
  wanted = id;
  if (id === known) return;
  const card = id ? await getJson(`models/${id}`) : {};
  if (id !== wanted) return;
  known = id;
  show(card);
  offerSet(card);
}

/** Ask for the card anew when it is needed: it is another now. */
export function forgetModel() {
  known = null;
}

/** Show what the active model takes. A person without a key is told so when they ask for a prediction. */
export async function askForActive() {
  try {
    const { active } = await getJson('models?limit=1');
    await askFor(active);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
  }
}

/** The values that were given, as query parameters by name. */
export function given() {
  const values = fields().filter((field) => !field.hidden)
    .map((field) => [field.dataset.input, $(`patient-${field.dataset.input}`).value.trim()]);
  return Object.fromEntries(values.filter(([, value]) => value));
}

/** Show what was given of another film. */
export function showGiven(values) {
  for (const name of NAMES) $(`patient-${name}`).value = values[name] ?? '';
}

export function onGiven(work) {
  for (const name of NAMES) $(`patient-${name}`).addEventListener('change', work);
}
