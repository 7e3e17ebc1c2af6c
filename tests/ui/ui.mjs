// The pages in Chromium, as a person uses them: ui.mjs CXRD TAP_FILE CHROMIUM [SCREENSHOTS]
import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { makeKey, startServer } from '../support/server.mjs';
import { Tap } from '../support/tap.mjs';
import { drawnFilm, testFilms } from './films.mjs';
import { testSite } from './site.mjs';

const [cxrd, tapFile, executablePath, screenshots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const PATIENCE = 900_000; // ms; a sanitizer build on a busy machine
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync'];
const PHONE = { width: 360, height: 740 };
const WIDE = { width: 1440, height: 900 };

const tap = new Tap(tapFile, 'ui');

// Where data are fetched from: it hangs up until it `gives`, and then never comes to the end of an archive.
const source = http.createServer((request, reply) => {
  if (!source.gives) request.socket.destroy();
  else if (request.url === '/table.csv') reply.end('Image Index,Finding Labels,Patient ID,Patient Age,Patient Gender,View Position\n');
  else {
    reply.writeHead(200, { 'Content-Length': 1 << 30 });
    const drip = setInterval(() => reply.write(Buffer.alloc(1 << 16)), 200); // one that stands still is given up
    reply.on('close', () => clearInterval(drip));
  }
});
await new Promise((done) => { source.listen(0, '127.0.0.1', done); });
const sourceUrl = `http://127.0.0.1:${source.address().port}`;
const server = await startServer(cxrd, ['--data-hosts', sourceUrl, '--data-tries', '1', '--keep-scores', '30']);
const browser = await chromium.launch({ executablePath, args: FLAGS });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
const page = await context.newPage();
context.setDefaultTimeout(PATIENCE); // of pages that it opens, too

const asked = []; // what the page wanted to be sure of; each is answered yes
page.on('dialog', (dialog) => {
  asked.push(dialog.message());
  dialog.accept();
});

const complaints = [];
const elsewhere = [];
context.on('console', (message) => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()); });
context.on('weberror', (error) => complaints.push(String(error.error())));
page.on('request', (request) => { if (!request.url().startsWith(server.url) && !request.url().startsWith('blob:')) elsewhere.push(request.url()); });

const api = async (target, options) => {
  const reply = await fetch(server.url + target, options);
  return reply.json();
};
const view = (name) => page.click(`nav a[href="#${name}"]`);
const shoot = async (name) => { if (screenshots) await page.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage: true }); };

async function assertAccessible(where, exclude = [], at = page) {
  await at.evaluate(axe);
  const { violations } = await at.evaluate((without) => globalThis.axe.run({ include: document, exclude: without },
    { resultTypes: ['violations'], elementRef: false }), exclude);
  const serious = violations.filter((violation) => ['serious', 'critical'].includes(violation.impact));
  assert.deepEqual(serious.map((violation) => `${violation.id}: ${violation.nodes.map((node) => node.target).join(' ')}`), [], where);
}

async function train(fields) {
  await view('train');
  await page.waitForSelector('#field-dataset');
  await page.$$eval('#train-form details', (all) => all.forEach((details) => { details.open = true; }));
  for (const [name, value] of Object.entries(fields)) await page.fill(`#field-${name}`, String(value));
  await page.click('#train-form button[type=submit]');
}

/** The charts' own texts: a caption, and what each axis counts, in which unit. */
const chartsOf = (at) => at.$$eval('canvas', (all) => all.map((canvas) => [canvas, globalThis.Chart?.getChart(canvas)])
  .filter(([, chart]) => chart).map(([canvas, chart]) => ({
    id: canvas.id,
    caption: canvas.closest('figure')?.querySelector('figcaption')?.textContent.trim(),
    axes: Object.values(chart.scales).filter(({ options }) => options.display).map(({ type, options: { title } }) => ({ type, text: title.display ? [title.text].flat().join(' ') : '' })),
  })));

function assertLabelled(charts) {
  for (const { id, caption, axes } of charts) {
    assert.ok(caption, `${id} has no caption`);
    assert.equal(axes.length, id.startsWith('tsne-') ? 0 : 2, id); // a map of neighbours has no axes
    for (const { type, text } of axes) assert.match(text, type === 'linear' ? /^epoch$|.\(.+\)$/ : /./, `an axis of ${id} does not say what it counts`);
  }
}

const ended = (state) => page.waitForSelector(`#job[data-state=${state}]`, { timeout: PATIENCE });
const QUICK = { dataset: 'phantom', image_size: 64, epochs: 2, batch_size: 16 };

await tap.test('the page comes with its policy and the intended use', async () => {
  const reply = await page.goto(server.url);
  assert.match(reply.headers()['content-security-policy'], /default-src 'none'/);
  assert.match(await page.textContent('#intended-use'), /Research use only\. Not a medical device/);
  assert.equal(await page.isVisible('#intended-use'), true);
});

await tap.test('without a model the answer is a sentence', async () => {
  await page.waitForSelector('#notice:not([hidden])'); // at once, before there is a picture
  assert.match(await page.textContent('#notice'), /No model answers yet/);
  await page.setInputFiles('#file', server.picture);
  await page.waitForSelector('#alert:not([hidden])');
  assert.match(await page.textContent('#alert'), /model/);
  assert.equal(complaints.length, 1); // the browser's own line on the 503
  complaints.length = 0;
});

