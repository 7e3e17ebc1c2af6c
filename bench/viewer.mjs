// How many frames a second the page's viewer makes of a large film: node bench/viewer.mjs CXRD [FILM] [CHROMIUM]
// A window of 1440 x 900, 240 frames a case, drawn by the processor: a headless Chromium has no GPU here. Each case has its turn in each of
// three rounds, and so has `nothing`, a page that asks for frames and leaves the film alone: what the machine has to give at that time.
// Without FILM it is noise of 3,000 x 3,000 pixels, and the model is one of a single epoch: neither changes a frame.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startServer } from '../tests/support/server.mjs';
import { drawnFilm } from '../tests/ui/films.mjs';

const FRAMES = 240;
const ROUNDS = 3;
const [cxrd, given, executablePath = '/usr/bin/chromium'] = process.argv.slice(2);
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
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });

const key = (name, shift) => `pane.dispatchEvent(new KeyboardEvent('keydown', { key: ${name}, shiftKey: ${shift}, bubbles: true }))`;
const CASES = {
  nothing: '',
  window: key("i % 2 ? 'ArrowLeft' : 'ArrowRight'", true),
  zoom: "pane.dispatchEvent(new WheelEvent('wheel', { deltaY: i % 120 < 60 ? -20 : 20, clientX: 400, clientY: 400, bubbles: true, cancelable: true }))",
  move: key("i % 40 < 20 ? 'ArrowLeft' : 'ArrowRight'", false),
};

/** Do something in each of so many frames: how long each took to draw, and how long all of them did. */
const measured = (code) => page.evaluate(async ([step, frames]) => {
  const pane = document.querySelector('#pane-current');
  const work = new Function('pane', 'i', step);
  const draws = [];
  const note = ({ detail }) => draws.push(detail);
  pane.querySelector('canvas').addEventListener('drawn', note);
  const frame = () => new Promise((done) => { requestAnimationFrame(done); });
  await frame();
  const begun = performance.now();
  for (let i = 0; i < frames; i += 1) {
    work(pane, i);
    await frame();
  }
  const ms = performance.now() - begun;
  pane.querySelector('canvas').removeEventListener('drawn', note);
  return { draws, ms };
}, [code, FRAMES]);

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
    for (const [name, step] of Object.entries(CASES)) {
      await page.click(name === 'move' ? '#zoom-one' : '#zoom-fit');
      runs[name].push(await measured(step));
    }
  }
  const rates = (name) => runs[name].map(({ ms }) => 1000 * FRAMES / ms);
  for (const name of Object.keys(CASES)) {
    const draws = runs[name].flatMap((run) => run.draws);
    const told = draws.length ? `; to draw one ${median(draws).toFixed(1)} ms in the median, ${Math.min(...draws).toFixed(1)} at least` : '';
    console.log(`${name}, ${map}: ${rates(name).map((rate) => rate.toFixed(1)).join(', ')} frames a second, `
      + `${(median(rates(name)) / median(rates('nothing'))).toFixed(3)} of what nothing has${told}`);
  }
}
await browser.close();
await server.stop();
