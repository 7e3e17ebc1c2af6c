// The files that leave the tab because the person asks for them: all answers as CSV or JSON, a film with its map as PNG.
import { saveBlob } from './api.js';
import { drawnMapOf } from './films.js';
import { warningsOf } from './findings.js';
import { judged } from './judging.js';

/** A cell of a CSV. A text that a table program would take for a formula gets an apostrophe before it. */
function cell(value) {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value ?? '');
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A row a film: its name, its state, the probability of each finding, warnings by code, the model and the request. */
export function csvOf(films) {
  const labels = [...new Set(films.flatMap(({ prediction }) => Object.keys(prediction?.probabilities ?? {})))];
  const head = ['file', 'state', ...labels, 'positive', 'warnings', 'error', 'model', 'request'];
  const lines = films.map(({ name, state, prediction, error }) => [name, state, ...labels.map((label) => prediction?.probabilities[label]),
    prediction?.findings.map(judged).filter(({ positive }) => positive).map(({ label }) => label).join('|'),
    prediction && warningsOf(prediction).map(({ code }) => code).join('|'), error?.message, prediction?.model.id, prediction?.id]);
  return `${[head, ...lines].map((line) => line.map(cell).join(',')).join('\r\n')}\r\n`;
}

export const jsonOf = (films) => `${JSON.stringify(films.map(({ name, state, prediction, error }) =>
  ({ file: name, state, ...(error ? { error: { status: error.status, detail: error.message, request_id: error.requestId } } : {}), prediction })), null, 2)}\n`;

export const saveCsv = (films) => saveBlob(new Blob([csvOf(films)], { type: 'text/csv' }), 'predictions.csv');
export const saveJson = (films) => saveBlob(new Blob([jsonOf(films)], { type: 'application/json' }), 'predictions.json');

export async function savePicture(film, label) {
  const base = film.name.replace(/.*\//, '').replace(/\.(png|jpe?g|dcm|dicom)$/i, '');
  saveBlob(await drawnMapOf(film, label), `${base}-${label}.png`);
}