await tap.test('while a model is being trained that is said, until it is not so any more', async () => {
  await page.route(/\/jobs\?type=train&state=running/, (route) => route.fulfill({ json: { jobs: [{ id: 'x' }], next_cursor: null } }));
  await page.reload();
  await page.waitForFunction(() => /One is being trained/.test(document.querySelector('#notice').textContent));
  await page.unroute(/\/jobs\?type=train&state=running/);
  await page.waitForFunction(() => /Train one under Train/.test(document.querySelector('#notice').textContent)); // by itself
});

await tap.test('data sets are listed, and one is chosen from the list', async () => {
  await view('train');
  await page.waitForFunction(() => /yes$/.test(document.querySelector('[data-dataset=phantom]')?.textContent ?? ''));
  const { datasets: [phantom] } = await api('/datasets');
  const cells = await page.$$eval('[data-dataset=phantom] td', (all) => all.map((cell) => cell.textContent));
  assert.deepEqual(cells.slice(0, 3), ['phantom', String(phantom.rows), String(phantom.pictures)]);
  await page.click('#datasets button');
  assert.equal(await page.inputValue('#field-dataset'), 'phantom');
  assert.equal(await page.getAttribute('#field-dataset', 'list'), 'field-dataset-choices');
  const properties = (await api('/ui/openapi.json')).components.schemas.TrainRequest.properties;
  assert.equal(await page.getAttribute('#field-max_age', 'placeholder'), String(properties.max_age.default));
  assert.equal(await page.locator('#train-form .field').count(), Object.keys(properties).length);
  assert.equal(await page.isVisible('#field-csv'), false); // in a group that is closed
  assert.ok(await page.$eval('#train-form', (form) => form.getBoundingClientRect().height) < 1800);
  await shoot('train-empty');
});

await tap.test('a dry run reports the data and trains nothing', async () => {
  await page.fill('#field-dataset', 'phantom');
  await page.click('#dry-run');
  await ended('succeeded');
  assert.match(await page.textContent('#job-state'), /^succeeded; a dry run: nothing was trained/);
  assert.equal(await page.isVisible('#job-curves'), false);
  await page.waitForFunction(() => /succeeded \(dry run\)/.test(document.querySelector('#jobs').textContent));
  const [popup] = await Promise.all([context.waitForEvent('page'), page.click('#job-actions a:text-is("Report")')]);
  await popup.waitForLoadState();
  assert.match(await popup.textContent('body'), /phantom/);
  await popup.close();
});

await tap.test('a job is named, found by its name, and deleted', async () => {
  await page.fill('#job-name', 'only looking');
  await page.fill('#job-note', 'nothing was trained');
  await page.click('#job-caption button');
  await page.waitForFunction(() => document.querySelector('#jobs').textContent.includes('only looking'));
  const { jobs: [job] } = await api('/jobs');
  assert.deepEqual([job.name, job.note], ['only looking', 'nothing was trained']);
  await page.fill('#jobs-text', 'no such');
  await page.press('#jobs-text', 'Enter');
  await page.waitForFunction(() => /No job is found/.test(document.querySelector('#jobs-status').textContent));
  await page.fill('#jobs-text', 'LOOKING');
  await page.press('#jobs-text', 'Enter');
  await page.waitForSelector(`[data-job="${job.id}"]`);
  await page.click('#job-actions button:text-is("Delete")');
  await page.waitForFunction((id) => !document.querySelector(`[data-job="${id}"]`), job.id);
  assert.match(asked.pop(), /Delete job only looking.*report/);
  assert.deepEqual((await api('/jobs')).jobs, []);
  await page.fill('#jobs-text', '');
  await page.press('#jobs-text', 'Enter');
});

await tap.test('a data set that may not be fetched is told beside its field', async () => {
  await page.click('#fetch summary');
  for (const [field, text] of [['name', 'x'], ['table', 'https://elsewhere.example/t.csv'], ['archives', 'https://elsewhere.example/a.tar\n']]) await page.fill(`#fetch-${field}`, text);
  await page.click('#fetch-form button');
  await page.waitForSelector('#fetch-form .wrong .fault');
  assert.deepEqual(await page.$$eval('#fetch-form .wrong', (all) => all.map((field) => field.dataset.field)), ['table', 'archives']);
  assert.match(complaints.pop(), /422/);
  await page.click('#fetch summary');
});

await tap.test('a wrong field is told beside it, and stays told while data sets are counted', async () => {
  const { datasets } = await api('/datasets');
  const counting = { datasets: datasets.map((one) => ({ ...one, state: 'counting' })) };
  await page.route(/\/datasets$/, (route) => route.fulfill({ json: counting }));
  await view('predict');
  await train({ ...QUICK, epochs: 5000 });
  await page.waitForSelector('#fault-epochs');
  assert.equal(await page.evaluate(() => document.activeElement.name), 'epochs');
  assert.match(complaints.pop(), /422/);
  await page.waitForRequest(/\/datasets$/);
  assert.equal(await page.isVisible('#alert'), true);
  await page.unroute(/\/datasets$/);
});

