// How many frames a second the page's viewer makes of a large film, and what a frame costs: node bench/viewer.mjs CXRD [WIDTH HEIGHT [FILM]]
// A window of 1440 x 900 or what is said, drawn by the processor: a headless Chromium has no GPU here. The wheel and the drags are the browser's own events
// of a mouse, one a frame; keys are made in the page. Each case has its turn in each of three rounds of 240 frames, and so has `nothing`, a
// page that asks for frames and leaves the film alone: what the machine has to give at that time. A frame is late where more than 25 ms have
// passed since the one before, so that one of 60 a second was left out. The processor's time is that of the page's main thread, which beside
// other work is the same: a frame of 60 a second has 16.7 ms.
// Without FILM it is noise of 3,000 x 3,000 pixels, and the model is one of a single epoch: neither changes a frame.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startServer } from '../tests/support/server.mjs';
import { drawnFilm } from '../tests/ui/films.mjs';

const FRAMES = 240;
const ROUNDS = 3;
const [cxrd, width = 1440, height = 900, given] = process.argv.slice(2);
const { chromium } = createRequire(new URL('../tests/ui/', import.meta.url))('playwright-core');

async function trainOne({ url }) {
  const job = { dataset: 'phantom', epochs: 1, steps_per_epoch: 1, image_size: 64 };
  const { id } = await (await fetch(`${url}/jobs/train`, { method: 'POST', body: JSON.stringify(job), headers: { 'Content-Type': 'application/json' } })).json();
  for (;;) {
    const { state, error } = await (await fetch(`${url}/jobs/${id}`)).json();
    if (state === 'succeeded') return;
    if (error) throw new Error(error);
    await new Promise((done) => { setTimeout(done, 200); });
  }
}

const server = await startServer(cxrd);
await trainOne(server);
const film = given ?? path.join(mkdtempSync(path.join(tmpdir(), 'cxrd-film-')), 'film.png');
if (!given) writeFileSync(film, drawnFilm('picture.noise(1, 3000, 3000)'));
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
const page = await browser.newPage({ viewport: { width: Number(width), height: Number(height) } });

const cdp = await page.context().newCDPSession(page);
await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });

/** The processor's seconds of the page's main thread: {TaskDuration, ScriptDuration, …}. */
async function spent() {
  const { metrics } = await cdp.send('Performance.getMetrics');
  return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
}

const key = (name, shift) => `pane.dispatchEvent(new KeyboardEvent('keydown', { key: ${name}, shiftKey: ${shift}, bubbles: true }))`;
const around = (i, [x, y]) => [x + 120 * Math.sin(i / 20), y + 90 * Math.cos(i / 20)];
async function drag(frames, middle) {
  await page.mouse.move(...around(0, middle));
  await page.mouse.down();
  await frames((i) => page.mouse.move(...around(i, middle)));
  await page.mouse.up();
}
const inPage = (step) => (frames) => frames(step);
// What is done in each frame, by the page's own code or by the mouse; and the buttons that come before.
const CASES = {
  nothing: { does: inPage('') },
  'window by keys': { does: inPage(key("i % 2 ? 'ArrowLeft' : 'ArrowRight'", true)) },
  'window by a drag': { does: drag, before: ['#tool-window'] },
  'zoom by the wheel': { does: (frames) => frames((i) => page.mouse.wheel(0, i % 120 < 60 ? -20 : 20)) },
  'move by keys, one to one': { does: inPage(key("i % 40 < 20 ? 'ArrowLeft' : 'ArrowRight'", false)), before: ['#zoom-one'] },
  'move by a drag, one to one': { does: drag, before: ['#zoom-one', '#tool-pan'] },
};

/** Count the page's frames from now on, with what a step does in each of them. */
const begin = (step) => page.evaluate((code) => {
  const pane = document.querySelector('#pane-current');
  const work = new Function('pane', 'i', code);
  const run = { at: [], draws: [], going: true };
  pane.querySelector('canvas').addEventListener('drawn', ({ detail }) => { if (run.going) run.draws.push(detail); });
  const frame = (now) => {
    if (!run.going) return;
    run.at.push(now);
    work(pane, run.at.length);
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  globalThis.run = run;
}, step);

/** So many frames, or events of the mouse: how far apart they were, how long each took to draw, and the processor's time. */
async function measured({ does }, middle) {
  let before;
  await page.mouse.move(...middle);
  await does(async (step) => {
    const byMouse = typeof step === 'function';
    before = await spent();
    await begin(byMouse ? '' : step);
    for (let i = 0; byMouse && i < FRAMES; i += 1) await step(i);
    await page.waitForFunction((n) => globalThis.run.at.length > n, byMouse ? 0 : FRAMES);
  }, middle);
  const run = await page.evaluate(() => Object.assign(globalThis.run, { going: false }));
  const after = await spent();
  const gaps = run.at.slice(1).map((at, i) => at - run.at[i]);
  return { ...run, gaps, cost: (name) => 1000 * (after[name] - before[name]) / run.at.length };
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

await page.goto(server.url);
await page.setInputFiles('#file', film);
await page.waitForSelector('#prediction:not([hidden])');
await page.waitForFunction(() => /%/.test(document.querySelector('#pane-current .readout').textContent));
const canvas = await page.$eval('#pane-current canvas', ({ width, height }) => `${width} x ${height}`);
console.log(`${await page.textContent('#pane-current .readout')} in a canvas of ${canvas}`);
for (const map of ['without a map', 'with a map']) {
  if (map === 'with a map') {
    await page.locator('#findings button').first().click();
    await page.waitForSelector('#map-tools:not([hidden])');
  }
  const runs = Object.fromEntries(Object.keys(CASES).map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, one] of Object.entries(CASES)) {
      for (const button of ['#zoom-fit', ...one.before ?? []]) await page.click(button);
      const box = await page.locator('#pane-current').boundingBox();
      runs[name].push(await measured(one, [box.x + box.width / 2, box.y + box.height / 2]));
    }
  }
  for (const [name, all] of Object.entries(runs)) {
    const gaps = all.flatMap((run) => run.gaps);
    const draws = all.flatMap((run) => run.draws);
    const told = draws.length ? `; to draw one ${median(draws).toFixed(1)} ms, at least ${Math.min(...draws).toFixed(1)}` : '';
    const cost = (what) => Math.min(...all.map((run) => run.cost(what))).toFixed(1);
    console.log(`${name}, ${map}: ${all.map((run) => (1000 * run.gaps.length / run.gaps.reduce((sum, gap) => sum + gap)).toFixed(1)).join(', ')} frames a second, `
      + `${(100 * gaps.filter((gap) => gap > 25).length / gaps.length).toFixed(1)} % late; processor a frame ${cost('TaskDuration')} ms, of it script ${cost('ScriptDuration')}${told}`);
  }
}
await browser.close();
await server.stop();
