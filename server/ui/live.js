// Figures of the running server: what readers say of the answers, and whether scores have moved, and among whom.
import { getJson, save } from './api.js';
import { called } from './caption.js';
import { attempt, fillFacts, make, number, percent, ranged, tableOf, words } from './dom.js';
import { keptPointOf } from './judging.js';

/* ---- readers ---- */

const three = (value) => number(value, 3);

function tableOfModel(one, name) {
  const rows = one.findings.filter(({ present, absent, unsettled }) => present + absent + unsettled > 0)
    .map((finding) => [words(finding.label), String(finding.present), String(finding.absent), String(finding.unsettled), ranged(finding, 'sensitivity', percent), ranged(finding, 'specificity', percent),
      ranged(finding, 'auroc', three)]);
  return [make('h3', {}, name(one.model)),
    make('p', { class: 'help' }, `At ${keptPointOf(one.operating_point)}: ${one.predictions} predictions, ${one.readings} readings, at most ${one.readers_most} reader${one.readers_most === 1 ? '' : 's'} a picture; `,
      one.with_patient ? `of ${one.with_patient} it is known which are of one patient.` : 'callers do not say which are of one patient, so intervals are by picture.'),
    tableOf(`What readers say of ${name(one.model)}`, ['Finding', 'Present', 'Absent', 'Unsettled', 'Sensitivity', 'Specificity', 'AUROC'], rows, 6)];
}

function showReaders(box, summary, name) {
  const kept = summary.keep_days ? `Scores are kept for ${summary.keep_days} days: ${summary.predictions_kept} predictions now, of ${summary.predictions_read} of which readers spoke.`
    : 'This server keeps no scores, so that no feedback can be joined to them: it was started without --keep-scores.';
  box.replaceChildren(make('h2', { id: 'readers-title' }, 'What readers say'),
    make('p', { class: 'help' }, 'Verdicts that were given, held against the feedback of readers, with 95 % intervals. Where readers see chosen pictures only, so do the figures.'),
    make('p', { class: 'status' }, kept),
    ...(summary.models.length ? summary.models.flatMap((one) => tableOfModel(one, name)) : [make('p', { class: 'status' }, 'No reader has spoken of a prediction yet (POST /predictions/{id}/feedback).')]),
    ...(summary.readings ? [make('p', { class: 'actions' }, make('button', { type: 'button', class: 'quiet', onclick: () => attempt(() => save('feedback', 'feedback.csv')) }, 'All feedback (CSV)'))] : []));
}

/* ---- drift ---- */

const BY = { all: 'all pictures', view: 'view', sex: 'sex', age: 'age band', key: 'caller’s key' };
const stratum = ({ by, name }) => (by === 'all' ? BY.all : `${BY[by]} ${name}`);
const pOf = (p) => (p === null ? '–' : p < 0.0001 ? p.toExponential(1) : p.toFixed(4));
const columnOf = (column) => (column === 'input' ? 'distance from the training pictures' : words(column));

/** An alert as a sentence: what has changed, among whom, and how surely. */
function sentenceOf({ kind, column, strata, everywhere, p_adjusted: p, pictures }) {
  const among = strata.map(stratum).join(', ');
  const said = kind === 'mix' ? `There are more pictures of ${strata.map((one) => `${stratum(one)} (${percent(one.share_then)} then, ${percent(one.share_now)} now)`).join(', ')}`
    : `${column === 'input' ? 'Pictures are at another distance from those of the training' : `The scores of ${columnOf(column)} have moved`}, ${everywhere ? 'everywhere' : `among ${among}`}`;
  return `${said}: p ${pOf(p)}, corrected for all strata and looks, on ${Math.round(pictures).toLocaleString('en')} pictures.`;
}

function mixTables(mix) {
  return mix.map(({ by, p, p_adjusted: corrected, shares }) => tableOf(`The mix by ${BY[by]}`, [`By ${BY[by]}: p ${pOf(p)}, corrected ${pOf(corrected)}`, 'At the validation', 'Now'],
    shares.map((one) => [one.name, percent(one.then), percent(one.now)])));
}

function showDrift(box, drift, name) {
  const facts = make('dl', { class: 'facts' });
  fillFacts(facts, { Model: drift.model ? name(drift.model) : 'none answers', Pictures: Math.round(drift.pictures).toLocaleString('en'), 'Looked at': drift.looks === 1 ? 'once' : `${drift.looks} times` });
  const body = drift.reference ? [
    drift.raised.length ? make('ul', { class: 'warnings', id: 'drift-raised' }, ...drift.raised.map((alert) => make('li', {}, make('strong', {}, 'Raised: '), sentenceOf(alert))))
      : make('p', { class: 'status' }, drift.looks ? 'Nothing is raised.' : 'Not looked at yet: that takes 500 pictures.'),
    ...(drift.strata.length ? [make('h3', {}, 'Scores and pictures, by stratum'), tableOf('Strata', ['Stratum', 'Pictures', 'Moved most', 'p', 'p, corrected'],
      drift.strata.map((one) => [stratum(one), Math.round(one.pictures).toLocaleString('en'), one.column ? columnOf(one.column) : '–', pOf(one.p), pOf(one.p_adjusted)]))] : []),
    ...(drift.mix.length ? [make('h3', {}, 'Who is pictured'), ...mixTables(drift.mix)] : []),
  ] : [make('p', { class: 'status' }, 'The active model’s file does not say how its validation scores were spread, so drift is not looked for.')];
  box.replaceChildren(make('h2', { id: 'drift-title' }, 'Drift'),
    make('p', { class: 'help' }, 'The latest pictures against the model’s validation, looked at every 500 pictures; a restart begins anew. A p is of the column that moved most, corrected is for all strata and looks.'),
    facts, ...body);
}

export async function show(box) {
  const [summary, drift, { models }] = await Promise.all([getJson('feedback/summary'), getJson('drift'), getJson('models?limit=100')]);
  const name = (id) => called(models.find((card) => card.id === id) ?? { id });
  const [readers, moved] = [make('section', { 'aria-labelledby': 'readers-title' }), make('section', { 'aria-labelledby': 'drift-title' })];
  box.replaceChildren(readers, moved);
  showReaders(readers, summary, name);
  showDrift(moved, drift, name);
}
