// A job as it goes on: told by its events where the server has them, asked for where it has not.
import { events, getJson, has } from './api.js';

export const ENDED = ['succeeded', 'failed', 'cancelled', 'interrupted'];
const ASK_EVERY_MS = 1500;

const pause = (ms, signal) => new Promise((done, stop) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener('abort', () => {
    clearTimeout(timer);
    stop(new DOMException('no longer watched', 'AbortError'));
  }, { once: true });
});

/** The newest numbers of a step into the record that is shown. */
function applyStep(record, step) {
  const { progress, eta_s, ...current } = step;
  return { ...record, progress, eta_s, current };
}

/** The record with an event in it; null where the event does not say all that has changed. */
function applied(record, { name, data }) {
  if (name === 'step') return applyStep(record, data);
  if (name !== 'epoch' || !record.baseline) return null;
  if (record.epochs.some((epoch) => epoch.epoch === data.epoch)) return record;
  return { ...record, epochs: [...record.epochs, data] };
}

/** Follow the stream, which begins with all that was; returns the record as it was at its end. */
async function follow(id, record, onChange, signal) {
  let newest = record;
  let stale = false;
  for await (const event of events(`jobs/${id}/events`, { signal })) {
    const next = applied(newest, event);
    stale ||= !next;
    newest = next ?? newest;
    if (event.more) continue; // the whole record is asked for once for all that comes together
    if (stale) newest = await getJson(`jobs/${id}`, { signal });
    stale = false;
    onChange(newest);
    if (ENDED.includes(newest.state)) break;
  }
  return newest;
}

/** Call onChange with the job's record, again and again until it has ended. */
export async function watch(id, onChange, signal) {
  let record = await getJson(`jobs/${id}`, { signal });
  onChange(record);
  if (!ENDED.includes(record.state) && await has('GET', '/jobs/{id}/events')) {
    try {
      record = await follow(id, record, onChange, signal);
    } catch (error) {
      if (error.name === 'AbortError') throw error; // any other end of the stream: ask instead
    }
  }
  while (!ENDED.includes(record.state)) {
    await pause(ASK_EVERY_MS, signal);
    record = await getJson(`jobs/${id}`, { signal });
    onChange(record);
  }
}
