// The obstacles to a prediction, said before a person tries: no key, or no model that answers.
import { Problem, getJson, key } from './api.js';
import { $ } from './dom.js';

function notice(text) {
  $('notice').textContent = text;
  $('notice').hidden = !text;
}

/** Whether this person may ask, and whether a model answers: said at once, not when a picture has been chosen. */
export async function greet() {
  try {
    const { active } = await getJson('models?limit=1');
    notice(active ? '' : 'No model answers yet. Train one under Train, or import one under Models and activate it.');
    return true;
  } catch (error) {
    if (!(error instanceof Problem) || ![401, 403].includes(error.status)) throw error;
    notice(key.get() ? `The key is not accepted: ${error.message}` : 'This server asks for a key. Ask its operator for one, and enter it here.');
    $('key-state').closest('details').open = true;
    $('key').focus();
    return false;
  }
}
