// Name and note of a job or a model: a form that changes both.
import { ask } from './api.js';
import { $, attempt } from './dom.js';

/** Fill the form `id` with what `one` is called; `changed` is called with what it is called then. */
export function showCaption(id, path, one, changed) {
  const form = $(id);
  if (form.dataset.of !== path || document.activeElement?.form !== form) { // a text that is being typed stays
    form.elements.name.value = one.name ?? '';
    form.elements.note.value = one.note ?? '';
  }
  form.dataset.of = path;
  form.hidden = false;
  form.onsubmit = (event) => {
    event.preventDefault();
    attempt(async () => {
      const [name, note] = ['name', 'note'].map((field) => form.elements[field].value.trim() || null);
      const reply = await ask('PATCH', path, { body: JSON.stringify({ name, note }), headers: { 'Content-Type': 'application/json' } });
      document.activeElement?.blur();
      await changed(await reply.json());
    });
  };
}

/** "Wider head (3937acdb)", or the beginning of the id alone. */
export const called = ({ id, name }) => (name ? `${name} (${id.slice(0, 8)})` : id.slice(0, 8));