await tap.test('a training is watched to its end', async () => {
  await train({ ...QUICK, seed: 1 });
  await ended('succeeded');
  assert.equal(await page.locator('#epochs tbody tr').count(), QUICK.epochs);
  const [{ id }] = (await api('/jobs')).jobs;
  const record = await api(`/jobs/${id}`);
  const shown = await page.locator('#epochs tbody tr').last().locator('td').nth(1).textContent();
  assert.equal(shown, record.epochs.at(-1).val_loss.toFixed(4));
  const points = await page.evaluate(() => globalThis.Chart.getChart('chart-loss').data.datasets.map((set) => set.data.length));
  assert.deepEqual(points.slice(0, 3), [2, 2, 2]); // and the steps, if there was time to see one
  const ends = await page.evaluate(() => ['chart-top5', 'chart-auroc'].map((id) => { const { min, max } = globalThis.Chart.getChart(id).scales.y; return [min, max]; }));
  assert.deepEqual(ends, [[0, 1], [0, 1]]);
  assert.match(await page.textContent('#job-facts'), /Data setphantom/);
  assert.match(await page.textContent('#job-facts'), /Took\d+ s|Took\d+ min/);
  await page.click('#job-config summary');
  assert.match(await page.textContent('#job-config-facts'), /image_size64/);
  const charts = await chartsOf(page);
  assert.equal(charts.length, 3);
  assertLabelled(charts);
  assert.equal(await page.inputValue('#field-seed'), '1');
  assert.equal(await page.$eval('#job-progress', (bar) => bar.value), 1);
  assert.equal(await page.textContent('#job-state'), 'succeeded');
  await shoot('train');
  await assertAccessible('the training');
  const before = page.viewportSize();
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.waitForTimeout(200); // charts take their new size
  const cut = await page.$$eval('#train .scroll', (all) => all.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth).map((one) => one.getAttribute('aria-label')));
  assert.deepEqual(cut, [], 'tables that are cut off on a desk');
  await page.setViewportSize(before);
});

/** Charts take their new size a frame or two after the window has. */
async function assertFits(shown, what) {
  await shown.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth, null, { timeout: 10000 })
    .catch(() => assert.fail(`${what} is too wide`));
}

await tap.test('a job has its report, a page of its own', async () => {
  const [popup] = await Promise.all([context.waitForEvent('page'), page.click('#job-actions a:text-is("Report")')]);
  await popup.waitForLoadState();
  const [{ id }] = (await api('/jobs')).jobs;
  assert.equal(popup.url(), `${server.url}/jobs/${id}/report`);
  assert.match(await popup.textContent('body'), new RegExp(id.slice(0, 8)));
  const charts = await chartsOf(popup);
  assert.equal(charts.length, await popup.locator('canvas:not(.map, .scale)').count(), 'a picture is not drawn');
  const maps = await popup.$$eval('canvas.map', (all) => all.map((c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v)));
  assert.ok(maps.length > 0 && maps.every((drawn) => drawn), 'a map is not drawn');
  assert.match(await popup.textContent('.scale-bar'), /^−?-?[\d.]+0\+[\d.]+ logits a cell/);
  assertLabelled(charts);
  const bare = await popup.$$eval('img', (all) => all.filter((img) => !img.alt || !img.closest('figure').querySelector('figcaption').textContent).length);
  assert.equal(bare, 0, 'pictures without a caption');
  await assertAccessible('the report', [], popup);
  await popup.setViewportSize(PHONE);
  await assertFits(popup, 'the report');
  if (screenshots) await popup.screenshot({ path: path.join(screenshots, 'report.png'), fullPage: true });
  await popup.setViewportSize(WIDE);
  const wider = await popup.$$eval('.scroll', (all) => all.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth + 1).map((box) => box.getAttribute('aria-label')));
  assert.deepEqual(wider, [], 'tables of the report that are cut off on a desk');
  await popup.click('a:text-is("Copy for mailing")');
  await popup.waitForURL(`${server.url}/jobs/${id}/report?copy=mail`);
  assert.equal((await chartsOf(popup)).length, charts.length);
  assert.equal(await popup.locator('img').count(), 0, 'the copy for mailing has radiographs');
  assert.deepEqual(complaints, []);
  await popup.close();
});

/** 12.3 %, and what only rounds to none or all told so. */
function shownAs(probability) {
  const rounded = (probability * 100).toFixed(1);
  if (rounded === '0.0' && probability > 0) return '< 0.1 %';
  return rounded === '100.0' && probability < 1 ? '> 99.9 %' : `${rounded} %`;
}

