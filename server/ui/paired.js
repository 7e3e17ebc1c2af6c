// Two models on the same test rows: gains with their intervals, and which of the two is better.
import { Problem, getJson } from './api.js';
import { called } from './caption.js';
import { $, fillTable, make, number } from './dom.js';

/** By the interval of the pairs: it is all on one side of 0, or the pairs do not tell. */
function verdict({ difference_low: low, difference_high: high }) {
  if (typeof low !== 'number') return ['', 'not known'];
  if (low > 0) return ['better', 'better'];
  return high < 0 ? ['worse', 'worse'] : ['', 'no different, as far as can be told'];
}

const signed = (value) => (value === null ? '–' : `${value > 0 ? '+' : ''}${number(value, 3)}`);

function rowOf(name, figure) {
  const [kind, said] = verdict(figure);
  return make('tr', {}, make('th', { scope: 'row' }, name), make('td', {}, number(figure.first, 3)), make('td', {}, number(figure.second, 3)),
    make('td', {}, signed(figure.difference)), make('td', {}, typeof figure.difference_low === 'number' ? `${signed(figure.difference_low)} to ${signed(figure.difference_high)}` : '–'),
    make('td', { class: kind }, said));
}

/** "they were tested on other rows: 480 and 520, of which 300 are the same" */
function rowsOf({ rows: [first, second], common, patients, relabelled }) {
  const same = first === second && common === first;
  return (same ? `Both were tested on the same ${common} rows of ${patients} patients.`
    : `They were tested on different rows, ${first} and ${second}: only the ${common} that both had are compared, of ${patients} patients.`) +
    (relabelled ? ` ${relabelled} rows have other findings in one than in the other, and are left out.` : '');
}

/** Compare the models of two cards, the older one first, by their jobs' scores; says why where that cannot be. */
export async function showPaired(first, second) {
  $('paired').hidden = false;
  $('paired-table').closest('.scroll').hidden = true;
  if (!first.job || !second.job) {
    $('paired-said').textContent = 'One of them was imported: there are no scores of it to be held against the other\u2019s.';
    return;
  }
  try {
    const c = await getJson(`jobs/${second.job}/compare?with=${first.job}`);
    $('paired-said').textContent = rowsOf(c);
    [first, second].forEach((card, i) => { $('paired-table').tHead.rows[0].cells[1 + i].textContent = called(card); });
    $('paired-table').tHead.rows[0].cells[5].textContent = `${called(second)} is`;
    const told = c.findings.filter(({ first: a, second: b }) => a !== null && b !== null);
    if (told.length < c.findings.length) $('paired-said').textContent += ` Of ${c.findings.length - told.length} findings these rows do not have both films with them and films without.`;
    fillTable($('paired-table'), [rowOf('Mean AUROC', c.macro_auroc), ...told.map((f) => rowOf(`AUROC, ${f.label.replaceAll('_', ' ')}`, f))]);
    $('paired-table').closest('.scroll').hidden = false;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    $('paired-said').textContent = `They cannot be compared on the same rows: ${error.message}`;
  }
}
