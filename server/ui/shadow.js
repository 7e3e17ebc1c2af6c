// The board of a candidate: a model that looks at the pictures of the one that answers, and one that answers a share in its place.
import { ask, getJson } from './api.js';
import { called } from './caption.js';
import { $, attempt, fillFacts, make, number, percent, ranged, showAlert, tableOf, time, words } from './dom.js';
import { greet } from './greet.js';
import { keptPointOf } from './judging.js';
import { say } from './site.js';

const AGAIN_MS = 5000; // figures are asked for anew

let now = null; // {models, active, shadow, canary}
let timer = null;

const three = (value) => number(value, 3);
const nameOf = (id) => (id ? called(now.models.find((card) => card.id === id) ?? { id }) : 'none');
const linkTo = (id) => make('a', { href: `#models/${id}` }, nameOf(id));
const button = (text, work, attributes = { class: 'quiet' }) => make('button', { type: 'button', onclick: () => attempt(work), ...attributes }, text);
const candidates = () => now.models.filter(({ id, backbone }) => id !== now.active && !backbone);

/** A share with its part: "3 of 41 (7.3 %)" */
const of = (part, all) => `${part} of ${all}${all ? ` (${percent(part / all)})` : ''}`;

async function change(method, path, said, body) {
  await ask(method, path, body ? { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } } : {});
  await load();
  say(said);
}

function choiceOf(id, label) {
  return make('p', { class: 'filter' }, make('label', { for: id }, label), make('select', { id }, ...candidates().map((card) => make('option', { value: card.id }, called(card)))));
}

/* ---- shadow ---- */

function begin() {
  const id = $('shadow-model').value;
  return change('PUT', `models/${id}/shadow`, `${nameOf(id)} is in the shadow: it looks at each picture when its answer has left.`);
}

function end() {
  if (!confirm(`Take ${nameOf(now.shadow)} out of the shadow? What was counted goes with it.`)) return null;
  return change('DELETE', `models/${now.shadow}/shadow`, 'No model is in the shadow now.');
}

const timeOf = ({ mean, most }) => (mean === null ? '–' : `${number(mean, 1)} ms, at most ${number(most, 1)} ms`);

function findingRow(one) {
  const pictures = one.both + one.only_active + one.only_candidate + one.neither;
  return [words(one.label), String(pictures), ranged(one, 'discordance', percent), String(one.only_active), String(one.only_candidate), ranged(one, 'kappa', three), ranged(one, 'shift', three), number(one.spread, 3)];
}

const SAID = { better: 'The candidate is better, by the gain in mean AUROC.', worse: 'The candidate is worse, by the gain in mean AUROC.',
  'not told apart': 'The two are not told apart, by the gain in mean AUROC.' };

/** The analyses are planned, so that who looks each day is not misled (docs/feedback.md). */
function plannedOf({ analyses, next_analysis: next }) {
  const made = analyses.map(({ pictures, p, level }) => `${pictures} pictures: p ${number(p, 4)}, to be at most ${number(level, 4)}`).join('; ');
  return `Tested by plan, at 250, 500, 1,000 and 2,000 pictures. ${made ? `So far at ${made}. ` : ''}${next ? `The next test is at ${next} pictures.` : 'No test is left.'}`;
}

const rateOf = (rate) => (rate.pictures === 0 ? '–' : `${ranged(rate, 'gain', percent)}; ${rate.only_active} against ${rate.only_candidate} alone right${rate.p === null ? '' : `, p ${number(rate.p, 4)}`}`);

/** "0.812, 0.825": of the active model and the candidate. */
const bothOf = ({ active, candidate }) => (active === null && candidate === null ? '–' : `${number(active, 3)}, ${number(candidate, 3)}`);

/** Both models by the words of readers: DeLong's comparison of AUROCs, McNemar's of verdicts. */
function readersOf(feedback) {
  if (!feedback) return [make('p', { class: 'help' }, 'Readers have spoken of no picture that both scored. With feedback and --keep-scores the two are compared by what is true, too.')];
  const { macro_auroc: macro } = feedback;
  const rows = [['Mean', bothOf(macro), ranged(macro, 'gain', three), '–', '–'],
    ...feedback.findings.map(({ label, auroc, sensitivity, specificity }) => [words(label), bothOf(auroc), ranged(auroc, 'gain', three),
      rateOf(sensitivity), rateOf(specificity)])];
  return [make('h3', {}, 'By what readers say'),
    make('p', {}, make('strong', {}, SAID[feedback.candidate_is]), ` ${feedback.pictures} pictures of ${feedback.patients} patients, at ${keptPointOf(feedback.operating_point)}.`),
    make('p', { class: 'help' }, plannedOf(feedback)),
    make('p', { class: 'help' }, 'Gains are the candidate’s less the active model’s: of AUROC by DeLong, of sensitivity and specificity with McNemar’s p, by patient.'),
    tableOf('By what readers say', ['Finding', 'AUROC: active, candidate', 'Gain in AUROC', 'Gain in sensitivity', 'Gain in specificity'], rows, 2)];
}

