// A picture in, a bar for each of the model's findings out, and for one of them the map of where its score comes from.
import { ask } from './api.js';
import { $, attempt, bytes, fillFacts, make, number, percent, short, words } from './dom.js';
import { drawMap, strongest } from './map.js';
import { askFor, askForActive, given, onGiven } from './patient.js';

let file;             // what was chosen, null: no picture
let shown = null;     // the object URL of what is shown of it
let visible = true;   // whether a browser can show it: no browser shows DICOM
let request = null;   // what is under way, to be dropped when something newer is asked for

/** What the bytes are the server sees for itself; but a DICOM file may lack its first 132, and then its name has to say it. */
const typeOf = ({ name, type }) => (/\.(dcm|dicom)$/i.test(name) ? 'application/dicom' : type || 'application/octet-stream');

function post(path, asked, signal) {
  const query = String(new URLSearchParams([...given(), ...Object.entries(asked)]));
  return ask('POST', `${path}${query && `?${query}`}`, { body: file, headers: file ? { 'Content-Type': typeOf(file) } : {}, signal });
}

function begin() {
  request?.abort();
  request = new AbortController();
  return request.signal;
}

function takeMapOff() {
  $('film-map').hidden = true;
  if (!visible) showNothing();
  $('map-tools').hidden = true;
  for (const button of $('findings').querySelectorAll('button')) button.setAttribute('aria-pressed', 'false');
}

function show(picture, alt) {
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(picture);
  $('film-image').src = shown;
  $('film-image').alt = alt;
  $('film-image').hidden = false;
  $('film-none').hidden = true;
}

function showNothing() {
  $('film-image').hidden = true;
  $('film-none').hidden = false;
}

function showFilm() {
  $('film').hidden = !file;
  visible = true;
  if (!file) return;
  show(file, 'The X-ray that was chosen');
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
    File: fileOf(image),
    'Told by the file': fromFile(prediction.inputs),
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
    const prediction = await (await post('predict', {}, signal)).json();
    showPrediction(prediction);
    await askFor(prediction.model.id);
  } catch (error) {
    $('predict-status').textContent = 'No prediction.';
    throw error;
  }
}

async function explain(label) {
  const signal = begin();
  const { explanation } = await (await post('predict', { explain: label }, signal)).json();
  const drawn = visible ? null : await (await post('predict/heatmap', { label }, signal)).blob();
  for (const button of $('findings').querySelectorAll('button')) {
    button.setAttribute('aria-pressed', String(button.dataset.label === label));
  }
  if (drawn) {
    show(drawn, `The X-ray with the map of ${words(label)} over it`);
  } else {
    drawMap($('film-map'), explanation.grid);
    setOpacity();
  }
  $('map-opacity').hidden = Boolean(drawn);
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
  $('film-image').addEventListener('error', () => {
    visible = false;
    showNothing();
  });
  onGiven(() => {
    if (file !== undefined) attempt(() => predict(file));
  });
  $('no-picture').addEventListener('click', () => attempt(() => predict(null)));
  $('opacity').addEventListener('input', setOpacity);
  $('map-off').addEventListener('click', takeMapOff);
}
