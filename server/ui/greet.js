// The obstacles to a prediction, said before a person tries: no key, or no model that answers.
import { Problem, getJson, key } from './api.js';
import { $ } from './dom.js';

function notice(text) {
  $('notice').textContent = text;
  $('notice').hidden = !text;
}

const AGAIN_MS = 5000; // while no model answers
let again = null;
let lacking = false;

/** What to do where none answers: `models` are the newest. */
async function whatNow(models) {
  if (models.some(({ backbone }) => !backbone)) return 'No model answers yet. Activate one under Models.';
  const { jobs: [running] } = await getJson('jobs?type=train&state=running&limit=1');
  if (!running) return 'No model answers yet. Train one under Train, or import one under Models and activate it.';
  return 'No model answers yet. One is being trained, as Train shows, and answers when that has ended.';
}

/** Until a model answers: one that has been trained may become the active one a moment after it is listed. */
const ask = () => greet().catch(() => { again = setTimeout(ask, AGAIN_MS); });

/** Whether this person may ask, and whether a model answers: said at once, not when a picture has been chosen. */
export async function greet() {
  try {
    clearTimeout(again);
    const { active, models } = await getJson('models?limit=20');
    if (lacking && active) document.dispatchEvent(new Event('answers')); // films that were refused for want of a model are asked about again
    lacking = !active;
    if (lacking) again = setTimeout(ask, AGAIN_MS);
    notice(active ? '' : await whatNow(models));
    return true;
  } catch (error) {
    if (!(error instanceof Problem) || ![401, 403].includes(error.status)) throw error;
    notice(key.get() ? `The key is not accepted: ${error.message}` : 'This server asks for a key. Ask its operator for one, and enter it here.');
    $('key-state').closest('details').open = true;
    $('key').focus();
    return false;
  }
}