await tap.test('a model is validated on a data set, and the card leads to it', async () => {
  await view('train');
  await page.click('#scoring summary');
  await page.fill('#scoring-dataset', 'phantom');
  await page.fill('#scoring-labels', '{"Gout": []}');
  await page.click('#scoring-form button[type=submit]');
  await page.waitForSelector('#scoring-form .wrong .fault');
  assert.match(complaints.pop(), /422/);
  await page.fill('#scoring-labels', 'Effusion, Mass');
  await page.fill('#scoring-name', 'here');
  await page.click('#scoring-form button[type=submit]');
  await page.waitForFunction(() => /here/.test(document.querySelector('#job-title').textContent));
  await ended('succeeded');
  await page.waitForSelector('#job-findings:not([hidden])');
  assert.deepEqual(await page.$$eval('#findings-here tbody th', (all) => all.map((cell) => cell.textContent)), ['Effusion', 'Mass']);
  assert.match(await page.textContent('#job-facts'), /External validation.*no:.*this very table/);
  assert.match(await page.textContent('#job-actions'), /Report/);
  await assertAccessible('a validation');
  await shoot('validation');
  await page.setViewportSize(PHONE);
  const cut = () => page.$$eval('#train .scroll', (all) => all.filter(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth + 1).map((box) => box.getAttribute('aria-label')));
  assert.deepEqual(await cut(), [], 'cut off on a phone');
  await page.setViewportSize(WIDE);
  assert.deepEqual(await cut(), [], 'cut off on a desk');
  await page.setViewportSize({ width: 1280, height: 900 });
  const [{ scored_model: model }] = (await api('/jobs?type=validate')).jobs;
  await page.click(`#job-facts a[href="#models/${model}"]`);
  await page.waitForFunction(() => /Validated on/.test(document.querySelector('#card-facts').textContent));
  await page.click('#card-facts a:text-is("here")');
  await page.waitForSelector('#findings-here');
  await view('train');
  await page.click('#scoring-form #score-only');
  await page.waitForFunction(() => /predict/.test(document.querySelector('#jobs').textContent));
  await ended('succeeded');
  await page.waitForSelector('#job-actions button:text-is("Scores (CSV)")');
  assert.equal(await page.isVisible('#job-findings'), false);
  for (const { id } of (await api('/jobs?type=predict')).jobs.concat((await api('/jobs?type=validate')).jobs)) await fetch(`${server.url}/jobs/${id}`, { method: 'DELETE' });
});

await tap.test('a film that is refused for want of a model is asked about again once one answers', async () => {
  await page.route(/\/predict$/, (route) => route.fulfill({ status: 503, json: { title: 'Service Unavailable', status: 503, detail: 'no model is active yet' } }));
  await page.route(/\/models\?/, (route) => route.fulfill({ json: { models: [], active: null, next_cursor: null } }));
  await page.route(/\/jobs\?type=train&state=running/, (route) => route.fulfill({ json: { jobs: [{ id: 'x' }], next_cursor: null } }));
  await view('predict');
  await page.waitForFunction(() => /One is being trained/.test(document.querySelector('#notice').textContent));
  await page.setInputFiles('#file', server.picture);
  await page.waitForSelector('#again:not([hidden])');
  for (const pattern of [/\/predict$/, /\/models\?/, /\/jobs\?type=train&state=running/]) await page.unroute(pattern);
  await page.waitForSelector('#prediction:not([hidden])'); // by itself
  await page.waitForSelector('#notice', { state: 'hidden' });
  assert.match(complaints.pop(), /503/);
  await page.evaluate(() => document.querySelector('#worklist-clear').click());
});

await tap.test('a picture has the probabilities of the API', async () => {
  await view('predict');
  await page.setInputFiles('#file', server.picture);
  await page.waitForSelector('#prediction:not([hidden])');
  const expected = await api('/predict', { method: 'POST', body: readFileSync(server.picture), headers: { 'Content-Type': 'image/png' } });
  const shown = await page.$$eval('#findings button', (buttons) => buttons.map((button) => [button.dataset.label,
    Number(button.dataset.probability), button.querySelector('.number').textContent]));
  assert.deepEqual(shown, expected.findings.map(({ label, probability }) => [label, probability, shownAs(probability)]));
  assert.match(await page.textContent('#facts'), new RegExp(expected.model.id.slice(0, 8)));
});

await tap.test('a finding has its map over the picture', async () => {
  const second = page.locator('#findings button').nth(1);
  await second.focus();
  await page.keyboard.press('Enter');
  await page.waitForSelector('#map-tools:not([hidden])');
  assert.equal(await second.getAttribute('aria-pressed'), 'true');
  const label = await second.getAttribute('data-label');
  const { explanation } = await api(`/predict?explain=${label}`, { method: 'POST', body: readFileSync(server.picture) });
  const said = await page.textContent('#map-title');
  assert.ok(said.includes(`score ${explanation.logit.toFixed(2).replace('-', '−')} = ${explanation.bias.toFixed(2).replace('-', '−')}`), said);
  await shoot('predict');
  await assertAccessible('the prediction');
  await page.click('#map-off');
  assert.equal(await second.getAttribute('aria-pressed'), 'false');
});

await testFilms({ tap, page, browser, server, complaints, assertAccessible, assertFits, shoot,
  shootAt: async (at, name) => { if (screenshots) await at.screenshot({ path: path.join(screenshots, `${name}.png`), fullPage: true }); } });

await tap.test('why a DICOM file is refused is told', async () => {
  await page.setInputFiles('#file', { name: 'film.dcm', mimeType: '', buffer: drawnFilm('dicom.film(jpeg.pixels(rows), ViewPosition="LL")') });
  await page.waitForSelector('#alert:not([hidden])');
  assert.match(await page.textContent('#alert'), /no frontal picture: its view is 'LL'/);
  assert.match(complaints.pop(), /422/);
});

await tap.test('a broken file is told, and leaves no numbers', async () => {
  const broken = path.join(server.folder, 'broken.png');
  writeFileSync(broken, readFileSync(server.picture).subarray(0, 900));
  await page.setInputFiles('#file', broken);
  await page.waitForSelector('#alert:not([hidden])');
  const { detail } = await api('/predict', { method: 'POST', body: readFileSync(broken) });
  assert.ok((await page.textContent('#alert')).startsWith(detail));
  assert.equal(await page.isVisible('#prediction'), false);
  assert.match(complaints.pop(), /400/);
});

