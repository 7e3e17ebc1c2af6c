// The profiles of a model: which is in force, what each says, and what can be done with them.
import { ask, getJson, postJson, saveBlob } from './api.js';
import { called } from './caption.js';
import { $, attempt, fillFacts, make, percent, ranged, short, tableOf, time, words } from './dom.js';
import { pointOf } from './judging.js';
import { keptTable } from './kept.js';
import { say } from './site.js';

let now = null;      // {card, sources, still}
let profiles = [];
let rollback = null; // what a rollback returns to: null where no profile was ever active, else {profile}
let opened = null;   // the id of the one that is shown

const named = (profile) => called(profile);
const inForce = () => profiles.find(({ active }) => active);
const button = (text, label, work, attributes = {}) => make('button', { type: 'button', class: 'quiet', 'aria-label': label, onclick: () => attempt(work), ...attributes }, text);

/* ---- what can be done ---- */

async function change(method, path, said) {
  await ask(method, path);
  await list();
  say(said);
}

function activate(profile) {
  const before = inForce() ? `${named(inForce())} is in force now. ` : 'The model’s own thresholds hold now. ';
  if (!confirm(`Activate profile ${named(profile)}? ${before}From the next request on all answers of ${called(now.card)} are by it.`)) return null;
  return change('POST', `profiles/${profile.id}/activate`, `${named(profile)} is in force now.`);
}

function deactivate(profile) {
  if (!confirm(`Deactivate profile ${named(profile)}? From the next request on the model’s own thresholds hold.`)) return null;
  return change('POST', `profiles/${profile.id}/deactivate`, 'No profile is in force now.');
}

/** To which profile a rollback goes, in words; of one that is on a later page of the list the beginning of its id. */
function backTo() {
  if (!rollback.profile) return 'no profile';
  return named(profiles.find(({ id }) => id === rollback.profile) ?? { id: rollback.profile });
}

function rollBack() {
  const to = backTo();
  if (!confirm(`Roll back to ${to}? ${inForce() ? `${named(inForce())} is in force now.` : 'No profile is in force now.'}`)) return null;
  return change('POST', `models/${now.card.id}/profiles/rollback`, `Rolled back: ${to === 'no profile' ? 'no profile is in force' : `${to} is in force`}.`);
}

function remove(profile) {
  if (!confirm(`Delete profile ${named(profile)}? It cannot be brought back, unless it was exported.`)) return null;
  if (opened === profile.id) opened = null;
  return change('DELETE', `profiles/${profile.id}`, `${named(profile)} is deleted.`);
}

async function exported(profile) {
  const reply = await ask('GET', `profiles/${profile.id}`);
  saveBlob(await reply.blob(), `profile-${short(profile.id)}.json`);
}

async function take(file) {
  const text = await file.text();
  try {
    JSON.parse(text);
  } catch {
    throw new Error(`${file.name} is no profile: it is not JSON.`);
  }
  const reply = await ask('POST', `models/${now.card.id}/profiles`, { body: text, headers: { 'Content-Type': 'application/json' } });
  const profile = await reply.json();
  opened = profile.id;
  await list();
  say(`${named(profile)} is kept. It is in force when it is activated.`);
}

/* ---- one of them ---- */

/** The limits of verdicts: between them, where either may be or neither, it cannot say, whichever of the two is the higher one. */
function limitsOf({ present_from: from, absent_to: to }) {
  if (from === null || to === null) return '–';
  return `absent up to ${percent(Math.min(from, to))}, present from ${percent(Math.max(from, to))} on`;
}

function findingRow(finding) {
  const limits = limitsOf(finding);
  return [words(finding.label), `${finding.positives} of ${finding.positive_patients} patients`,
    finding.here ? (finding.scale === 1 && finding.shift === 0 ? 'threshold' : 'probability and threshold') : 'nothing: too few patients',
    finding.threshold === null ? '–' : `${percent(finding.threshold)}${finding.operating_point ? `, ${pointOf(finding.operating_point)}` : ''}`, ranged(finding, 'sensitivity', percent), ranged(finding, 'specificity', percent), limits];
}

async function showKept(profile, job) {
  const { findings } = await getJson(`profiles/${profile.id}/kept?validation=${job}`);
  $('profile-kept').replaceChildren(keptTable('What it was worth on those rows', findings));
}

/** A form that holds it against another validation; empty where there is none. */
function keptForm(profile) {
  const others = now.sources.filter(({ job }) => job !== profile.profile.validation.job);
  if (!others.length) return make('p', { class: 'help' }, 'When the model is validated again, this page holds the profile against those rows: whether it keeps what it promises.');
  const select = make('select', { id: 'kept-job' }, ...others.map(({ job, name }) => make('option', { value: job }, name)));
  return make('div', {}, make('p', { class: 'filter' }, make('label', { for: 'kept-job' }, 'Hold it against'), select,
    button('See what it kept', null, () => showKept(profile, select.value))), make('div', { id: 'profile-kept' }));
}

