// A picture in, a bar for each of the model's findings out, and for one of them the map of where its score comes from.
import { ask } from './api.js';
import { $, attempt, bytes, fillFacts, make, number, percent, short, words } from './dom.js';
import { drawMap, strongest } from './map.js';
import { askFor, askForActive, given, onGiven } from './patient.js';

let file;             // what was chosen, null: no picture
let shown = null;     // its object URL
let request = null;   // what is under way, to be dropped when something newer is asked for

async function post(asked, signal) {
  const query = String(new URLSearchParams([...given(), ...Object.entries(asked)]));
  const reply = await ask('POST', `predict${query && `?${query}`}`, { body: file, headers: file ? { 'Content-Type': 'image/png' } : {}, signal });
  return reply.json();
}

function begin() {
  request?.abort();
  request = new AbortController();
  return request.signal;
}

function takeMapOff() {
  $('film-map').hidden = true;
  $('map-tools').hidden = true;
  for (const button of $('findings').querySelectorAll('button')) button.setAttribute('aria-pressed', 'false');
}

function showFilm() {
  if (shown) URL.revokeObjectURL(shown);
  $('film').hidden = !file;
  if (!file) return;
  shown = URL.createObjectURL(file);
  $('film-image').src = shown;
  $('film-image').alt = 'The X-ray that was chosen';
  $('film-caption').textContent = `${file.name}, ${bytes(file.size)}`;
}

/** "AUROC 0.812 (0.745 to 0.880; 63 positive films)", or that nobody knows it. */
function qualityOf({ auroc, auroc_low: low, auroc_high: high, auroc_positives: positives, auroc_negatives: negatives }) {
  if (auroc === null) return positives === null ? null : `AUROC not known: ${positives} positive, ${negatives ?? 'unknown'} negative test films`;
  return `AUROC ${number(auroc, 3)}${low === null ? '' : ` (${number(low, 3)} to ${number(high, 3)}; ${positives} positive films)`}`;
}

/** "threshold 21.0 %, above it · AUROC 0.812": what the model carries, nothing where it carries nothing. */
function extraOf(finding) {
  const parts = [];
  if (finding.positive !== null) {
    parts.push(`threshold ${percent(finding.threshold)}, ${finding.positive ? 'above it' : 'below it'}`);
  }
  const quality = qualityOf(finding);
  if (quality) parts.push(quality);
  return parts.join(' · ');
}

function findingButton(finding) {
  const fill = make('span', { class: 'fill' });
  fill.style.width = `${finding.probability * 100}%`;
  const track = make('span', { class: 'track', 'aria-hidden': 'true' }, fill);
  if (finding.positive !== null) {
    const mark = make('span', { class: 'threshold' });
    mark.style.left = `${finding.threshold * 100}%`;
    track.append(mark);
  }
  const extra = extraOf(finding);
  return make('button', {
    type: 'button', class: finding.positive ? 'finding positive' : 'finding', 'aria-pressed': 'false',
    'data-label': finding.label, 'data-probability': finding.probability, onclick: () => attempt(() => explain(finding.label)),
  }, make('span', {}, words(finding.label)), track, make('span', { class: 'number' }, percent(finding.probability)),
  extra ? make('span', { class: 'extra' }, extra) : null);
}

function showPrediction(prediction) {
  const { image, model, timing_ms: timing } = prediction;
  $('findings').replaceChildren(...prediction.findings.map((finding) => make('li', {}, findingButton(finding))));
  $('warnings').replaceChildren(...[...prediction.warnings, ...model.warnings].map((warning) =>
    make('li', {}, make('strong', {}, `${words(warning.code)}: `), warning.detail)));
  fillFacts($('facts'), {
    Model: `${short(model.id)} (${model.architecture})`,
    'Trained on': model.population === 'findings-only' ? 'pictures with a finding only: on a normal chest these numbers mean little'
      : words(model.population ?? 'unknown'),
    Picture: image ? `${image.width} × ${image.height}, ${image.channels} channel${image.channels > 1 ? 's' : ''}, ${image.bit_depth} bit`
      : 'none was looked at',
    Time: `${number(timing.total, 1)} ms: ${['queue', 'decode', 'preprocess', 'forward']
      .map((part) => `${part} ${number(timing[part], 1)}`).join(', ')}`,
    Request: prediction.id,
  });
  const top = prediction.findings[0];
  $('predict-status').textContent = `Answered. Highest: ${words(top.label)}, ${percent(top.probability)}.`;
  $('prediction').hidden = false;
}

async function predict(chosen) {
  const signal = begin();
  file = chosen;
  takeMapOff();
  $('prediction').hidden = true;
  $('predict-status').textContent = 'Asking the server…';
  showFilm();
  try {
    const prediction = await post({}, signal);
    showPrediction(prediction);
    await askFor(prediction.model.id);
  } catch (error) {
    $('predict-status').textContent = 'No prediction.';
    throw error;
  }
}

async function explain(label) {
  const { explanation } = await post({ explain: label }, begin());
  for (const button of $('findings').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.dataset.label === label));
  }
  drawMap($('film-map'), explanation.grid);
  setOpacity();
  $('map-title').textContent = `${words(label)}: score ${scoreOf(explanation)}; raised most ${strongest(explanation.grid)}.`;
  $('map-tools').hidden = false;
  showMapWhereItIs();
}

/** A score and what it is made of, or how it was asked for. */
function scoreOf({ bias, grid, inputs, logit, method }) {
  if (method === 'occlusion') {
    return `${number(logit, 2)}; by occlusion: how much it falls when a part of the picture is covered, ` +
      `${number(Math.max(...grid.flat()), 2)} at most`;
  }
  const pixels = grid.flat().reduce((sum, cell) => sum + cell, 0);
  return `${number(logit, 2)} = ${number(bias, 2)} before any picture` +
    `${inputs ? `, ${number(inputs, 2)} from the other inputs` : ''}, ${number(pixels, 2)} from the pixels`;
}

/** On a phone the picture is above the findings: whoever asks for its map is taken there. */
function showMapWhereItIs() {
  if ($('film').getBoundingClientRect().bottom < $('film-image').height / 2) $('film').scrollIntoView();
}

function setOpacity() {
  $('film-map').style.opacity = String($('opacity').value / 100);
}

function choose(files) {
  if (files.length > 0) attempt(() => predict(files[0]));
}

/** Called whenever the view is shown. */
export const showPredict = askForActive;

export function startPredict() {
  const drop = $('drop');
  $('file').addEventListener('change', () => {
    choose($('file').files);
    $('file').value = ''; // the same file again is a choice too
  });
  for (const [name, over] of [['dragenter', true], ['dragover', true], ['dragleave', false], ['drop', false]]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle('over', over);
    });
  }
  drop.addEventListener('drop', (event) => choose(event.dataTransfer.files));
  onGiven(() => {
    if (file !== undefined) attempt(() => predict(file));
  });
  $('no-picture').addEventListener('click', () => attempt(() => predict(null)));
  $('opacity').addEventListener('input', setOpacity);
  $('map-off').addEventListener('click', takeMapOff);
}
