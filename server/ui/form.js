// The form of a training, made from the contract: every field the server knows, its range and its explanation, and never
// one that it does not.
import { make } from './dom.js';

const FIRST = ['dataset', 'recipe', 'epochs', 'seed'];

/** `code` in a description becomes code. */
function prose(text) {
  return text.split('`').map((part, i) => (i % 2 ? make('code', {}, part) : part));
}

const types = (field) => [field.type ?? 'string'].flat().filter((type) => type !== 'null');

function range(field) {
  if (field.minimum === undefined) return '';
  return ` From ${field.minimum} to ${field.maximum}${field.multipleOf ? `, a multiple of ${field.multipleOf}` : ''}.`;
}

function fallback(field) {
  const text = [field.default ?? []].flat().join(', '); // a list may be broken between two of it
  return text && ` Default ${text}.`;
}

function control(name, field, where) {
  const attributes = { id: `${where}-${name}`, name, 'aria-describedby': `${where}-help-${name}` };
  const choices = field.enum ?? (types(field)[0] === 'boolean' ? ['true', 'false'] : null);
  if (choices) {
    return make('select', attributes, make('option', { value: '' }, 'as by default'),
      ...choices.filter((choice) => choice !== null).map((choice) => make('option', { value: choice }, String(choice))));
  }
  const numeric = ['integer', 'number'].includes(types(field)[0]);
  return make('input', { ...attributes, type: 'text', autocomplete: 'off', spellcheck: 'false', inputmode: numeric ? 'decimal' : null });
}

/** A field with its label and what is said of it. `where`: the form's, since no two elements of a page may have one id. */
export function fieldOf(name, field, where = 'field') {
  const help = make('p', { class: 'help', id: `${where}-help-${name}` }, ...prose(field.description ?? ''), range(field), fallback(field));
  return make('div', { class: 'field', 'data-field': name }, make('label', { for: `${where}-${name}` }, name), control(name, field, where), help);
}

/** Make the fields: the few that one needs into `first`, all others into `more`. */
export function makeFields(properties, first, more) {
  for (const [name, field] of Object.entries(properties)) {
    (FIRST.includes(name) ? first : more).append(fieldOf(name, field));
  }
  first.append(...FIRST.map((name) => first.querySelector(`[data-field="${name}"]`)).filter(Boolean));
}

/** A text as the field's type wants it; what does not fit stays text, and the server says what is wrong with it. */
function valueOf(text, field) {
  const type = types(field)[0];
  if (type === 'boolean') return text === 'true';
  if (type === 'array') return text.split(',').map((part) => part.trim()).filter(Boolean).map((part) => valueOf(part, field.items ?? {}));
  if (['integer', 'number'].includes(type) && Number.isFinite(Number(text))) return Number(text);
  return text;
}

/** What was filled in, as the body of a request. */
export function readFields(form, properties) {
  const filled = [...new FormData(form)].map(([name, text]) => [name, text.trim()]).filter(([, text]) => text !== '');
  return Object.fromEntries(filled.map(([name, text]) => [name, valueOf(text, properties[name])]));
}

/** The server's faults beside their fields; the first gets the focus. */
export function showFaults(form, errors) {
  for (const fault of form.querySelectorAll('.fault')) fault.remove();
  for (const field of form.querySelectorAll('.field')) {
    const name = field.dataset.field;
    const found = errors.find((error) => error.field === name);
    const input = field.querySelector('input, select');
    field.classList.toggle('wrong', Boolean(found));
    input.toggleAttribute('aria-invalid', Boolean(found));
    input.setAttribute('aria-describedby', found ? `fault-${name} help-${name}` : `help-${name}`);
    if (found) field.append(make('p', { class: 'fault', id: `fault-${name}` }, `${name} ${found.detail}`));
  }
  const first = form.querySelector('.wrong input, .wrong select');
  const hidden = first?.closest('details');
  if (hidden) hidden.open = true;
  first?.focus();
}