await tap.test('a training is cancelled', async () => {
  await train({ ...QUICK, epochs: 1000, steps_per_epoch: 100000, seed: 3 });
  await page.waitForSelector('#job[data-state=running]');
  await page.click('#job-actions button:has-text("Cancel")');
  await ended('cancelled');
  assert.match(asked.pop(), /^Cancel job .*lost/);
});

await tap.test('data are fetched, interrupted, resumed and cancelled', async () => {
  const body = { name: 'far', table: { url: `${sourceUrl}/table.csv` }, archives: [{ url: `${sourceUrl}/films.tar` }] };
  const { id } = await api('/datasets', { method: 'POST', body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
  await view('predict');
  await view('train');
  await page.click(`#jobs button[aria-label="Show ${id.slice(0, 8)}"]`);
  await ended('interrupted');
  assert.equal(await page.isVisible('#job-curves'), false);
  source.gives = true;
  await page.click('#job-actions button:has-text("Resume")');
  await page.waitForFunction(() => /file 2 of 2, [\d.]+ [KM]iB of 1024\.0 MiB/.test(document.querySelector('#job-facts').textContent));
  await page.click('#job-actions button:has-text("Cancel")');
  await ended('cancelled');
});

await tap.test('models are compared, and another one is activated', async () => {
  await train({ ...QUICK, steps_per_epoch: 0, seed: 2, split_seed: 1 }); // the same test rows
  await page.waitForSelector('#job[data-state=running]');
  await ended('succeeded');
  await view('models');
  await page.waitForSelector('#model-list tbody tr:nth-child(2)');
  for (const box of await page.$$('#model-list input[type=checkbox]')) await box.check();
  assert.equal(await page.isVisible('#comparison'), true);
  const before = await api('/models');
  const other = before.models.find((card) => card.id !== before.active).id;
  await page.waitForSelector('#paired-table tbody tr');
  const [, second] = (await api('/models')).models.map((card) => card.job);
  const [newest] = before.models.map((card) => card.job);
  const paired = await api(`/jobs/${newest}/compare?with=${second}`);
  assert.match(await page.textContent('#paired-said'), new RegExp(`same ${paired.common} rows`));
  const known = paired.findings.filter(({ first, second: after }) => first !== null && after !== null).length;
  assert.ok(known > 0);
  assert.equal(await page.locator('#paired-table tbody tr').count(), 1 + known);
  const mean = await page.$$eval('#paired-table tbody tr:first-child td', (all) => all.map((cell) => cell.textContent));
  assert.equal(mean[0], paired.macro_auroc.first.toFixed(3));
  await page.waitForSelector('#comparison-groups table');
  const heads = (table) => page.$eval(table, ({ tHead }) => [...tHead.rows[0].cells].map((cell) => cell.textContent.slice(0, 8)).slice(1, 3));
  const models = (await api('/models')).models.map(({ id }) => id.slice(0, 8)).reverse(); // the older one first
  assert.deepEqual([await heads('#paired-table'), await heads('#comparison-groups table')], [models, models]);
  const { difference_low: low, difference_high: high } = paired.macro_auroc;
  assert.equal(mean[4], low > 0 ? 'better' : high < 0 ? 'worse' : 'no different, as far as can be told');
  asked.length = 0;
  await page.click(`[data-model="${other}"] button:text-is("Activate")`);
  await page.waitForSelector(`[data-model="${other}"][aria-current=true]`);
  assert.match(asked.pop(), new RegExp(`Activate .*${other.slice(0, 8)}.*${before.active.slice(0, 8)}.*answers now`));
  assert.equal((await api('/models')).active, other);
  const [onnx] = await Promise.all([page.waitForEvent('download'), page.click(`[data-model="${other}"] a:text-is("ONNX")`)]);
  assert.equal(onnx.suggestedFilename(), `${other}.onnx`);
  assert.ok(statSync(await onnx.path()).size > 100_000);
  await shoot('models');
  await assertAccessible('the models');
  await page.click('#rollback');
  await page.waitForSelector(`[data-model="${before.active}"][aria-current=true]`);
  assert.match(asked.pop(), new RegExp(`Roll back.*${other.slice(0, 8)}`));
});

await tap.test('a model has a card, with its job, its report and its operating points', async () => {
  const { active } = await api('/models');
  await page.click(`[data-model="${active}"] th button`);
  await page.waitForSelector('#card:not([hidden])');
  const card = await api(`/models/${active}`);
  assert.match(await page.textContent('#card-facts'), new RegExp(card.sha256));
  assert.equal(await page.locator('#card-points tbody tr').count(), card.labels.length);
  assert.match(await page.textContent('#card-points'), /sensitivity \d+\.\d %/);
  assert.equal(await page.locator('#card-actions button:text-is("Delete")').count(), 0); // it answers
  await page.fill('#card-name', 'the first');
  await page.click('#card-caption button');
  await page.waitForFunction((id) => document.querySelector(`[data-model="${id}"]`).textContent.includes('the first'), active);
  assert.equal((await api(`/models/${active}`)).name, 'the first');
  await page.click('#card-own summary');
  await page.fill('#own-Mass', '12.5');
  await page.click('#card-own button');
  await page.waitForFunction(() => document.querySelector('#card-own-count').textContent === '1 set');
  assert.deepEqual((await api(`/models/${active}`)).own_thresholds, { Mass: 0.125 });
  await page.fill('#own-Mass', '');
  await page.click('#card-own button');
  await page.waitForFunction(() => document.querySelector('#card-own-count').textContent === 'none set');
  await assertAccessible('a card');
  await shoot('card');
  await page.click('#card-actions a:text-is("Its job")');
  await page.waitForSelector('#train:not([hidden]) #job:not([hidden])');
  await page.waitForFunction((id) => document.querySelector('#job-facts').textContent.includes(id), card.job);
  await page.click('#job-actions a:text-is("To its model")');
  await page.waitForSelector(`#models:not([hidden]) #card[data-model="${active}"]`);
});

await tap.test('a file is imported, and what was mapped is shown', async () => {
  const { active } = await api('/models');
  await view('models');
  await page.click('#import summary');
  const file = await fetch(`${server.url}/models/${active}/weights`);
  await page.setInputFiles('#import-file', { name: 'x.safetensors', mimeType: 'application/octet-stream', buffer: Buffer.from(await file.arrayBuffer()) });
  await page.click('#import-form button');
  await page.waitForSelector('#import-result:not([hidden])');
  assert.match(await page.textContent('#import-said'), /is imported/);
  assert.match(await page.textContent('#import-facts'), /weights file of cxrd/);
  await assertAccessible('an import');
  const { models } = await api('/models');
  assert.equal(models[0].sha256, models.find((card) => card.id === active).sha256);
  await shoot('import');
  await page.click(`[data-model="${models[0].id}"] button:text-is("Delete")`);
  await page.waitForFunction((id) => !document.querySelector(`[data-model="${id}"]`), models[0].id);
  assert.match(asked.pop(), /cannot be brought back/);
  assert.equal((await fetch(`${server.url}/models/${models[0].id}`)).status, 404);
});

const findModels = async (text) => {
  await page.fill('#models-text', text);
  await page.press('#models-text', 'Enter');
};

await tap.test('a filter that finds one model does not hide the roll back', async () => {
  const { active } = await api('/models');
  await findModels(active);
  await page.waitForFunction(() => document.querySelectorAll('#model-list tbody tr').length === 1);
  assert.equal(await page.isVisible('#rollback'), true);
  await findModels('');
  await page.waitForSelector('#model-list tbody tr:nth-child(2)');
});

await tap.test('a card closes when its model is deleted elsewhere', async () => {
  const { active } = await api('/models');
  const body = await (await fetch(`${server.url}/models/${active}/weights`)).arrayBuffer();
  const { id } = await api('/models', { method: 'POST', body, headers: { 'Content-Type': 'application/octet-stream' } });
  await view('predict');
  await view('models');
  await page.click(`[data-model="${id}"] th button`);
  await page.waitForSelector(`#card:not([hidden])[data-model="${id}"]`);
  await fetch(`${server.url}/models/${id}`, { method: 'DELETE' });
  await findModels('no such');
  await page.waitForFunction(() => document.querySelector('#card').hidden || !document.querySelector('#alert').hidden);
  assert.equal(await page.isVisible('#alert'), false);
  assert.match(complaints.pop(), /404/);
  await findModels('');
  await page.waitForSelector(`[data-model="${active}"]`);
  await page.evaluate((gone) => { location.hash = `models/${gone}`; }, id);
  await page.waitForSelector('#alert:not([hidden])'); // a card that is asked for by its address
  assert.match(complaints.pop(), /404/);
});

await tap.test('a model that takes age, sex and view is given them', async () => {
  const fields = { ...QUICK, epochs: 1, inputs: ['age', 'sex', 'view'], promote: 'always', seed: 4 };
  const reply = await api('/jobs/train', { method: 'POST', body: JSON.stringify(fields), headers: { 'Content-Type': 'application/json' } });
  await view('predict');
  assert.equal(await page.isVisible('#patient'), false);
  while (!['succeeded', 'failed'].includes((await api(`/jobs/${reply.id}`)).state)) await page.waitForTimeout(200);
  await view('models');
  await page.waitForSelector('#models:not([hidden])');
  await view('predict');
  await page.waitForSelector('#patient:not([hidden])');
  await page.setInputFiles('#file', server.picture);
  await page.waitForSelector('#prediction:not([hidden])');
  assert.deepEqual(await page.locator('#warnings li').filter({ hasText: 'missing input' }).allTextContents(),
    ['missing input: age, sex and view are not given: what they are on the average in training is taken']);
  await page.selectOption('#patient-sex', 'F');
  await page.selectOption('#patient-view', 'AP');
  await page.fill('#patient-age', '58');
  await page.press('#patient-age', 'Tab');
  await page.waitForFunction(() => !document.querySelector('#prediction').hidden && !document.querySelector('#warnings').textContent.includes('missing'));
  const expected = await api('/predict?age=58&sex=F&view=AP', { method: 'POST', body: readFileSync(server.picture) });
  const shown = await page.$$eval('#findings button', (buttons) => buttons.map((button) => Number(button.dataset.probability)));
  assert.deepEqual(shown, expected.findings.map(({ probability }) => probability));
  await shoot('inputs');
  await assertAccessible('the fields');
});

/** The file of a cnn4 that takes a history and a course, with findings of its own. */
function weightsOf(labels) {
  const numbers = [...['ever', 'last', 'often', 'lately'].flatMap((half) => labels.map((label) => `${half}_${label}`)), 'earlier_film', 'films'];
  const header = { __metadata__: { format: 'cxrd', architecture: 'cnn4', image_size: '64', resize: 'area', input_mean: '128', input_std: '64',
    labels: labels.join(','), inputs: JSON.stringify(numbers.map((name) => ({ name, mean: 0.5, std: 0.5 }))) } };
  const tensor = (name, ...shape) => {
    const begin = Object.values(header).at(-1).data_offsets?.[1] ?? 0;
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, begin + 4 * shape.reduce((count, side) => count * side)] };
  };
  [3, 32, 64, 128].forEach((before, i) => {
    tensor(`conv${i + 1}.weight`, 32 << i, before, 3, 3);
    tensor(`conv${i + 1}.bias`, 32 << i);
  });
  tensor('head.weight', labels.length, 256, 4, 4);
  tensor('head.bias', labels.length);
  tensor('head.inputs.weight', labels.length, numbers.length);
  const text = `${JSON.stringify(header)}${' '.repeat(7)}`;
  const head = Buffer.from(text).subarray(0, Math.floor(Buffer.byteLength(text) / 8) * 8);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(head.length));
  const values = Float32Array.from({ length: header['head.inputs.weight'].data_offsets[1] / 4 }, (_, i) => 0.05 * Math.sin(i));
  return Buffer.concat([size, head, Buffer.from(values.buffer)]);
}

