// At which probability a finding is called positive: by thresholds of the model's, or those that an operator has set for it, which
// the server holds it against, or by one that the person sets for all findings, which only this page does.
import { $, percent, words } from './dom.js';

let own = null; // 0 to 1; null: the model's

/** A finding with the threshold that holds; of one that only this page knows nothing was measured. */
export const judged = (finding) => (own === null ? finding
  : { ...finding, threshold: own, positive: finding.probability >= own, sensitivity: null, specificity: null });

const POINTS = { youden: () => 'balanced (Youden)', sensitivity: (at) => `sensitivity of ${percent(at)}`, specificity: (at) => `specificity of ${percent(at)}` };

/** The operating point of a profile in words. */
export const pointOf = ({ kind, at }) => POINTS[kind](at);

/** "sensitivity@3937acdb-…": the operating point of an answer as it is kept, and by which profile it was. */
export function keptPointOf(text) {
  const names = { youden: 'balanced (Youden)', sensitivity_90: '90 % sensitivity', specificity_90: '90 % specificity' };
  const [kind, profile] = text.split('@');
  return `${names[kind] ?? words(kind)}${profile ? `, by profile ${profile.slice(0, 8)}` : ''}`;
}

/** Whether the model of a prediction carries thresholds to choose among. */
const hasThresholds = ({ findings }) => findings.some(({ threshold }) => threshold !== null);

/** Offer the thresholds that the model of a prediction carries. */
export function showJudging(prediction) {
  const some = hasThresholds(prediction);
  for (const option of $('operating').options) option.disabled = !some && option.value.endsWith('_90');
  const [first] = $('operating').options;
  const youden = $('operating').querySelector('[value=youden]');
  youden.hidden = !prediction.profile;
  youden.disabled = !prediction.profile;
  first.textContent = prediction.profile ? 'the site’s profile' : 'balanced (Youden)';
}

/** Offer the thresholds that an operator has set for the model of a card. */
export function offerSet({ own_thresholds: set }) {
  const option = $('operating').querySelector('[value=set]');
  option.disabled = !set;
}

/** `ask(name)` with a kind of thresholds of the model's, '' for those that it has of itself; `again()` where only the page changes. */
export function startJudging(ask, again) {
  const read = () => {
    const value = $('own-threshold').valueAsNumber / 100;
    own = $('operating').value === 'own' && value >= 0 && value <= 1 ? value : null;
  };
  let asked = '';
  $('operating').addEventListener('change', () => {
    const { value } = $('operating');
    $('own').hidden = value !== 'own';
    read();
    const name = value === 'own' ? asked : value === 'set' ? 'own' : value; // the server's word
    if (name !== asked) ask(name);
    asked = name;
    again();
  });
  $('own-threshold').addEventListener('input', () => {
    read();
    again();
  });
}