function showProfile() {
  const one = profiles.find(({ id }) => id === opened);
  const box = $('profile');
  box.hidden = !one;
  if (!one) return box.replaceChildren();
  const { profile } = one;
  const facts = make('dl', { class: 'facts' });
  fillFacts(facts, {
    Id: one.id,
    'Operating point': pointOf(profile.operating_point),
    Verdicts: profile.error_rate === null ? 'none' : `present, absent or cannot say, each wrong at most ${percent(profile.error_rate)} of the time`,
    Population: profile.population,
    Rows: `${profile.validation.rows} films of ${profile.validation.patients} patients${profile.validation.dataset ? `, data set ${profile.validation.dataset}` : ''}`,
    Validation: profile.validation.job ? make('a', { href: `#train/${profile.validation.job}` }, profile.validation.job) : null,
    Made: time(profile.created_at),
    Expires: `${time(profile.expires_at)}${one.expired ? ': expired' : ''}`,
    Signed: one.signature ? 'yes' : 'no',
  });
  return box.replaceChildren(make('h3', { id: 'profile-title', tabindex: -1 }, `Profile ${named(one)}`), facts,
    make('p', { class: 'help' }, 'Sensitivity and specificity are of films whose patients did not choose the threshold, with 95 % intervals by patient. A finding with fewer than 20 ',
      'patients who have it, or lack it, keeps the model’s own.'),
    tableOf('Findings of the profile', ['Finding', 'Films with it', 'Fitted here', 'Threshold', 'Sensitivity here', 'Specificity here', 'Verdict'], profile.findings.map(findingRow), 4),
    keptForm(one));
}

function open(profile) {
  opened = profile.id;
  showProfile();
  $('profile-title').focus();
}

/* ---- all of them ---- */

function rowOf(profile) {
  const { profile: document } = profile;
  const label = named(profile);
  const from = document.validation.job ? make('a', { href: `#train/${document.validation.job}` }, document.validation.dataset ?? short(document.validation.job)) : 'elsewhere';
  const state = profile.active ? make('strong', {}, 'in force')
    : profile.expired ? 'expired' : button('Activate', `Activate ${label}`, () => activate(profile));
  return [button(label, `Show ${label}`, () => open(profile), { 'data-profile': profile.id, 'aria-expanded': String(opened === profile.id) }), make('span', {}, state), time(profile.created_at),
    `${time(document.expires_at)}${profile.expired ? ', over' : ''}`, `${document.validation.rows} films, ${document.validation.patients} patients`, from, pointOf(document.operating_point),
    document.error_rate === null ? 'none' : `at ${percent(document.error_rate)}`,
    make('span', { class: 'row-actions' }, button('Export', `Export ${label}`, () => exported(profile)), ' ',
      button('Delete', `Delete ${label}`, () => remove(profile), { disabled: profile.active }))];
}

async function list() {
  const reply = await getJson(`models/${now.card.id}/profiles?limit=100`);
  if (!now.still()) return;
  profiles = reply.profiles;
  rollback = reply.rollback;
  const active = inForce();
  $('profiles-said').textContent = active ? `${named(active)} is in force: answers of this model are by it.`
    : `${profiles.length ? 'No profile is in force' : 'No profile yet'}: the model’s own thresholds hold.`;
  $('profiles-actions').replaceChildren(...[active ? button('Deactivate', null, () => deactivate(active)) : null,
    rollback ? button(`Roll back to ${backTo()}`, null, rollBack, { id: 'profiles-rollback' }) : null].filter(Boolean));
  $('profiles-list').replaceChildren(...(profiles.length ? [tableOf('Profiles', ['Profile', 'State', 'Made', 'Expires', 'Rows', 'From', 'Operating point', 'Verdicts', 'Actions'],
    profiles.map(rowOf))] : []));
  showProfile();
}

/** After a profile was made: it is shown, and the list has it. */
async function made(profile) {
  opened = profile.id;
  $('editor').open = false;
  await list();
  say(`${named(profile)} is kept. It is in force when it is activated.`);
  $('profile-title').focus();
}

/** `job`: the validation that a profile is to be made of. */
export async function startProfiles(box, { card, sources, job, still }) {
  now = { card, sources, still };
  opened = null;
  const file = make('input', { type: 'file', id: 'profile-file', accept: 'application/json,.json' });
  file.addEventListener('change', () => attempt(async () => {
    const [chosen] = file.files;
    file.value = '';
    if (chosen) await take(chosen);
  }));
  const editor = make('details', { id: 'editor', open: Boolean(job) }, make('summary', {}, 'Make a profile of a validation'), make('div', { id: 'editor-body' }));
  editor.addEventListener('toggle', () => attempt(async () => {
    if (editor.open && !$('editor-body').childElementCount) (await import('./editor.js')).startEditor($('editor-body'), { card, sources, job, made, post: (body) => postJson(`models/${card.id}/profiles`, body) });
  }));
  box.replaceChildren(make('h2', { id: 'profiles-title' }, 'Profiles'),
    make('p', { class: 'help' }, 'What a validation showed, put to use: probabilities and thresholds fitted to these pictures. At most one is in force for a model.'),
    make('p', { id: 'profiles-said', class: 'status' }), make('p', { id: 'profiles-actions', class: 'actions' }), make('div', { id: 'profiles-list' }),
    make('section', { id: 'profile', 'aria-labelledby': 'profile-title', hidden: true }), editor,
    make('details', {}, make('summary', {}, 'Take a profile from elsewhere'),
      make('div', { class: 'field' }, make('label', { for: 'profile-file' }, 'Exported profile'), file,
        make('p', { class: 'help' }, 'A file that Export gave, of the same file of weights. It is kept, and in force only when it is activated.'))));
  await list();
}