await tap.test('a model has the findings that it says, and no others', async () => {
  const labels = ['Fracture', 'Pleural_Thickening', 'Épanchement pleural', 'x'.repeat(63)]; // the last as long as a name may be
  const headers = { 'Content-Type': 'application/octet-stream' };
  const { active } = await api('/models');
  const card = await api('/models', { method: 'POST', body: weightsOf(labels), headers });
  assert.deepEqual(card.labels, labels);
  await api(`/models/${card.id}/activate`, { method: 'POST' });
  await view('models');
  await page.waitForSelector(`[data-model="${card.id}"][aria-current=true]`);
  for (const box of await page.$$('#model-list input:checked')) await box.uncheck();
  for (const id of [card.id, active]) await page.check(`[data-model="${id}"] input`);
  await page.waitForSelector('#comparison-warning:not([hidden])');
  await view('predict');
  await page.waitForFunction((names) => document.querySelector('#patient-labels').textContent.includes(names), labels.join(', '));
  await page.setInputFiles('#file', server.picture);
  await page.fill('#patient-history', `fracture, ${labels[2]}`);
  await page.press('#patient-history', 'Tab');
  const shows = async (query) => {
    const { findings } = await api(`/predict?${query}`, { method: 'POST', body: readFileSync(server.picture) });
    await page.waitForFunction((wanted) => [...document.querySelectorAll('#findings button')].map((button) => button.dataset.probability).join() === wanted,
      findings.map(({ probability }) => String(probability)).join());
  };
  await shows(`history=${encodeURIComponent(`Fracture,${labels[2]}`)}`);
  await page.fill('#patient-history', '');
  await page.fill('#patient-course', 'fracture/No Finding');
  await page.press('#patient-course', 'Tab');
  await shows(`course=${encodeURIComponent('Fracture/No Finding')}`);
  assert.deepEqual((await page.$$eval('#findings button', (all) => all.map((button) => button.dataset.label))).sort(), [...labels].sort());
  await page.click(`#findings button[data-label="${labels[2]}"]`);
  await page.waitForSelector('#map-tools:not([hidden])');
  assert.match(await page.textContent('#map-title'), /^Épanchement pleural: score /);
  await assertAccessible('findings of its own');
  await page.setViewportSize(PHONE);
  await assertFits(page, 'a name without a blank');
  const over = await page.$$eval('#findings button', (all) => all.filter(({ children: [name, bar] }) => name.scrollWidth > name.clientWidth + 1 || name.getBoundingClientRect().right > bar.getBoundingClientRect().left).length);
  assert.equal(over, 0);
  await page.setViewportSize({ width: 1280, height: 900 });
  await api(`/models/${active}/activate`, { method: 'POST' });
});

