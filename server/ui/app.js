// The page: which view is shown, the key, and the start of everything.
import { getJson, key } from './api.js';
import { $, attempt, measureHead } from './dom.js';
import { greet } from './greet.js';
import { showModels, startModels } from './models.js';
import { showPredict, startPredict } from './predict.js';
import { showTrain, startTrain } from './train.js';

const VIEWS = { predict: showPredict, train: showTrain, models: showModels,
  site: async (...parts) => (await import('./site.js')).showSite(...parts) }; // read when it is first wanted

/** Show a view's place, as the address has it; its name, and what of it is meant. */
function turn() {
  const [wanted, ...parts] = location.hash.slice(1).split('/'); // #models/3937acdb-…
  const name = wanted in VIEWS ? wanted : 'predict';
  for (const view of Object.keys(VIEWS)) $(view).hidden = view !== name;
  for (const link of document.querySelectorAll('nav a')) {
    if (link.getAttribute('href') === `#${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  return { name, parts };
}

function showView() {
  const { name, parts } = turn();
  attempt(() => VIEWS[name](...parts));
}

/** Whether this person may ask is said at the key, too; whoever may not sees the view without what the server would tell. */
async function enter() {
  turn();
  const may = await greet();
  $('key-state').textContent = !key.get() ? 'Key' : may ? 'Key: in use' : 'Key: not accepted';
  if (may) showView();
}

async function takeKey(value) {
  key.set(value);
  $('key').value = '';
  $('key-state').closest('details').open = false;
  await enter();
}

function startKey() {
  $('key-form').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => takeKey($('key').value.trim()));
  });
  $('key-forget').addEventListener('click', () => attempt(() => takeKey('')));
}

async function showVersion() {
  const { build } = await getJson('version');
  $('version').textContent = `cxrd ${build}`;
}

measureHead();
startKey();
startPredict();
startTrain();
startModels();
addEventListener('hashchange', () => {
  attempt(enter);
  $('main').focus({ preventScroll: true });
});
attempt(enter);
attempt(showVersion);
