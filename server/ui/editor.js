// A profile is made: a point is chosen on the curves of a validation, and what it means for a thousand patients is said beside each.
import { Problem, ask } from './api.js';
import { $, attempt, make, number, percent, showAlert, words } from './dom.js';
import { showFaults } from './form.js';
import { choose, countsOf, curveOf, cutAt, pointsOf, readScores } from './roc.js';

const LEAST = 20; // patients with a finding, and without it: with fewer it keeps the model's own
const KINDS = { youden: 'Balanced (Youden)', sensitivity: 'Sensitivity of at least', specificity: 'Specificity of at least' };
const SIDE = 120; // of a curve

const svg = (tag, attributes, ...children) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

let curves = [];
let now = null; // {card, source, made, post}

const owns = new Map(); // findings that were given a part of their own

/** The point of all findings, and that of one; of Youden's a finding that is moved asks for a sensitivity. */
const general = () => ({ kind: $('editor-kind').value, at: Number($('editor-at').value) / 100 });
const ownKind = () => (general().kind === 'specificity' ? 'specificity' : 'sensitivity');
const pointOf = ({ label }) => (owns.has(label) ? { kind: ownKind(), at: owns.get(label) } : general());
const enough = (curve) => curve.positivePatients >= LEAST && curve.negativePatients >= LEAST;

/** The cut that holds for a finding: that of the point, or where there are too few patients that of the model's own threshold; null: there is none. */
function cutOf(curve) {
  if (enough(curve)) return choose(curve, pointOf(curve));
  const own = now.card.operating_points?.[curve.label]?.[{ youden: 'youden', sensitivity: 'sensitivity_90', specificity: 'specificity_90' }[general().kind]];
  return typeof own === 'number' ? cutAt(curve, own) : null;
}

const place = ([x, y]) => `${(x * SIDE).toFixed(1)},${((1 - y) * SIDE).toFixed(1)}`;

function drawCurve(curve) {
  const path = curve.positives && curve.negatives ? `M${pointsOf(curve).map(place).join('L')}` : '';
  return svg('svg', { viewBox: `-4 -4 ${SIDE + 8} ${SIDE + 8}`, class: 'roc', role: 'img', 'aria-label': `ROC curve of ${words(curve.label)}: false alarms to the right, found upwards` },
    svg('path', { d: `M0,0V${SIDE}H${SIDE}`, class: 'axis' }), svg('path', { d: `M0,${SIDE}L${SIDE},0`, class: 'chance' }), svg('path', { d: path, class: 'curve' }),
    svg('circle', { r: 5, class: 'point' }));
}

/** A slider that gives a finding a part of its own, and a button that takes it back. */
function sliderOf(curve) {
  const input = make('input', { type: 'range', class: 'own-part', min: 50, max: 99.9, step: 0.1 });
  const back = make('button', { type: 'button', class: 'quiet as-all', 'aria-label': `${words(curve.label)}: as all`, hidden: true }, 'As all');
  input.addEventListener('input', () => {
    owns.set(curve.label, Number((Number(input.value) / 100).toFixed(4)));
    retell();
  });
  back.addEventListener('click', () => {
    owns.delete(curve.label);
    retell();
    input.focus();
  });
  return make('p', { class: 'own' }, input, make('output', { class: 'own-shown' }), back);
}

/** Set the slider of a finding to its part, or for Youden's point to the sensitivity that it has. */
function tellSlider(card, curve, cut) {
  const input = card.querySelector('.own-part');
  if (!input) return;
  const { kind, at } = pointOf(curve);
  const part = kind === 'youden' ? (cut?.hits ?? 0) / curve.positives : at;
  input.value = part * 100;
  input.setAttribute('aria-label', `${words(curve.label)}: ${ownKind()} of at least`);
  input.setAttribute('aria-valuetext', percent(part));
  card.querySelector('.own-shown').textContent = owns.has(curve.label) ? `${ownKind()} of at least ${percent(part)}` : 'as all';
  card.querySelector('.as-all').hidden = !owns.has(curve.label);
}

