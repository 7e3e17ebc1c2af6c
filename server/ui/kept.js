// How a profile did on films that it was not fitted to: what its verdicts, thresholds and calibration kept.
import { called } from './caption.js';
import { make, percent, tableOf, words } from './dom.js';

const three = (value) => value.toFixed(3);
const figure = (value, form) => (value ? `${form(value.value)}${value.low === null ? '' : ` (${form(value.low)} to ${form(value.high)})`}` : '–');
const COLUMNS = ['Finding', 'Patients with it', 'Called absent, of those with it', 'Called present, of those without', 'Nothing said', 'Sensitivity', 'Specificity',
  'Brier score: model, here'];

/** A row a finding. */
export const keptTable = (what, findings) => tableOf(what, COLUMNS, findings.map((one) => [words(one.label), String(one.positive_patients),
  ...['missed', 'alarmed', 'unsure', 'sensitivity', 'specificity'].map((name) => figure(one[name], percent)), `${figure(one.brier_model, three)}, ${figure(one.brier_here, three)}`]), 5);

function commonOf({ rows_in_common: rows }) {
  if (rows === null) return 'Whether it was fitted to some of these patients is not known.';
  return rows ? `It was fitted to patients of ${rows} of these rows, where it looks better than it is.` : 'It was fitted to none of these patients.';
}

function oneKept(model, kept) {
  const name = called({ id: kept.profile, name: kept.name });
  const rate = kept.error_rate === null ? 'It states no error rate.' : `Its verdicts are each to be wrong at most ${percent(kept.error_rate)} of the time.`;
  return [make('h3', {}, 'What ', make('a', { href: `#site/worth/${model}` }, `profile ${name}`), ' kept here'),
    make('p', { class: 'help' }, `${kept.active ? 'The profile in force when this ended' : 'A profile that the request named'}${kept.expired ? ', expired' : ''}. ${rate} ${commonOf(kept)}`),
    keptTable(`What profile ${name} kept`, kept.findings)];
}

/** Of a validation's record, each profile that it was held against. */
export const keptOf = ({ kept, scored_model: model }) => (kept ?? []).flatMap((one) => oneKept(model, one));
