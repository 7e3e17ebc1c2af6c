// The view of the site, with real hands: a validation becomes a profile, a candidate is looked at, a patient is left out. Called by
// ui.mjs, once there are two trained models, of which one is active.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const FINDING = 'Effusion';
const json = (value, method = 'POST') => ({ method, body: JSON.stringify(value), headers: { 'Content-Type': 'application/json' } });

/** Drawn chests of another site: pictures of other names than those that the models learned from. */
function makeSite(cxrd, folder) {
  execFileSync(cxrd, ['phantom', '--out', folder, '--images', '300', '--size', '64', '--seed', '7', '--rates', 'even'], { stdio: 'ignore' });
  const pictures = path.join(folder, 'images_001', 'images');
  for (const name of readdirSync(pictures)) renameSync(path.join(pictures, name), path.join(pictures, `site${name}`));
  const table = path.join(folder, 'Data_Entry_2017.csv');
  writeFileSync(table, readFileSync(table, 'utf8').replace(/^(\d+_\d+\.png)/gm, 'site$1'));
  return readdirSync(pictures).map((name) => path.join(pictures, name));
}

/** Counts among 1,000 patients, a film of each, at the threshold of at least this sensitivity: one threshold after the other, without sorting. */
function countsAt(rows, label, part) {
  const known = rows.filter((row) => row[`true_${label}`] !== '');
  const patients = new Map();
  for (const { patient } of known) patients.set(patient, (patients.get(patient) ?? 0) + 1);
  const sum = (wanted) => known.filter(wanted).reduce((total, { patient }) => total + 1 / patients.get(patient), 0) * (1000 / patients.size);
  const has = (row) => row[`true_${label}`] === '1';
  const probability = (row) => Number(row[`prob_${label}`]);
  const positives = known.filter(has);
  const reaching = positives.map(probability).filter((t) => positives.filter((row) => probability(row) >= t).length >= part * positives.length - 1e-9);
  const threshold = Math.max(...reaching);
  const have = Math.round(sum(has));
  const found = Math.round(sum((row) => has(row) && probability(row) >= threshold));
  return { threshold, have, found, missed: have - found, lack: 1000 - have, alarms: Math.round(sum((row) => !has(row) && probability(row) >= threshold)) };
}

const rowsOf = (csv) => {
  const [head, ...lines] = csv.trim().split(/\r?\n/).map((line) => line.split(','));
  return lines.map((line) => Object.fromEntries(head.map((name, i) => [name, line[i]])));
};

const words = (label) => label.replaceAll('_', ' ');
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