await testSite({ tap, page, server, cxrd, api, ended, asked, complaints, assertAccessible, assertFits, shoot, view });

await tap.test('dark, and as wide as a phone: nothing is cut off', async () => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.setViewportSize(PHONE);
  for (const name of ['train', 'models', 'predict']) {
    await view(name);
    await page.waitForSelector(`#${name}:not([hidden])`);
    if (name === 'predict') {
      await page.setInputFiles('#file', server.picture);
      await page.waitForSelector('#prediction:not([hidden])');
    }
    await assertFits(page, name);
    await shoot(`${name}-phone-dark`);
    await assertAccessible(`${name}, dark`);
  }
});

await tap.test('an epoch is shown without asking for the whole job', async () => {
  const epochs = 20;
  let asked = 0;
  const count = (request) => { if (/\/jobs\/[0-9a-f-]{36}$/.test(request.url())) asked += 1; };
  page.on('request', count);
  await train({ ...QUICK, epochs, patience: 0, seed: 9 });
  await page.waitForFunction((n) => document.querySelectorAll('#epochs tbody tr').length === n, epochs);
  await ended('succeeded');
  page.off('request', count);
  assert.ok(asked <= 12, `asked ${asked} times: at the begin, at the first epoch, at 3 changes of state and 6 of phase`);
});

