// The view that predicts: films in, for the one that is shown its findings and the map of one of them, for two how they differ.
import { $, attempt, bytes, percent, showAlert, words } from './dom.js';
import { catchDrops, picturesOf } from './dropping.js';
import { saveCsv, saveJson, savePicture } from './exports.js';
import { addFilm, askAgain, films, greyOf, mapOf, onFilm, operateAt, removeFilm } from './films.js';
import { markFinding, showChanges, showFindings } from './findings.js';
import { startJudging } from './judging.js';
import { describeMap } from './map.js';
import { askFor, askForActive, given, onGiven, showGiven } from './patient.js';
import { startTools } from './tools.js';
import { Viewer } from './viewer.js';
import { inOrder, showRow, showWorklist, startWorklist } from './worklist.js';

const MOST = 1000; // films in a tab

const now = { shown: null, prior: null, label: null, mapOn: false };
let drawn = {};     // the state of the shown film that is on the page already
let viewers = null; // {current, prior}

const ACTIONS = {
  open(film) {
    open(film);
    goToFilm();
  },
  compare(film) {
    compare(film);
    goToFilm();
  },
  remove,
};
const context = () => ({ shown: now.shown, prior: now.prior, actions: ACTIONS });

/* ---- pictures ---- */

/** Whether the server can make a picture of it: not of a file that it refused. */
const hasPicture = (film) => Boolean(film.file) && (film.state === 'done' || film.error?.status === 503);

async function showPicture(viewer, film, role) {
  const grey = film && hasPicture(film) ? await greyOf(film) : null;
  if (film !== (role === 'prior' ? now.prior : now.shown)) return;
  const name = film?.name ?? '';
  const instead = film && !hasPicture(film) ? 'No picture: the server cannot read this file, or refuses it.' : '';
  viewer.show(grey, now.prior ? `${role === 'prior' ? 'Prior' : 'Current'}: ${name}` : name,
    instead || `The X-ray ${name} in the server’s greys`, instead);
  await showMap(viewer, film);
}

async function showMap(viewer, film) {
  const { label } = now;
  const knows = now.mapOn && film?.file && film.prediction && label in film.prediction.probabilities;
  const explanation = knows ? await mapOf(film, label) : null;
  if (label !== now.label || ![now.shown, now.prior].includes(film)) return;
  viewer.showMap(now.mapOn ? explanation : null);
  if (film !== now.shown) return;
  markFinding(explanation && now.mapOn ? label : null);
  $('map-tools').hidden = !explanation;
  $('map-toggle').setAttribute('aria-pressed', String(Boolean(explanation)));
  if (explanation) describeMap(explanation);
}

const showMaps = () => Promise.all([showMap(viewers.current, now.shown), now.prior ? showMap(viewers.prior, now.prior) : null]);

/** Scroll to the film where it is out of sight: a film, or its map, is also asked for from further down the page. */
function goToFilm() {
  const box = $('viewing').getBoundingClientRect();
  if (box.height && box.bottom < box.height / 2) $('viewing').scrollIntoView();
}

async function explain(label) {
  Object.assign(now, { label, mapOn: true });
  await showMaps();
  goToFilm();
}

function toggleMap() {
  if (now.mapOn) now.mapOn = false;
  else Object.assign(now, { mapOn: true, label: now.label ?? now.shown?.prediction?.findings[0].label ?? null });
  return showMaps();
}

/* ---- the film that is shown ---- */

function showAnswer(film) {
  const top = film.prediction.findings[0];
  showFindings(film.prediction, (label) => attempt(() => explain(label)));
  $('predict-status').textContent = `Answered. Highest: ${words(top.label)}, ${percent(top.probability)}.`;
}

function showComparison() {
  const both = now.shown?.prediction && now.prior?.prediction;
  $('changes').hidden = !both;
  if (both) showChanges($('changes-table'), now.shown.prediction, now.prior.prediction);
}

/** All that is said of the shown film, as far as it is not on the page yet. */
function showShown() {
  const film = now.shown;
  if (!film || (drawn.film === film && drawn.state === film.state && drawn.note === film.note && drawn.prediction === film.prediction)) return;
  drawn = { film, state: film.state, note: film.note, prediction: film.prediction };
  $('viewing').hidden = !film.file;
  $('film-caption').textContent = film.file ? `${film.name}, ${bytes(film.file.size)}` : '';
  $('prediction').hidden = film.state !== 'done';
  $('again').hidden = film.state !== 'failed';
  if (film.state === 'done') showAnswer(film);
  else $('predict-status').textContent = film.state === 'failed' ? 'No prediction.' : film.note ? `Asking the server: ${film.note}.` : 'Asking the server…';
  if (!$('predict').hidden) showAlert(film.error); // another view has its own
  showComparison();
  if (film.state === 'done' || film.state === 'failed') showPicture(viewers.current, film).catch(showFault);
}

function showFault(error) {
  if (error.name !== 'AbortError') showAlert(error);
}

/** Show a film. The one that is shown already keeps its view, and a picture of it that failed is asked for again. */
function open(film) {
  if (film === now.prior) endComparison();
  if (film !== now.shown) viewers.current.show(null, film.name, '');
  now.shown = film;
  drawn = {};
  showGiven(film.given);
  showShown();
  showWorklist(context());
}

