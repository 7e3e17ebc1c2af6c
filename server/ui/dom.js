// Elements without a framework: text is always text, never markup.
export const $ = (id) => document.getElementById(id);

/** make('td', {class: 'x', onclick: f}, 'text', element, …) */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Terms and what is said of them into a <dl>; a term whose value is null is left out. */
export function fillFacts(list, facts) {
  list.replaceChildren(...Object.entries(facts).filter(([, value]) => value !== null && value !== undefined)
    .flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));
}

/** Rows into a table; each cell knows its column's name, which a narrow screen shows in place of the head. */
export function fillTable(table, rows, { more = false } = {}) {
  const names = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  for (const row of rows) [...row.cells].forEach((cell, i) => { cell.dataset.column = names[i]; });
  if (more) table.tBodies[0].append(...rows);
  else table.tBodies[0].replaceChildren(...rows);
}

const unfolded = new Set(); // rows whose rest is shown on a narrow screen, also once their table is made anew

/** A button, on a narrow screen alone, that shows the rest of a row. */
function unfoldOf(row, name, key) {
  const show = (whole) => {
    row.classList.toggle('whole', whole);
    button.setAttribute('aria-expanded', String(whole));
  };
  const button = make('button', { type: 'button', class: 'unfold', 'aria-label': `All of ${name}`, onclick: () => {
    if (!unfolded.delete(key)) unfolded.add(key);
    show(unfolded.has(key));
  } });
  show(unfolded.has(key));
  return button;
}

/** A row [name, cell, …] of the table of `what`; `lead`: as tableOf()'s. */
export function rowOf(what, [name, ...cells], lead) {
  const head = make('th', { scope: 'row' }, name);
  const row = make('tr', lead ? { class: 'brief' } : {}, head, ...cells.map((cell, i) => make('td', i + 1 === lead ? { class: 'lead' } : {}, cell)));
  if (lead) head.append(unfoldOf(row, name, `${what}: ${name}`));
  return row;
}

/** A table of its own, of rows [name, cell, …]; `what` it holds is told to those who do not see it.
 * `lead`: the column that a narrow screen shows beside the name, whose row can be unfolded; 0: all of a row are shown there, too. */
export function tableOf(what, columns, rows, lead = 0) {
  const table = make('table', { class: 'stack' }, make('thead', {}, make('tr', {}, ...columns.map((name) => make('th', { scope: 'col' }, name)))), make('tbody'));
  fillTable(table, rows.map((row) => rowOf(what, row, lead)));
  return make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': what },
    lead ? make('p', { class: 'help brief-head' }, `${columns[0]} and ${columns[lead].toLowerCase().replace('auroc', 'AUROC')}; ▸ shows the rest.`) : null, table);
}

/** Show an error where a screen reader says it at once, and bring it into sight; null takes it away. */
export function showAlert(error) {
  const box = $('alert');
  box.hidden = !error;
  box.replaceChildren();
  if (!error) return;
  box.append(make('strong', {}, error.message));
  if (error.requestId) box.append(make('span', { class: 'help' }, ` (request ${error.requestId})`));
  box.scrollIntoView({ block: 'nearest' });
}

/** The head of the page stays in sight: the style sheet is told how high it is, so that what is scrolled to stands below it. */
export function measureHead() {
  const head = document.querySelector('header');
  new ResizeObserver(() => document.documentElement.style.setProperty('--head', `${head.offsetHeight}px`)).observe(head);
}

/** Run what a click or a form asks for; a failure is shown, an abort is not one. */
export async function attempt(work) {
  showAlert(null);
  try {
    return await work();
  } catch (error) {
    if (error.name !== 'AbortError') showAlert(error);
    return undefined;
  }
}

export const words = (label) => label.replaceAll('_', ' ');
export const number = (value, digits = 4) => (value === null || value === undefined ? '–'
  : value.toFixed(digits).replace(/^-(?=[0.]*$)/, '').replace('-', '−')); // what rounds to 0 has no sign

/** 12.3 %; a value that only rounds to none or all is told so. */
export function percent(value) {
  if (value > 0 && value < 0.0005) return '< 0.1 %';
  return value >= 0.9995 && value < 1 ? '> 99.9 %' : `${(value * 100).toFixed(1)} %`;
}

/** "90.0 % (84.1 % to 94.2 %)": a figure and the ends of its interval, as far as they are there. */
export const ranged = (of, name, form) => (typeof of?.[name] !== 'number' ? '–'
  : `${form(of[name])}${typeof of[`${name}_low`] === 'number' ? ` (${form(of[`${name}_low`])} to ${form(of[`${name}_high`])})` : ''}`);

/** 1.5 MiB */
export const bytes = (n) => (n < 2 ** 20 ? `${(n / 2 ** 10).toFixed(0)} KiB` : `${(n / 2 ** 20).toFixed(1)} MiB`);

export const time = (iso) => (iso ? new Date(iso).toLocaleString() : '–');
export const short = (id) => id.slice(0, 8);

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return null;
  const whole = Math.round(seconds);
  const minutes = Math.floor(whole / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}