async function showFigures() {
  const s = await getJson(`models/${now.shadow}/shadow`);
  const facts = make('dl', { class: 'facts' });
  fillFacts(facts, {
    Candidate: linkTo(s.model), 'Beside the model that answers': linkTo(s.active), Since: time(s.since), 'Pictures that both scored': String(s.pictures),
    'Not looked at': s.shed.queue + s.shed.memory ? `${s.shed.queue} since eight waited, ${s.shed.memory} for memory` : 'none',
    'Could not be scored': s.failed ? String(s.failed) : null,
    'Time a picture, the model that answers': timeOf(s.latency_ms.active), 'Time a picture, the candidate': `${timeOf(s.latency_ms.candidate)} (lowest priority, one core)`,
  });
  const box = $('shadow-figures');
  if (!box || box.contains(document.activeElement)) return; // it has been ended meanwhile; who reads a table there keeps the place
  box.replaceChildren(facts,
    make('p', { class: 'help' }, 'Discordance: one of the two calls the finding, the other does not, at their thresholds. Kappa: agreement beyond chance. Shift and spread: mean and standard ',
      'deviation of the candidate’s probability less the active one’s. 95 % intervals.'),
    tableOf('The two models by finding', ['Finding', 'Pictures with verdicts', 'Discordance', 'Called by the active one alone', 'By the candidate alone', 'Kappa', 'Shift', 'Spread'], s.findings.map(findingRow), 2),
    ...readersOf(s.feedback));
}

function showShadow() {
  const box = $('shadow-board');
  const head = [make('h2', { id: 'shadow-title' }, 'Shadow'),
    make('p', { class: 'help' }, 'A candidate scores each picture that the active model answers, when the answer has left and nobody predicts. Nothing of the picture is kept, only sums.')];
  if (!now.shadow) {
    box.replaceChildren(...head, ...(candidates().length && now.active ? [choiceOf('shadow-model', 'Candidate'), make('p', { class: 'actions' }, button('Put it in the shadow', begin, { id: 'shadow-begin' }))]
      : [make('p', { class: 'status' }, 'A shadow needs a model that answers, and another one.')]));
    return null;
  }
  box.replaceChildren(...head, make('p', { class: 'actions' }, button('End the shadow', end), make('a', { class: 'button quiet', href: `#models/${now.shadow}` }, 'To the candidate, to activate it')),
    make('div', { id: 'shadow-figures' }));
  return showFigures();
}

/* ---- canary ---- */

function share() {
  const value = $('canary-share').valueAsNumber;
  if (!$('canary-share').reportValidity() || !Number.isFinite(value)) return null;
  const id = now.canary ?? $('canary-model').value;
  if (!confirm(`Let ${nameOf(id)} answer ${value} % of the requests in place of ${nameOf(now.active)}?`)) return null;
  return change('PUT', `models/${id}/canary`, `${nameOf(id)} answers ${value} % of the requests.`, { share: Number((value / 100).toFixed(6)) });
}

function endCanary() {
  if (!confirm(`End the canary? ${nameOf(now.active)} answers all requests again.`)) return null;
  return change('DELETE', `models/${now.canary}/canary`, 'There is no canary now.');
}

async function showCanaryFigures() {
  const c = await getJson(`models/${now.canary}/canary`);
  const facts = make('dl', { class: 'facts' });
  fillFacts(facts, {
    Canary: linkTo(c.model), 'In place of': linkTo(c.active), Since: time(c.since),
    State: c.state === 'answers' ? `answers ${percent(c.share)} of the requests` : make('strong', { class: 'worse' }, `taken back by itself: ${c.reason}`),
    'Its answers': `${c.answers}, with a warning of its input gate ${of(c.warned, c.answers)}`,
    'Answers of the active model meanwhile': `${c.active_answers}, with a warning ${of(c.active_warned, c.active_answers)}`,
    'Answers that it could not give': String(c.failed),
  });
  if (!$('canary-figures')) return; // it has been ended meanwhile
  $('canary-figures').replaceChildren(facts);
  if (document.activeElement !== $('canary-share') && !$('canary-share').dataset.filled) {
    $('canary-share').value = String(Number((c.share * 100).toPrecision(4)));
    $('canary-share').dataset.filled = 'yes';
  }
}

function showCanary() {
  const box = $('canary-board');
  const field = make('p', { class: 'filter' }, make('label', { for: 'canary-share' }, 'Share, %'), make('input', { id: 'canary-share', type: 'number', min: 0.1, max: 50, step: 'any', value: now.canary ? null : 5, required: true }),
    button(now.canary ? 'Change the share' : 'Begin the canary', share, { id: 'canary-set' }));
  const head = [make('h2', { id: 'canary-title' }, 'Canary'),
    make('p', { class: 'help' }, 'A candidate answers a share of the requests, always for the same cases. It is taken back by itself when it fails on a picture, when its input gate warns of more of them than the active ',
      'model’s, or when its scores drift. Each step is in the audit log.')];
  if (!now.canary) {
    box.replaceChildren(...head, ...(candidates().length && now.active ? [choiceOf('canary-model', 'Candidate'), field] : [make('p', { class: 'status' }, 'A canary needs a model that answers, and another one.')]));
    return null;
  }
  box.replaceChildren(...head, make('p', { class: 'actions' }, button('End the canary', endCanary)), make('div', { id: 'canary-figures' }), field);
  return showCanaryFigures();
}

/* ---- both ---- */

/** Ask again while it is looked at; a model may be taken out elsewhere meanwhile, and then all is read anew. */
function keepOn(box) {
  clearInterval(timer);
  timer = setInterval(async () => {
    if (box.hidden || $('site').hidden || document.hidden) return;
    try {
      if (now.shadow) await showFigures();
      if (now.canary) await showCanaryFigures();
    } catch (error) {
      if (error.status === 404) await load().catch(showAlert);
      else showAlert(error);
    }
  }, AGAIN_MS);
}

async function load() {
  now = await getJson('models?limit=100');
  await Promise.all([showShadow(), showCanary(), greet()]);
}

export async function show(box) {
  box.replaceChildren(make('section', { id: 'shadow-board', 'aria-labelledby': 'shadow-title' }), make('section', { id: 'canary-board', 'aria-labelledby': 'canary-title' }));
  await load();
  keepOn(box);
}
