// The server's answer about one film: its findings as bars, its warnings, the facts beside them.
import { $, fillFacts, make, number, percent, ranged, short, time, words } from './dom.js';
import { judged, pointOf, showJudging } from './judging.js';

/** "AUROC 0.812 (0.745 to 0.880; 63 positive films)", or that it is not known. */
function qualityOf({ auroc, auroc_low: low, auroc_high: high, auroc_positives: positives, auroc_negatives: negatives }) {
  if (auroc === null) return positives === null ? null : `AUROC not known: ${positives} positive, ${negatives ?? 'unknown'} negative test films`;
  return `AUROC ${number(auroc, 3)}${low === null ? '' : ` (${number(low, 3)} to ${number(high, 3)}; ${positives} positive films)`}`;
}

/** "threshold 21.0 %, above it · AUROC 0.812": as far as the model carries them; an empty text where it carries neither. */
function extraOf(finding) {
  const parts = [];
  if (finding.positive !== null) parts.push(`threshold ${percent(finding.threshold)}, ${finding.positive ? 'above it' : 'below it'}`);
  const here = ['sensitivity', 'specificity'].filter((name) => typeof finding[name] === 'number').map((name) => `${name} ${ranged(finding, name, percent)}`);
  if (here.length) parts.push(`measured here: ${here.join(', ')}`);
  if (finding.fitted_here === false) parts.push('too few patients here: the model’s own threshold');
  if (finding.apart) parts.push(`threshold for ${pointOf(finding.operating_point)}`);
  const quality = qualityOf(finding);
  if (quality) parts.push(quality);
  return parts.join(' · ');
}

const VERDICTS = { present: 'verdict present', absent: 'verdict', 'cannot say': 'verdict unsure' };
const verdictOf = ({ verdict }) => (verdict ? make('span', { class: VERDICTS[verdict] }, verdict) : null);

/** A profile may have another operating point for a finding than for all. */
const hasOwnPoint = ({ operating_point: point }, { profile }) => Boolean(point && profile) && (point.kind !== profile.operating_point.kind || point.at !== profile.operating_point.at);

/** Which profile of the site an answer is by, and what of it. */
function showProfile(prediction, verdicts) {
  const { profile, operating_point: asked, model } = prediction;
  const box = $('by-profile');
  box.hidden = !profile;
  if (!profile) return box.replaceChildren();
  const { error_rate: rate, expires_at: expires, expired } = profile;
  return box.replaceChildren('By ', make('a', { href: `#site/worth/${model.id}` }, `this site’s profile ${short(profile.id)}`), ': ',
    asked ? 'probabilities; the thresholds are the model’s, moved as the probabilities are' : `${pointOf(profile.operating_point)}${prediction.findings.some((finding) => hasOwnPoint(finding, prediction)) ? ', but where a finding says another' : ''}`,
    verdicts && rate !== null ? `; verdicts, each wrong at most ${percent(rate)} of the time` : '', expired ? `. It expired on ${time(expires)}.` : '.');
}

/** The gate saw that the model never learned from such a picture. */
const isUnlike = ({ warnings }) => warnings.some(({ code }) => code === 'unlike_training');

/** Whether a threshold that was measured here may be no better than chance: its sensitivity and specificity, which are of different
 *  patients, against 1, by the intervals of both. */
function chanceHere({ sensitivity, sensitivity_low: s, sensitivity_high: t, specificity, specificity_low: u, specificity_high: v }) {
  const reach = [[s, t], [u, v]].every((ends) => ends.every((end) => typeof end === 'number')) ? Math.hypot(t - s, v - u) / 2 : 0;
  return sensitivity + specificity - reach <= 1;
}

/** Why a finding's number by itself is to be read with doubt; null: no reason. */
function doubtOf(finding) {
  if (finding.fitted_here && typeof finding.sensitivity === 'number' && typeof finding.specificity === 'number') {
    return chanceHere(finding) ? 'no better than chance can be, by what was measured here' : null;
  }
  if (finding.auroc === null) return 'how well the model knows it is not known';
  return (finding.auroc_low ?? finding.auroc) <= 0.5 ? 'no better than chance can be, on its test films' : null;
}

function barOf(finding) {
  const fill = make('span', { class: 'fill' });
  fill.style.width = `${finding.probability * 100}%`;
  const track = make('span', { class: 'track', 'aria-hidden': 'true' }, fill);
  if (finding.positive !== null) {
    const mark = make('span', { class: 'threshold' });
    mark.style.left = `${finding.threshold * 100}%`;
    track.append(mark);
  }
  return track;
}

/** Why all of them are; null: not all, or not for one reason. */
function commonDoubt(prediction) {
  if (isUnlike(prediction)) return 'the picture is unlike those that the model learned from';
  const reasons = new Set(prediction.findings.map(doubtOf));
  return reasons.size === 1 ? [...reasons][0] : null;
}

/** The number by itself is to be read with doubt: of this finding, or of all in this picture. */
export const isDoubtful = (finding, prediction) => isUnlike(prediction) || doubtOf(finding) !== null;

