// The films of this tab: what each is, what the server said of it, and how it is asked. They are kept nowhere else: a reload
// forgets them all.
import { Problem, ask, getJson } from './api.js';
import { readGrey } from './grey.js';

const AT_ONCE = 2;          // films that are asked about at the same time
const TRIES = 30;           // of a server that is busy
const LONGEST_WAIT_S = 60;
const KEPT_GREYS = 4;       // films whose pixels stay in memory
const THUMB = 96;           // pixels, for screens of many dots twice what is shown

export const films = [];
let ids = 0;
let asking = 0;
let told = () => {};
let operating = {};         // which of the model's thresholds are asked for
const recent = [];          // the films whose greys are kept, the newest last

/** Call `work` with a film whenever something of it has changed. */
export const onFilm = (work) => { told = work; };

function change(film, what) {
  Object.assign(film, what);
  told(film);
}

/** The server sees for itself what the bytes are; but a DICOM file may lack its first 132, and then its name has to say it. */
const typeOf = ({ name, type }) => (/\.(dcm|dicom)$/i.test(name) ? 'application/dicom' : type || 'application/octet-stream');

/** Ask about a film; `asked` is the query beside what was said of the patient. */
function post(film, path, asked = {}, given = {}) {
  const query = String(new URLSearchParams({ ...given, ...asked }));
  return ask('POST', `${path}${query && `?${query}`}`, { body: film.file, headers: film.file ? { 'Content-Type': typeOf(film.file) } : {},
    signal: film.control.signal });
}

const pause = (seconds, signal) => new Promise((done, stop) => {
  const timer = setTimeout(done, seconds * 1000);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    stop(signal.reason);
  }, { once: true });
});

/** Whether a server that says "not now" may say something else in a while: not so without a model. */
async function mayWait({ status }) {
  if (status !== 429 && status !== 503) return false;
  return status === 429 || Boolean((await getJson('models?limit=1')).active);
}

/** Ask until the server has time, or until the film is removed or asked anew; `tell` hears that it waits, and that it is asked again. */
async function patiently(film, work, tell = () => {}) {
  const { signal } = film.control; // a film that is asked anew has another
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const again = error instanceof Problem && tries < TRIES && await mayWait(error);
      signal.throwIfAborted();
      if (!again) throw error;
      const seconds = Math.min(LONGEST_WAIT_S, error.retryAfter ?? 5);
      tell({ state: 'waiting', note: `the server is busy: asked again in ${seconds} s` });
      await pause(seconds, signal);
      tell({ state: 'asking', note: '' });
    }
  }
}

async function thumbOf(film) {
  const blob = await patiently(film, async () => (await post(film, 'predict/preview', { size: THUMB })).blob());
  if (film.thumb) URL.revokeObjectURL(film.thumb);
  change(film, { thumb: URL.createObjectURL(blob) });
}

/** Ask about a film and keep the answer in it. Once it is answered it stays so, whatever becomes of its thumbnail. */
async function predict(film) {
  const { signal } = film.control;
  change(film, { state: 'asking', note: '', error: null });
  try {
    const prediction = await patiently(film, async () => (await post(film, 'predict', operating, film.given)).json(), (state) => change(film, state));
    signal.throwIfAborted(); // it may have been asked anew while the answer was read
    change(film, { state: 'done', prediction, maps: new Map() });
    if (film.file && !film.thumb) await thumbOf(film);
  } catch (error) {
    if (!signal.aborted && film.state !== 'done') change(film, { state: 'failed', prediction: null, error, maps: new Map() });
  }
}

function pump() {
  const next = films.find(({ state }) => state === 'queued');
  if (!next || asking >= AT_ONCE) return;
  asking += 1;
  predict(next).finally(() => {
    asking -= 1;
    pump();
  });
  pump();
}

/** Add a file (null: no picture) to the list and to the queue. */
export function addFilm(file, given) {
  ids += 1;
  const film = { id: ids, file, name: file?.webkitRelativePath || file?.name || 'no picture', given, state: 'queued', note: '',
    prediction: null, error: null, maps: new Map(), thumb: null, grey: null, control: new AbortController() };
  films.push(film);
  pump();
  return film;
}

/** Ask again, about a patient of whom something else is said. */
export function askAgain(film, given) {
  film.control.abort();
  change(film, { given, control: new AbortController(), state: 'queued', note: '' });
  pump();
}

/** Ask again about all, with another kind of thresholds; '': the model's first. */
export function operateAt(name) {
  operating = name ? { operating_point: name } : {};
  for (const film of films) askAgain(film, film.given);
}

export function removeFilm(film) {
  film.control.abort();
  if (film.thumb) URL.revokeObjectURL(film.thumb);
  films.splice(films.indexOf(film), 1);
}

/** The film's pixels, asked for where they are not at hand. */
export async function greyOf(film) {
  film.grey ??= patiently(film, async () => readGrey(await (await post(film, 'predict/preview')).blob()));
  const had = recent.indexOf(film);
  if (had >= 0) recent.splice(had, 1);
  recent.push(film);
  if (recent.length > KEPT_GREYS) recent.shift().grey = null;
  try {
    return await film.grey;
  } catch (error) {
    film.grey = null;
    throw error;
  }
}

/** The explanation of a finding of a film, asked for where it is not at hand. */
export async function mapOf(film, label) {
  if (!film.maps.has(label)) {
    const { explanation, ...prediction } = await (await post(film, 'predict', { ...operating, explain: label }, film.given)).json();
    if (prediction.model.id !== film.prediction?.model.id) change(film, { prediction, maps: new Map() }); // another was activated
    film.maps.set(label, explanation);
  }
  return film.maps.get(label);
}

/** The PNG of a film with a map over it, its scale and its warnings. */
export const drawnMapOf = async (film, label) => (await post(film, 'predict/heatmap', { label }, film.given)).blob();