await tap.test('the API reference shows every operation', async () => {
  await page.goto(`${server.url}/docs`);
  await page.waitForSelector('#getContract');
  const contract = await api('/ui/openapi.json');
  const operations = Object.values(contract.paths).flatMap((item) => Object.values(item)).filter((value) => value.operationId);
  assert.equal(await page.locator('.operation').count(), operations.length);
  await assertFits(page, 'the API reference');
  const links = await page.$$eval('header nav a', (all) => all.map(({ textContent }) => textContent));
  assert.deepEqual(links, [...(await (await fetch(server.url)).text()).match(/<nav.*?<\/nav>/s)[0].matchAll(/>([^<\s]+)<\/a>/g)].map(([, name]) => name));
  if (screenshots) await page.screenshot({ path: path.join(screenshots, 'docs-phone-dark.png') });
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: 'light' });
  if (screenshots) await page.screenshot({ path: path.join(screenshots, 'docs.png') });
  await assertAccessible('the reference', ['.operation details']); // hundreds, and all made alike
});

await tap.test('no complaint of the browser, no request to another host', async () => {
  assert.deepEqual(complaints, []);
  assert.deepEqual(elsewhere, []);
});

await tap.test('with keys and below a prefix all of it works too', async () => {
  const { file, key } = makeKey(cxrd, 'admin');
  const guarded = await startServer(cxrd, ['--keys', file, '--base-path', '/xray']);
  const home = `${guarded.url.replace(/\/xray\/?$/, '')}/xray/`;
  const other = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
  const wrong = [];
  other.on('request', (request) => { if (!request.url().startsWith(home) && !request.url().startsWith('blob:')) wrong.push(request.url()); });
  other.on('pageerror', (error) => wrong.push(String(error)));
  try {
    await other.goto(home);
    await other.waitForFunction(() => document.activeElement?.id === 'key');
    await other.setInputFiles('#file', guarded.picture);
    await other.waitForSelector('#alert:not([hidden])');
    assert.match(await other.textContent('#alert'), /key/i);
    await other.waitForSelector('#notice:not([hidden])');
    assert.match(await other.textContent('#notice'), /asks for a key/);
    await other.setViewportSize(PHONE);
    const above = await other.$eval('#notice', (notice) => {
      scrollTo(0, 0);
      const { left, right, top, bottom } = notice.getBoundingClientRect();
      return document.elementFromPoint((left + right) / 2, (top + bottom) / 2)?.closest('[id]').id;
    });
    assert.equal(above, 'notice', 'the panel of the key covers the sentence that asks for it');
    await other.setViewportSize({ width: 1280, height: 900 });
    assert.equal(await other.getAttribute('nav a[href="#predict"]', 'aria-current'), 'page');
    await other.fill('#key', 'f'.repeat(64)); // its panel was opened at once
    await other.click('#key-form button[type=submit]');
    await other.waitForFunction(() => /not accepted/.test(document.querySelector('#key-state').textContent));
    assert.match(await other.textContent('#notice'), /key is not accepted/);
    await other.fill('#key', key);
    await other.click('#key-form button[type=submit]');
    await other.waitForFunction(() => document.querySelector('#key-state').textContent === 'Key: in use');
    await other.click('nav a[href="#train"]');
    await other.waitForSelector('#field-dataset');
    await other.$$eval('#train-form details', (all) => all.forEach((details) => { details.open = true; }));
    for (const [name, value] of Object.entries({ ...QUICK, epochs: 1 })) await other.fill(`#field-${name}`, String(value));
    await other.click('#train-form button[type=submit]');
    await other.waitForSelector('#job[data-state=succeeded]', { timeout: PATIENCE });
    const [report] = await Promise.all([other.waitForEvent('download'), other.click('#job-actions button:text-is("Report")')]);
    assert.match(report.suggestedFilename(), /^report-.*\.html$/);
    await other.click('nav a[href="#predict"]');
    await other.setInputFiles('#file', guarded.picture);
    await other.waitForSelector('#prediction:not([hidden])');
    await other.click('nav a[href="#models"]');
    await other.waitForSelector('#model-list tbody tr[aria-current=true]');
    const [onnx] = await Promise.all([other.waitForEvent('download'), other.click('#model-list button:text-is("ONNX")')]);
    assert.match(onnx.suggestedFilename(), /\.onnx$/);
    assert.ok(statSync(await onnx.path()).size > 100_000);
    assert.equal(await other.isVisible('#alert'), false);
    assert.equal(await other.evaluate((secret) => document.documentElement.outerHTML.includes(secret) || location.href.includes(secret), key), false);
    await other.goto(`${home}docs`);
    await other.waitForSelector('#getContract');
    assert.deepEqual(wrong, []);
  } finally {
    await guarded.stop();
    rmSync(path.dirname(file), { recursive: true });
  }
});

await browser.close();
source.closeAllConnections();
source.close();
await tap.test('the server ends well', () => server.stop());
process.exit(tap.failed ? 1 : 0);