/** A finding's part of the page: its name, its curve, and what the point means, which moves with the slider. */
function cardOf(curve) {
  const { auroc, auroc_low: low, auroc_high: high } = now.source.record?.evaluation.test.findings.find(({ label }) => label === curve.label) ?? {};
  const quality = typeof auroc === 'number' ? `AUROC ${number(auroc, 3)}${typeof low === 'number' ? ` (${number(low, 3)} to ${number(high, 3)})` : ''}` : '';
  return make('li', { class: 'roc-card', 'data-label': curve.label }, make('h4', {}, words(curve.label)), drawCurve(curve),
    make('div', {}, make('p', { class: 'help' }, [quality, `${curve.positivePatients} patients with it`].filter(Boolean).join('; ')), make('p', { class: 'rates' }), make('p', { class: 'counts' }),
      enough(curve) ? sliderOf(curve) : make('p', { class: 'help few' }, `Fewer than ${LEAST} patients have it, or lack it: it keeps the model’s own threshold.`)));
}

const rate = (part, all) => (all ? percent(part / all) : '–');

function tell(card, curve) {
  const cut = cutOf(curve);
  const mark = card.querySelector('.point');
  const told = cut && curve.positives > 0 && curve.negatives > 0;
  card.dataset.threshold = cut?.threshold ?? '';
  tellSlider(card, curve, cut);
  mark.setAttribute('visibility', told ? 'visible' : 'hidden');
  if (!told) {
    card.querySelector('.rates').textContent = 'No threshold.';
    card.querySelector('.counts').textContent = '';
    return;
  }
  const { hits, alarms } = cut;
  mark.setAttribute('cx', (alarms / curve.negatives) * SIDE);
  mark.setAttribute('cy', (1 - hits / curve.positives) * SIDE);
  card.querySelector('.rates').textContent = `Sensitivity ${rate(hits, curve.positives)}, specificity ${rate(curve.negatives - alarms, curve.negatives)} of the films`;
  const { have, found, missed, lack, alarms: called } = countsOf(curve, cut);
  card.querySelector('.counts').replaceChildren('Of 1,000 patients here: ', make('strong', {}, `${have} have it`), `, ${found} found, `, make('strong', {}, `${missed} missed`), `; ${lack} do not, `,
    make('strong', {}, `${called} called all the same`), '.');
}

function retell() {
  const { kind, at } = general();
  $('editor-part').hidden = kind === 'youden';
  $('editor-shown').textContent = percent(at);
  $('editor-at').setAttribute('aria-valuetext', percent(at));
  for (const card of $('editor-curves').children) tell(card, curves.find(({ label }) => label === card.dataset.label));
}

/** Counts of pictures and patients that a validation shares with those that the model learned from: of such rows no profile is made. */
const commonOf = ({ record }) => record?.scored.in_common ?? { pictures: 0, patients: 0 };

/** Read the scores of what was chosen, and draw its curves; those with most positives first. */
async function readSource(source) {
  now.source = source;
  owns.clear();
  $('editor-status').textContent = 'Reading its scores…';
  $('editor-form').hidden = true;
  const csv = await (await ask('GET', `jobs/${source.job}/scores?split=all`)).text();
  if (now.source !== source) return;
  const rows = readScores(csv, 'test');
  curves = rows.labels.map((_, k) => curveOf(rows, k)).filter(({ cuts }) => cuts.length).sort((a, b) => b.positivePatients - a.positivePatients);
  $('editor-curves').replaceChildren(...curves.map(cardOf));
  const { pictures, patients } = commonOf(source);
  const common = pictures + patients;
  $('editor-status').textContent = common ? `No profile can be made of it: the model has learned from ${pictures} of these pictures, of ${patients} of these patients. Validate on the others, which a list says (rows).`
    : `${rows.patients.length} films of ${new Set(rows.patients).size} patients.`;
  $('editor-form').hidden = Boolean(common);
  retell();
}