function step(by) {
  const list = inOrder();
  const at = list.indexOf(now.shown) + by;
  if (list[at]) open(list[at]);
}

/* ---- two of them ---- */

function endComparison() {
  now.prior = null;
  $('pane-prior').hidden = true;
  $('compare-end').hidden = true;
  viewers.prior.show(null, '', '');
  viewers.current.tag.textContent = now.shown?.name ?? '';
  showComparison();
  showWorklist(context());
}

function compare(film) {
  if (film === now.prior) return endComparison();
  now.prior = film;
  $('pane-prior').hidden = false;
  $('compare-end').hidden = false;
  viewers.current.tag.textContent = `Current: ${now.shown.name}`;
  showComparison();
  showWorklist(context());
  return attempt(() => showPicture(viewers.prior, film, 'prior'));
}

function toggleComparison() {
  if (now.prior) return endComparison();
  const list = inOrder();
  const at = list.indexOf(now.shown);
  const other = list[at - 1] ?? list[at + 1];
  return other && compare(other);
}

function remove(film) {
  const at = inOrder().indexOf(film);
  if (film === now.prior) endComparison();
  removeFilm(film);
  if (film !== now.shown) return showWorklist(context());
  now.shown = null;
  drawn = {};
  const list = inOrder();
  return list.length ? open(list[Math.min(at, list.length - 1)]) : showNothing();
}

function showNothing() {
  for (const id of ['viewing', 'prediction', 'again']) $(id).hidden = true;
  $('predict-status').textContent = 'No picture yet.';
  $('worklist-left').textContent = '';
  showAlert(null);
  showWorklist(context());
}

function clear() {
  if (now.prior) endComparison();
  for (const film of [...films]) removeFilm(film);
  now.shown = null;
  drawn = {};
  showNothing();
}

/* ---- files in ---- */

async function take(choice) {
  const { files, folder } = await choice;
  const { pictures, left } = folder ? picturesOf(files) : { pictures: files, left: 0 };
  const room = pictures.slice(0, Math.max(0, MOST - films.length));
  const alone = room.length === 1 && !now.shown;
  const added = room.map((file) => addFilm(file, alone ? given() : {}));
  const over = pictures.length - room.length;
  $('worklist-left').textContent = [left ? `${left} file${left === 1 ? '' : 's'} of the folder left out: no pictures by their names.` : '',
    over ? `${over} left out: a tab holds ${MOST}.` : ''].join(' ').trim();
  if (added.length) $('file-details').open = false; // it has been said
  if (added.length) open(added[0]);
  else if (folder) $('predict-status').textContent = 'No picture in that folder.';
}

function startFiles() {
  for (const [id, folder] of [['file', false], ['folder', true]]) {
    $(id).addEventListener('change', () => {
      const files = [...$(id).files];
      $(id).value = ''; // the same file again is a choice too
      if (files.length) attempt(() => take({ files, folder }));
    });
  }
  catchDrops($('drop'), () => !$('predict').hidden, (choice) => attempt(() => take(choice)));
}

/** Called whenever the view is shown. */
export async function showPredict() {
  drawn = {};
  for (const film of films) if (film.error?.status === 401) askAgain(film, film.given); // there may be a key by now
  await askForActive();
  showShown();
}

function makeViewers() {
  const link = (to) => (from) => {
    if (now.prior && viewers) viewers[to].setView(from.view, true);
    viewers?.tools?.show(from);
  };
  viewers = { current: new Viewer($('pane-current'), link('prior')), prior: new Viewer($('pane-prior'), link('current')) };
  viewers.tools = startTools(viewers, { map: () => attempt(toggleMap), next: () => step(1), previous: () => step(-1), compare: toggleComparison });
}

export function startPredict() {
  makeViewers();
  startFiles();
  startWorklist(() => showWorklist(context()));
  onFilm((film) => {
    showRow(film, context());
    if (film === now.shown) showShown();
    if (film === now.shown && film.state === 'done') attempt(() => askFor(film.prediction.model.id)); // another may be active by now
    if (film === now.prior && film.state === 'done') compareAgain(film);
  });
  onGiven(() => { if (now.shown) askAgain(now.shown, given()); });
  startJudging(operateAt, judgeAgain);
  document.addEventListener('answers', () => { for (const film of films) if (film.error?.status === 503) askAgain(film, film.given); });
  $('no-picture').addEventListener('click', () => open(addFilm(null, given())));
  $('again').addEventListener('click', () => askAgain(now.shown, now.shown.given));
  $('map-off').addEventListener('click', () => attempt(toggleMap));
  $('compare-end').addEventListener('click', endComparison);
  $('save-png').addEventListener('click', () => attempt(() => savePicture(now.shown, now.label)));
  $('save-csv').addEventListener('click', () => saveCsv(inOrder()));
  $('save-json').addEventListener('click', () => saveJson(inOrder()));
  $('worklist-clear').addEventListener('click', clear);
  for (const button of document.querySelectorAll('.print')) button.addEventListener('click', () => print());
}

/** Other thresholds: the same numbers, looked at otherwise. */
function judgeAgain() {
  drawn = {};
  showShown();
  showWorklist(context());
}

/** The prior film has been answered meanwhile. */
function compareAgain(film) {
  showComparison();
  if (!viewers.prior.grey) attempt(() => showPicture(viewers.prior, film, 'prior'));
}