async function testProfiles(tools, state) {
  const { tap, page, server, api, ended, asked, complaints, assertAccessible, assertFits, shoot, view } = tools;
  const profilesOf = async () => (await api(`/models/${state.model}/profiles`)).profiles;
  const said = (text) => page.waitForFunction((wanted) => document.querySelector('#site-status')?.textContent.includes(wanted), text);

  await tap.test('validations stand beside the training’s own figures', async () => {
    const labels = (await api(`/models/${state.model}`)).labels;
    const { id } = await api('/jobs/validate', json({ dataset: 'site', model: state.model, labels, name: 'our site' }));
    const again = await api('/jobs/validate', json({ dataset: 'phantom', model: state.model, labels, name: 'where it learned' }));
    for (const job of [id, again.id]) while ((await api(`/jobs/${job}`)).state !== 'succeeded') await page.waitForTimeout(200);
    Object.assign(state, { job: id, learned: again.id });
    await page.setViewportSize(WIDE);
    await view('site');
    await page.waitForSelector('#worth-validations tbody tr:nth-child(2)');
    const record = await api(`/jobs/${id}`);
    const card = await api(`/models/${state.model}`);
    const rows = await page.$$eval('#worth-validations tbody tr', (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
    const here = rows.find(([name]) => name === 'our site');
    assert.equal(here[2], 'yes');
    const { macro_auroc: mean, macro_auroc_low: low, macro_auroc_high: high } = record.evaluation.test;
    assert.equal(here[4], `${mean.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`);
    assert.ok(here[5].startsWith(card.metrics.test.macro_auroc.toFixed(3)), here[5]);
    assert.match(rows.find(([name]) => name === 'where it learned')[2], /^no: .*this very table/);
    await assertAccessible('the site');
  });

  await tap.test('a profile is made on the curves, by keys, and its thresholds are those of the slider', async () => {
    await page.focus('#editor summary');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#editor-curves .roc-card');
    assert.equal(await page.inputValue('#editor-source'), state.job, 'the newest of which a profile can be made');
    await page.waitForFunction(() => /300 films of/.test(document.querySelector('#editor-status').textContent));
    await page.focus('#editor-at');
    for (let i = 0; i < 10; i += 1) await page.keyboard.press('ArrowLeft'); // 90 % to 89 %
    assert.equal(await page.textContent('#editor-shown'), '89.0 %');
    const rows = rowsOf(await (await fetch(`${server.url}/jobs/${state.job}/scores?split=all`)).text());
    const right = countsAt(rows, FINDING, 0.89);
    assert.equal(await page.textContent(`.roc-card[data-label=${FINDING}] .counts`),
      `Of 1,000 patients here: ${right.have} have it, ${right.found} found, ${right.missed} missed; ${right.lack} do not, ${right.alarms} called all the same.`);
    assert.equal(await page.getAttribute(`.roc-card[data-label=${FINDING}]`, 'data-threshold'), String(right.threshold));
    await page.focus('.roc-card[data-label=Mass] .own-part');
    await page.keyboard.press('End');
    await page.keyboard.press('PageDown');
    const own = Number(await page.inputValue('.roc-card[data-label=Mass] .own-part')) / 100;
    assert.ok(own > 0.9 && own < 0.999, String(own));
    await page.focus('.roc-card[data-label=Infiltration] .own-part');
    await page.keyboard.press('Home');
    await page.click('.roc-card[data-label=Infiltration] .as-all');
    await shoot('site-editor');
    await assertAccessible('the editor');
    await page.fill('#editor-error_rate', '90');
    await page.fill('#editor-name', 'ward');
    await page.press('#editor-name', 'Enter');
    await page.waitForSelector('#editor-form .wrong[data-field=error_rate] .fault');
    assert.match(complaints.pop(), /422/);
    await page.fill('#editor-error_rate', '10');
    await page.fill('#editor-population', 'drawn chests');
    await page.press('#editor-population', 'Enter');
    await page.waitForFunction(() => /Profile ward/.test(document.querySelector('#profile-title')?.textContent));
    const [profile] = await profilesOf();
    const { operating_point: point, error_rate: rate, findings, population } = profile.profile;
    assert.deepEqual([profile.name, point, rate, population], ['ward', { kind: 'sensitivity', at: 0.89 }, 0.1, 'drawn chests']);
    const chosen = Object.fromEntries(await page.$$eval('.roc-card', (all) => all.map(({ dataset }) => [dataset.label, Number(dataset.threshold)])));
    assert.deepEqual(Object.fromEntries(findings.filter((one) => one.operating_point).map((one) => [one.label, one.operating_point])), { Mass: { kind: 'sensitivity', at: Number(own.toFixed(4)) } });
    const fitted = findings.filter(({ here }) => here);
    assert.ok(fitted.length > 3 && fitted.length < findings.length, 'a finding of either kind');
    for (const { label, threshold, scale, shift } of fitted) {
      const moved = sigmoid(scale * Math.log(chosen[label] / (1 - chosen[label])) + shift);
      assert.ok(Math.abs(moved - threshold) < 1e-5, `${label}: ${moved} ${threshold}`);
    }
    assert.equal(await page.evaluate(() => document.activeElement.id), 'profile-title');
    const limits = await page.$$eval('#profile table tbody tr', (all) => all.map((row) => row.cells[row.cells.length - 1].textContent.match(/[\d.]+(?= %)/g)?.map(Number)));
    assert.ok(limits.some(Boolean));
    for (const pair of limits.filter(Boolean)) assert.ok(pair[0] <= pair[1], `a probability would be absent and present: ${pair}`);
    state.profile = profile;
  });

  await tap.test('a profile is activated, and a prediction says that it is by it', async () => {
    await page.click(`button[aria-label^="Activate ward"]`);
    await said('is in force now');
    assert.match(asked.pop(), /Activate profile ward.*own thresholds hold now.*all answers/);
    assert.equal((await profilesOf())[0].active, true);
    await assertAccessible('the profiles');
    await shoot('site-profiles');
    await view('predict');
    await page.evaluate(() => document.querySelector('#worklist-clear').click());
    await page.setInputFiles('#file', server.picture);
    await page.waitForSelector('#prediction:not([hidden])');
    const answer = await api('/predict', { method: 'POST', body: readFileSync(server.picture) });
    assert.match(await page.textContent('#by-profile'), new RegExp(`profile ${state.profile.id.slice(0, 8)}: sensitivity of 89.0 %, but where a finding says another; verdicts, each wrong at most 10.0 % of the time`));
    const verdicts = await page.$$eval('#findings button', (all) => all.map((button) => [button.dataset.label, button.querySelector('.verdict')?.textContent ?? null]));
    assert.deepEqual(verdicts, answer.findings.map(({ label, verdict }) => [label, verdict]));
    const measured = answer.findings.find(({ fitted_here: here }) => here);
    assert.ok((await page.textContent(`#findings button[data-label="${measured.label}"] .extra`)).includes(`measured here: sensitivity ${(measured.sensitivity * 100).toFixed(1)} %`));
    const own = state.profile.profile.findings.find(({ label }) => label === 'Mass').operating_point;
    const said_ = await page.$$eval('#findings button', (all) => all.filter((button) => /threshold for/.test(button.textContent)).map((button) => [button.dataset.label, button.querySelector('.extra').textContent]));
    assert.deepEqual(said_.map(([label]) => label), ['Mass'], 'the one finding that has a point of its own');
    assert.ok(said_[0][1].includes(`threshold for sensitivity of ${(own.at * 100).toFixed(1)} %`), said_[0][1]);
    await assertAccessible('a prediction by a profile');
    await shoot('site-predict');
    await page.selectOption('#operating', 'youden');
    await page.waitForFunction(() => /thresholds are the model’s/.test(document.querySelector('#by-profile').textContent));
    await page.selectOption('#operating', '');
    await page.waitForFunction(() => /sensitivity of/.test(document.querySelector('#by-profile').textContent));
    await page.click('#by-profile a');
    await page.waitForSelector('#profiles-list tbody tr');
  });

  await tap.test('another one is in force, and a rollback says to what it goes', async () => {
    const second = await api(`/models/${state.model}/profiles`, json({ validation: state.job, operating_point: 'specificity_90', name: 'night' }));
    await view('predict');
    await view('site');
    await page.click('button[aria-label^="Activate night"]');
    await said('night');
    assert.match(asked.pop(), /Activate profile night.*ward.*is in force now/);
    assert.match(await page.textContent('#profiles-rollback'), /^Roll back to ward/);
    await page.click('#profiles-rollback');
    await said('Rolled back: ward');
    assert.match(asked.pop(), /Roll back to ward.*night.*is in force now/);
    assert.deepEqual((await profilesOf()).filter(({ active }) => active).map(({ name }) => name), ['ward']);
    await page.click('#profiles-actions button:text-is("Deactivate")');
    await said('No profile is in force');
    asked.pop();
    assert.equal((await profilesOf()).some(({ active }) => active), false);
    const [file] = await Promise.all([page.waitForEvent('download'), page.click('button[aria-label^="Export night"]')]);
    const exported = JSON.parse(readFileSync(await file.path(), 'utf8'));
    assert.deepEqual(exported.profile, second.profile);
    await page.click('button[aria-label^="Delete night"]');
    await said('is deleted');
    assert.match(asked.pop(), /cannot be brought back/);
    await page.click('#worth-profiles summary:text-is("Take a profile from elsewhere")');
    await page.setInputFiles('#profile-file', { name: 'x.json', mimeType: 'application/json', buffer: Buffer.from('no') });
    await page.waitForFunction(() => /not JSON/.test(document.querySelector('#alert').textContent));
    await page.setInputFiles('#profile-file', { name: 'night.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify(exported)) });
    await said('is kept');
    const [taken] = await profilesOf();
    assert.deepEqual([taken.name, taken.profile], ['night', exported.profile]);
    await page.waitForFunction(() => /Profile night/.test(document.querySelector('#profile-title').textContent));
  });

  await tap.test('a profile is held against other rows', async () => {
    await page.click(`[data-profile="${state.profile.id}"]`);
    await page.waitForFunction(() => /Profile ward/.test(document.querySelector('#profile-title').textContent));
    await page.selectOption('#kept-job', state.learned);
    await page.click('#profile button:text-is("See what it kept")');
    await page.waitForSelector('#profile-kept tbody tr');
    const { findings } = await api(`/profiles/${state.profile.id}/kept?validation=${state.learned}`);
    assert.equal(await page.locator('#profile-kept tbody tr').count(), findings.length);
    const at = findings.findIndex(({ missed }) => missed);
    assert.ok((await page.textContent(`#profile-kept tbody tr:nth-child(${at + 1})`)).includes(`${(findings[at].missed.value * 100).toFixed(1)} %`));
    await assertAccessible('what a profile kept');
  });

  await tap.test('a validation shows what a profile kept, and a training its trial in the shadow', async () => {
    const { labels } = await api(`/models/${state.model}`);
    const { id } = await api('/jobs/validate', json({ dataset: 'site', model: state.model, labels, profile: state.profile.id, name: 'our site again' }));
    while ((await api(`/jobs/${id}`)).state !== 'succeeded') await page.waitForTimeout(200);
    const { kept: [kept] } = await api(`/jobs/${id}`);
    await view('train');
    await page.click(`[data-job="${id}"] button`);
    await ended('succeeded');
    await page.waitForSelector('#job-kept tbody tr');
    assert.match(await page.textContent('#job-kept'), /profile ward.*kept here.*A profile that the request named\. .*wrong at most 10\.0 %.*It was fitted to patients of 300 of these rows/);
    const at = kept.findings.findIndex(({ missed }) => missed);
    assert.ok((await page.textContent(`#job-kept tbody tr:nth-child(${at + 1})`)).includes(`${(kept.findings[at].missed.value * 100).toFixed(1)} %`));
    await assertAccessible('what a validation says of a profile');
    await shoot('site-kept');
    const training = await api(`/jobs/${(await api(`/models/${state.model}`)).job}`);
    const record = new RegExp(`/jobs/${training.id}$`);
    for (const [shadow, told] of [
      [{ state: 'waiting', reason: null, seen: null, ended_at: null }, /waiting until it has looked at 1000 pictures, or /],
      [{ state: 'refused', reason: 'it could not answer 3 of 1000 pictures', seen: 997, ended_at: '2026-11-30T10:00:00.000Z' }, /^refused, .*after 997 of 1000 pictures: it could not answer 3 of 1000 pictures$/],
    ]) {
      const promotion = { ...training.promotion, promote: 'after_shadow', shadow: { since: training.finished_at, until: '2026-12-30T10:00:00.000Z', pictures: 1000, max_discordance: 0.25, ...shadow } };
      await page.route(record, (route) => route.fulfill({ json: { ...training, promotion } }));
      await page.click(`[data-job="${id}"] button`);
      await page.click(`[data-job="${training.id}"] button`);
      await page.waitForFunction((wanted) => document.querySelector('#job-facts').textContent.includes(wanted), 'Trial in the shadow');
      const facts = await page.$$eval('#job-facts dt', (all) => Object.fromEntries(all.map((dt) => [dt.textContent, dt.nextElementSibling.textContent])));
      assert.match(facts['Trial in the shadow'], told);
      await page.unroute(record);
    }
  });

  await tap.test('of pictures that the model has learned from no profile can be made', async () => {
    await view('train');
    await page.click(`[data-job="${state.learned}"] button`);
    await ended('succeeded');
    await page.click('#job-facts a:text-is("Make a profile of it")');
    await page.waitForFunction(() => /No profile can be made of it/.test(document.querySelector('#editor-status')?.textContent));
    assert.equal(await page.inputValue('#editor-source'), state.learned);
    assert.equal(await page.isVisible('#editor-form'), false);
    await page.selectOption('#editor-source', state.job);
    await page.waitForSelector('#editor-form:not([hidden])');
    await page.selectOption('#editor-kind', 'youden');
    assert.equal(await page.isVisible('#editor-at'), false);
    await page.setViewportSize(PHONE);
    await assertFits(page, 'the site');
    await shoot('site-phone');
    await page.setViewportSize(WIDE);
  });
}

async function testCandidates({ tap, page, server, api, asked, assertAccessible, assertFits, shoot, view }, state) {
  const part = (name) => page.click(`.parts a[href="#site/${name}"]`);
  const said = (text) => page.waitForFunction((wanted) => document.querySelector('#site-status')?.textContent.includes(wanted), text);

  await tap.test('a candidate looks at the pictures of the model that answers', async () => {
    const { models, active } = await api('/models');
    const labels = models.find(({ id }) => id === active).labels.join();
    state.candidate = models.find(({ id, labels: own }) => id !== active && own.join() === labels).id;
    await part('shadow');
    await page.waitForSelector('#shadow-model');
    await page.selectOption('#shadow-model', state.candidate);
    await page.focus('#shadow-begin');
    await page.keyboard.press('Enter');
    await said('is in the shadow');
    assert.equal((await api('/models')).shadow, state.candidate);
    await api(`/profiles/${state.profile.id}/activate`, { method: 'POST' }); // so that there are verdicts, of however few test rows
    state.predictions = [];
    for (const [i, file] of state.pictures.slice(0, 12).entries()) {
      const before = (await api(`/models/${state.candidate}/shadow`)).pictures;
      state.predictions.push(await api(`/predict?case=c${i}`, { method: 'POST', body: readFileSync(file) }));
      while ((await api(`/models/${state.candidate}/shadow`)).pictures === before) await page.waitForTimeout(100);
    }
    for (const [i, { prediction_id: id, findings }] of state.predictions.entries()) {
      const told = Object.fromEntries(findings.slice(0, 8).map(({ label }, k) => [label, (i + k) % 3 ? 'absent' : 'present']));
      await api(`/predictions/${id}/feedback`, json({ reader: 'r1', findings: told }));
    }
    await page.waitForFunction(() => /Pictures that both scored12/.test(document.querySelector('#shadow-figures').textContent)); // by itself
    const s = await api(`/models/${state.candidate}/shadow`);
    await page.waitForFunction(() => document.querySelector('#shadow-figures').textContent.includes('By what readers say'));
    assert.match(await page.textContent('#shadow-figures'), /Tested by plan, at 250, 500, 1,000 and 2,000 pictures\. The next test is at 250 pictures\./);
    const shown = await page.$$eval('#shadow-figures table', ([table]) => [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent)));
    assert.deepEqual(shown.map(([name, , , active_, candidate]) => [name, active_, candidate]), s.findings.map((one) => [words(one.label), String(one.only_active), String(one.only_candidate)]));
    const signed = (value) => value.toFixed(3).replace('-', '−');
    assert.ok(shown[0][6].startsWith(signed(s.findings[0].shift)), shown[0][6]);
    assert.match(await page.textContent('#shadow-figures'), /not told apart.*at sensitivity, by profile [0-9a-f]{8}\./);
    await assertAccessible('the board');
    await shoot('site-shadow');
  });

  await tap.test('on a phone the board is short, and a row of it is unfolded and stays so', async () => {
    await page.setViewportSize(PHONE);
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    assert.ok(height < 3600, `${height} px for two tables of 14 findings`);
    const row = page.locator('#shadow-figures tbody tr').first();
    assert.deepEqual(await row.locator('td').evaluateAll((cells) => cells.map((cell) => cell.checkVisibility())), [false, true, false, false, false, false, false]);
    await row.locator('.unfold').click();
    assert.ok((await row.locator('td').evaluateAll((cells) => cells.map((cell) => cell.checkVisibility()))).every(Boolean));
    await assertFits(page, 'the board');
    await assertAccessible('the board on a phone');
    await shoot('site-shadow-phone');
    const made = await page.$('#shadow-figures table');
    await page.evaluate(() => document.activeElement.blur()); // what is looked at is not made anew
    await page.waitForFunction((before) => !before.isConnected && document.querySelector('#shadow-figures table'), made);
    assert.equal(await row.getAttribute('class'), 'brief whole');
    await page.emulateMedia({ colorScheme: 'dark' });
    await shoot('site-shadow-phone-dark');
    await page.emulateMedia({ colorScheme: null });
    await page.setViewportSize(WIDE);
    assert.equal(await row.locator('.unfold').isVisible(), false);
  });

  await tap.test('a canary answers its share, and why it was taken back is told', async () => {
    await page.selectOption('#canary-model', state.candidate);
    await page.fill('#canary-share', '60');
    await page.click('#canary-set');
    assert.equal(asked.length, 0, 'more than a half is not asked for');
    await page.fill('#canary-share', '12.5');
    await page.click('#canary-set');
    await said('answers 12.5 % of the requests');
    assert.match(asked.pop(), /answer 12.5 % of the requests in place of/);
    assert.equal((await api(`/models/${state.candidate}/canary`)).share, 0.125);
    const back = { ...await api(`/models/${state.candidate}/canary`), state: 'taken back', reason: 'its input gate warned of 12 of 100 pictures' };
    await page.route(/\/canary$/, (route) => (route.request().method() === 'GET' ? route.fulfill({ json: back }) : route.continue()));
    await page.waitForFunction(() => /taken back by itself: its input gate warned/.test(document.querySelector('#canary-figures').textContent));
    await page.unroute(/\/canary$/);
    await page.setViewportSize(PHONE);
    await assertFits(page, 'the board');
    await page.setViewportSize(WIDE);
    let held = null; // figures that were asked for, and come when there is no canary any more
    await page.route(/\/canary$/, (route) => { if (route.request().method() === 'GET') held = route; else route.continue(); });
    for (let i = 0; !held; i++) { assert.ok(i < 600, 'no figures were asked for'); await page.waitForTimeout(100); }
    await page.click('button:text-is("End the canary")');
    await said('no canary');
    await held.fulfill({ json: back });
    await page.unroute(/\/canary$/);
    await page.waitForFunction(() => !document.querySelector('#canary-figures'));
    assert.equal(await page.isVisible('#alert'), false);
    await page.click('button:text-is("End the shadow")');
    await said('No model is in the shadow');
    assert.equal(asked.length, 2);
    asked.length = 0;
    const { shadow, canary } = await api('/models');
    assert.deepEqual([shadow, canary], [null, null]);
  });

  await tap.test('what readers say and what has drifted is told', async () => {
    await part('live');
    await page.waitForSelector('#site-live tbody tr');
    const { models } = await api('/feedback/summary');
    const which = models.findIndex(({ findings }) => findings.some(({ sensitivity }) => sensitivity !== null)); // the candidate has no verdicts
    const one = models[which];
    const rows = await page.$$eval('#site-live table', (tables, i) => [...tables[i].tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.textContent)), which);
    const spoken = one.findings.filter(({ present, absent }) => present + absent);
    assert.deepEqual(rows.map(([name, present, absent]) => [name, present, absent]), spoken.map((f) => [words(f.label), String(f.present), String(f.absent)]));
    const measured = spoken.findIndex(({ sensitivity }) => sensitivity !== null);
    assert.ok(rows[measured][4].startsWith(`${(spoken[measured].sensitivity * 100).toFixed(1)} %`), rows[measured][4]);
    assert.match(await page.textContent('#site-live'), /Not looked at yet|does not say/);
    const contract = await api('/ui/openapi.json');
    const { value } = contract.paths['/drift'].get.responses['200'].content['application/json'].examples.van;
    await page.route(/\/drift$/, (route) => route.fulfill({ json: value }));
    await view('predict');
    await page.evaluate(() => { location.hash = 'site/live'; });
    await page.waitForSelector('#drift-raised li');
    assert.match(await page.textContent('#drift-raised'), /scores of Effusion have moved, among caller’s key van: p 8\.0e-10/);
    await assertAccessible('readers and drift');
    await shoot('site-live');
    await page.setViewportSize(PHONE);
    await assertFits(page, 'readers and drift');
    await page.setViewportSize(WIDE);
    await page.unroute(/\/drift$/);
    await api(`/profiles/${state.profile.id}/deactivate`, { method: 'POST' });
  });
}

async function testForget({ tap, page, api, asked, complaints, assertAccessible, assertFits, shoot }, state) {
  await tap.test('a patient is left out, and who had the rows is told', async () => {
    await page.click('.parts a[href="#site/patients"]');
    await page.waitForSelector('#forget-form');
    await page.fill('#forget-dataset', 'phantom');
    await page.fill('#forget-patient', '');
    await page.press('#forget-patient', 'Enter');
    await page.waitForSelector('#forget-form .wrong[data-field=patient_id] .fault');
    assert.match(complaints.pop(), /422/);
    asked.length = 0;
    await page.fill('#forget-patient', '1');
    await page.press('#forget-patient', 'Enter');
    await page.waitForFunction(() => /Left out of phantom/.test(document.querySelector('#forget-said')?.textContent));
    assert.match(asked.pop(), /every later job on phantom.*cannot be taken back/);
    assert.equal(await page.inputValue('#forget-patient'), '');
    const told = await api('/patients/forget', json({ dataset: 'phantom', patient_id: '1' }));
    assert.ok(told.jobs.length > 0 && !told.new);
    const shown = await page.$$eval('#forget-result table', ([table]) => [...table.tBodies[0].rows].map((row) => row.querySelector('a').getAttribute('href').split('/')[1]));
    assert.deepEqual(shown, told.jobs.map(({ id }) => id));
    assert.match(await page.textContent('#forgotten'), /phantom1/);
    assert.equal(await page.evaluate(() => document.activeElement.id), 'forget-said');
    await assertAccessible('a patient who is left out');
    await shoot('site-patients');
    await page.setViewportSize(PHONE);
    await assertFits(page, 'patients');
    await page.setViewportSize(WIDE);
    await api(`/models/${state.model}`);
  });
}

/** All of it; leaves the models as they were. */
export async function testSite(tools) {
  const { server, cxrd, api } = tools;
  const folder = path.join(server.folder, 'datasets', 'site');
  mkdirSync(path.dirname(folder), { recursive: true });
  const state = { pictures: makeSite(cxrd, folder), model: (await api('/models')).active };
  await testProfiles(tools, state);
  await testCandidates(tools, state);
  await testForget(tools, state);
}