/** The request for the profile. */
function wish(form) {
  const { kind, at } = general();
  const points = Object.fromEntries([...owns].map(([label, part]) => [label, { [ownKind()]: part }]));
  const text = (name) => form.elements[name].value.trim();
  return { validation: now.source.job, operating_point: kind === 'youden' ? 'youden' : { [kind]: Number(at.toFixed(4)) },
    ...(owns.size ? { operating_points: points } : {}),
    ...(text('error_rate') ? { error_rate: Number((Number(text('error_rate')) / 100).toFixed(6)) } : {}),
    ...(text('expires_in_days') ? { expires_in_days: Number(text('expires_in_days')) } : {}),
    ...(text('name') ? { name: text('name') } : {}), ...(text('population') ? { population: text('population') } : {}) };
}

async function send(form) {
  showFaults(form, []);
  try {
    await now.made(await now.post(wish(form)));
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    showAlert(error);
    showFaults(form, error.errors);
  }
}

const field = (name, label, help, attributes) => make('div', { class: 'field', 'data-field': name }, make('label', { for: `editor-${name}` }, label),
  make('input', { id: `editor-${name}`, name, autocomplete: 'off', 'aria-describedby': `editor-help-${name}`, ...attributes }), make('p', { class: 'help', id: `editor-help-${name}` }, help));

function formOf() {
  return make('form', { id: 'editor-form', novalidate: true, hidden: true },
    make('div', { class: 'chooser' },
      make('p', { class: 'filter' }, make('label', { for: 'editor-kind' }, 'Operating point'),
        make('select', { id: 'editor-kind' }, ...Object.entries(KINDS).map(([value, text]) => make('option', { value, selected: value === 'sensitivity' }, text)))),
      make('p', { id: 'editor-part', class: 'filter' }, make('label', { for: 'editor-at' }, 'Part'), make('input', { id: 'editor-at', type: 'range', min: 50, max: 99.9, step: 0.1, value: 90 }),
        make('output', { id: 'editor-shown', for: 'editor-at' }))),
    make('p', { class: 'help' }, 'Counts are of one film a patient, and go with how common a finding is among these patients. A point is at its best on the films that choose it: the ',
      'profile says what it reaches on films that do not.'),
    make('ul', { id: 'editor-curves', class: 'roc-cards' }),
    make('div', { class: 'group-fields' },
      field('name', 'Name', 'By which people tell it from others.', { maxlength: 120 }),
      field('error_rate', 'Error rate of verdicts, %', 'Each finding is then also called present, absent or cannot say, wrong at most so often: 1 to 50. Empty: no verdicts.', { inputmode: 'decimal' }),
      field('expires_in_days', 'Expires in days', '1 to 3,650; 365 where nothing is said.', { inputmode: 'numeric' }),
      field('population', 'Population', 'Whom these pictures are of, in words.', { maxlength: 1000 })),
    make('p', { class: 'actions' }, make('button', { type: 'submit' }, 'Make the profile')));
}

/** `sources`: [{job, name, record}]; `made`: called with the profile. */
export function startEditor(box, { card, sources, job, made, post }) {
  now = { card, source: null, made, post };
  if (!sources.length) {
    box.replaceChildren(make('p', { class: 'status' }, 'Validate the model first: a profile is made of a validation.'));
    return;
  }
  const first = job ?? (sources.find((source) => !commonOf(source).pictures && !commonOf(source).patients) ?? sources[0]).job;
  const select = make('select', { id: 'editor-source' }, ...sources.map((source) => make('option', { value: source.job, selected: source.job === first }, source.name)));
  box.replaceChildren(make('p', { class: 'filter' }, make('label', { for: 'editor-source' }, 'Validation'), select), make('p', { id: 'editor-status', role: 'status', class: 'status' }), formOf());
  const read = () => attempt(() => readSource(sources.find((source) => source.job === select.value)));
  select.addEventListener('change', read);
  $('editor-kind').addEventListener('change', () => {
    owns.clear(); // they were of the other kind
    retell();
  });
  $('editor-at').addEventListener('input', retell);
  $('editor-form').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => send(event.target));
  });
  read();
}