function findingButton(finding, common, choose) {
  const doubt = doubtOf(finding);
  const extra = [extraOf(finding), common ? null : doubt].filter(Boolean).join(' · ');
  const kind = `finding${finding.positive ? ' positive' : ''}${doubt || common ? ' doubtful' : ''}`;
  return make('button', { type: 'button', class: kind, 'aria-pressed': 'false', 'data-label': finding.label,
    'data-probability': finding.probability, title: extra || null, onclick: () => choose(finding.label) },
  make('span', { class: 'label' }, words(finding.label)), barOf(finding), make('span', { class: 'number' }, percent(finding.probability)),
  verdictOf(finding), extra ? make('span', { class: 'extra' }, extra) : null);
}

const FORMATS = { png: 'PNG', jpeg: 'JPEG', dicom: 'DICOM' };
const GREYS = { none: 'least value black, greatest white', lut: 'by its VOI LUT', window: 'by its window', identity: 'as they are' };

/** "DICOM: DX, CHEST, PA": what the file says that it is. */
function fileOf(image) {
  if (!image?.format) return null;
  const said = [image.modality, image.body_part, image.view].filter(Boolean);
  return `${FORMATS[image.format] ?? image.format}${said.length ? `: ${said.join(', ')}` : ''}` +
    `${image.voi ? `; greys ${GREYS[image.voi] ?? image.voi}` : ''}`;
}

/** "age 64, sex F": what the model was told because the file says it. */
function fromFile(inputs = {}) {
  const told = Object.entries(inputs).filter(([, { from }]) => from === 'file').map(([name, { value }]) => `${name} ${value}`);
  return told.length ? told.join(', ') : null;
}

const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0]);

/** All warnings of a prediction, those of inputs that are missing as one. */
export function warningsOf({ warnings, model }) {
  const missing = warnings.filter(({ code }) => code === 'missing_input');
  const rest = warnings.filter(({ code }) => code !== 'missing_input');
  if (missing.length < 2) return [...warnings, ...model.warnings];
  const names = missing.map(({ detail }) => words(/'([^']*)'/.exec(detail)?.[1] ?? '?'));
  return [...rest, { code: 'missing_input', detail: `${listed(names)} are not given: what they are on the average in training is taken` },
    ...model.warnings];
}

export function showFindings(prediction, choose) {
  const { image, model, timing_ms: timing } = prediction;
  const findings = prediction.findings.map((finding) => judged({ ...finding, apart: hasOwnPoint(finding, prediction) }));
  showJudging(prediction);
  const common = commonDoubt(prediction);
  $('findings').replaceChildren(...findings.map((finding) => make('li', {}, findingButton(finding, common, choose))));
  const verdicts = findings.some(({ verdict }) => verdict);
  $('findings').classList.toggle('verdicts', verdicts);
  $('legend-verdict').hidden = !verdicts;
  showProfile(prediction, verdicts);
  $('legend-doubtful').hidden = !common && !findings.some(doubtOf);
  $('legend-reason').textContent = common ?? 'not to be relied on; choose it to read why';
  $('legend-threshold').hidden = !findings.some(({ positive }) => positive !== null);
  $('warnings').replaceChildren(...warningsOf(prediction).map((warning) =>
    make('li', {}, make('strong', {}, `${words(warning.code)}: `), warning.detail)));
  fillFacts($('facts'), {
    Model: `${short(model.id)} (${model.architecture})`,
    'Trained on': model.population === 'findings-only' ? 'pictures with a finding only: on a normal chest these numbers mean little'
      : words(model.population ?? 'unknown'),
    Picture: image ? `${image.width} × ${image.height}, ${image.channels} channel${image.channels > 1 ? 's' : ''}, ${image.bit_depth} bit`
      : 'none was looked at',
    File: fileOf(image),
    'Told by the file': fromFile(prediction.inputs),
    Time: `${number(timing.total, 1)} ms: ${['queue', 'decode', 'preprocess', 'forward']
      .map((part) => `${part} ${number(timing[part], 1)}`).join(', ')}`,
    Request: prediction.id,
  });
}

/** Mark the finding whose map is shown; null: none. */
export function markFinding(label) {
  for (const button of $('findings').querySelectorAll('button')) button.setAttribute('aria-pressed', String(button.dataset.label === label));
}

/** Current and prior, finding by finding, the largest change first. */
export function showChanges(table, current, prior) {
  const before = prior.probabilities;
  const rows = current.findings.filter(({ label }) => label in before)
    .map(({ label, probability }) => ({ label, now: probability, then: before[label], change: probability - before[label] }))
    .sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
  const points = (change) => {
    const size = (Math.abs(change) * 100).toFixed(1);
    return Number(size) === 0 ? size : `${change < 0 ? '−' : '+'}${size}`;
  };
  table.tBodies[0].replaceChildren(...rows.map(({ label, now, then, change }) => make('tr', {}, make('th', { scope: 'row' }, words(label)),
    make('td', {}, percent(then)), make('td', {}, percent(now)), make('td', {}, points(change)))));
}
