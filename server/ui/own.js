// Thresholds that an operator sets for a model: a form with a field for each of its findings.
import { ask } from './api.js';
import { $, attempt, make } from './dom.js';
import { forgetModel } from './patient.js';

const fieldOf = (label, value) => make('div', { class: 'field' }, make('label', { for: `own-${label}` }, label.replaceAll('_', ' ')),
  make('input', { id: `own-${label}`, name: label, type: 'number', min: 0, max: 100, step: 'any', value: value === undefined ? '' : String(Number((value * 100).toPrecision(7))),
    autocomplete: 'off' }));

/** Fill the form with the thresholds of a card; `changed` is called when they are others. */
export function showOwn(card, changed) {
  const form = $('card-own-form');
  const own = card.own_thresholds ?? {};
  const count = Object.keys(own).length;
  $('card-own').hidden = !card.labels || card.backbone;
  $('card-own-count').textContent = count ? `${count} set` : 'none set';
  if (form.dataset.of !== card.id || document.activeElement?.form !== form) { // a number that is being typed stays
    $('card-own-fields').replaceChildren(...(card.labels ?? []).map((label) => fieldOf(label, own[label])));
  }
  form.dataset.of = card.id;
  form.onsubmit = (event) => {
    event.preventDefault();
    const inputs = [...form.querySelectorAll('input')];
    if (!inputs.every((input) => input.reportValidity())) return;
    const thresholds = Object.fromEntries(inputs.filter((input) => input.value).map((input) => [input.name, input.valueAsNumber / 100]));
    attempt(async () => {
      await ask('PATCH', `models/${card.id}`, { body: JSON.stringify({ own_thresholds: thresholds }), headers: { 'Content-Type': 'application/json' } });
      document.activeElement?.blur();
      forgetModel(); // a prediction may ask for them now
      await changed();
    });
  };
}
