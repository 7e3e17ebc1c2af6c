// The form of a training, made from the contract: every field the server knows, its range and its explanation, and never
// one that it does not.
import { make } from './dom.js';

const FIRST = ['dataset', 'name', 'recipe', 'epochs', 'seed', 'note'];

// Where each of the others is looked for; a field that is in none of these is in the last.
const GROUPS = {
  'Data: table, pictures, split': ['csv', 'images', 'labels', 'table_format', 'mapping', 'uncertain_labels', 'missing_labels', 'views', 'max_age', 'drop_no_finding',
    'missing_images', 'split_by', 'split_seed', 'test_fraction', 'val_fraction', 'shuffle', 'balance', 'inputs', 'augment'],
  'Network and input': ['architecture', 'head', 'channels', 'image_size', 'resize', 'input_mean', 'input_std', 'initializer', 'head_bias', 'head_inputs', 'inputs_solver', 'head_scale',
    'norms', 'norm_momentum', 'dropout'],
  'Starting from a model': ['init', 'freeze', 'backbone_rate', 'transfer_layer', 'transfer_pooling', 'transfer_views', 'transfer_l2', 'replay_of'],
  'Optimisation': ['learning_rate', 'lr_schedule', 'batch_size', 'shards', 'steps_per_epoch', 'weight_decay', 'weight_decay_scope', 'clip_norm', 'ema', 'keep_best', 'patience'],
  'Evaluation and what becomes of it': ['validation_steps', 'validation_batch_size', 'test_rows', 'calibrate', 'tsne', 'promote', 'promote_margin', 'promote_max_drop',
    'promote_narrower', 'promote_shadow_pictures', 'promote_shadow_days', 'promote_shadow_discordance', 'webhook'],
};

/** `code` in a description becomes code. */
function prose(text) {
  return text.split('`').map((part, i) => (i % 2 ? make('code', {}, part) : part));
}

const types = (field) => [field.type ?? 'string'].flat().filter((type) => type !== 'null');

function range(field) {
  if (field.minimum === undefined) return '';
  return ` From ${field.minimum} to ${field.maximum}${field.multipleOf ? `, a multiple of ${field.multipleOf}` : ''}.`;
}

/** The value that holds where none is given: the field's own, or that of the recipe that is chosen by default. */
function fallbackOf(field) {
  const text = [field.default ?? []].flat().join(', '); // a list may be broken between two of it
  return text || (/Default \S+ \(notebook\), (\S+) \(standard\)/.exec(field.description ?? '')?.[1] ?? '');
}

function fallback(field) {
  const text = [field.default ?? []].flat().join(', ');
  return text && ` Default ${text}.`;
}

function control(name, field, where) {
  const attributes = { id: `${where}-${name}`, name, 'aria-describedby': `${where}-help-${name}` };
  const choices = field.enum ?? (types(field)[0] === 'boolean' ? ['true', 'false'] : null);
  if (choices) {
    return make('select', attributes, make('option', { value: '' }, fallbackOf(field) ? `by default: ${fallbackOf(field)}` : 'as by default'),
      ...choices.filter((choice) => choice !== null).map((choice) => make('option', { value: choice }, String(choice))));
  }
  const numeric = ['integer', 'number'].includes(types(field)[0]);
  return make('input', { ...attributes, type: 'text', autocomplete: 'off', spellcheck: 'false', inputmode: numeric ? 'decimal' : null, placeholder: fallbackOf(field) || null });
}

/** A field with its label and what is said of it. `where`: the form's, since no two elements of a page may have one id. */
export function fieldOf(name, field, where = 'field') {
  const help = make('p', { class: 'help', id: `${where}-help-${name}` }, ...prose(field.description ?? ''), range(field), fallback(field));
  return make('div', { class: 'field', 'data-field': name }, make('label', { for: `${where}-${name}` }, name), control(name, field, where), help);
}

/** Make the fields: the few that one needs into `first`, all others into groups of `more`, which open by themselves. */
export function makeFields(properties, first, more) {
  const left = Object.keys(properties).filter((name) => !FIRST.includes(name));
  first.append(...FIRST.filter((name) => properties[name]).map((name) => fieldOf(name, properties[name])));
  const groups = Object.entries(GROUPS).map(([title, names]) => [title, names.filter((name) => left.includes(name))]);
  groups.push(['Others', left.filter((name) => !groups.some(([, names]) => names.includes(name)))]);
  more.append(...groups.filter(([, names]) => names.length > 0).map(([title, names]) => make('details', { class: 'group' }, make('summary', {}, `${title} (${names.length})`),
    make('div', { class: 'group-fields' }, ...names.map((name) => fieldOf(name, properties[name]))))));
}

/** A text as the field's type wants it; a text that does not fit stays text, and the server says what is wrong with it. */
function valueOf(text, field) {
  const type = types(field)[0];
  if (type === 'boolean') return text === 'true';
  if (type === 'array') return text.split(',').map((part) => part.trim()).filter(Boolean).map((part) => valueOf(part, field.items ?? {}));
  if (['integer', 'number'].includes(type) && Number.isFinite(Number(text))) return Number(text);
  return text;
}

/** The values that were filled in, as the body of a request. */
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
    const input = field.querySelector('input, select, textarea');
    field.classList.toggle('wrong', Boolean(found));
    input.toggleAttribute('aria-invalid', Boolean(found));
    const help = field.querySelector('.help')?.id ?? '';
    input.setAttribute('aria-describedby', found ? `fault-${name} ${help}` : help);
    if (found) field.append(make('p', { class: 'fault', id: `fault-${name}` }, `${name} ${found.detail}`));
  }
  const first = form.querySelector('.wrong input, .wrong select, .wrong textarea');
  for (let hidden = first?.closest('details'); hidden; hidden = hidden.parentElement.closest('details')) hidden.open = true;
  first?.focus();
}
