// How long the page's viewer takes for a frame of a large film: node bench/viewer.mjs CXRD WEIGHTS FILM [CHROMIUM]
// Medians over 120 frames each in a window of 1440 x 900, drawn by the processor: a headless Chromium has no GPU here.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { startServer } from '../tests/support/server.mjs';

const [cxrd, weights, film, executablePath = '/usr/bin/chromium'] = process.argv.slice(2);
const { chromium } = createRequire(new URL('../tests/ui/', import.meta.url))('playwright-core');
const server = await startServer(cxrd);
const headers = { 'Content-Type': 'application/octet-stream' };
const card = await (await fetch(`${server.url}/models`, { method: 'POST', body: readFileSync(weights), headers })).json();
await fetch(`${server.url}/models/${card.id}/activate`, { method: 'POST' });
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });

const key = (name, shift) => `pane.dispatchEvent(new KeyboardEvent('keydown', { key: ${name}, shiftKey: ${shift}, bubbles: true }))`;
const CASES = {
  window: key("i % 2 ? 'ArrowLeft' : 'ArrowRight'", true),
  zoom: "pane.dispatchEvent(new WheelEvent('wheel', { deltaY: i < 60 ? -20 : 20, clientX: 400, clientY: 400, bubbles: true, cancelable: true }))",
  move: key("i % 40 < 20 ? 'ArrowLeft' : 'ArrowRight'", false),
};

/** Do something 120 times, a frame each: milliseconds to draw one, and from one to the next. */
const measured = (code) => page.evaluate(async (step) => {
  const pane = document.querySelector('#pane-current');
  const work = new Function('pane', 'i', step);
  const [draws, gaps] = [[], []];
  const note = ({ detail }) => draws.push(detail);
  pane.querySelector('canvas').addEventListener('drawn', note);
  for (let i = 0, last = performance.now(); i < 120; i += 1) {
    work(pane, i);
    await new Promise((done) => { requestAnimationFrame(done); });
    gaps.push(performance.now() - last);
    last = performance.now();
  }
  pane.querySelector('canvas').removeEventListener('drawn', note);
  const at = (list, part) => [...list].sort((a, b) => a - b)[Math.floor(list.length * part)].toFixed(1);
  return `draw ${at(draws, 0.5)} ms, least ${at(draws, 0)}; frame to frame ${at(gaps, 0.5)} ms`;
}, code);

await page.goto(server.url);
const { domInteractive } = await page.evaluate(() => performance.getEntriesByType('navigation')[0].toJSON());
console.log(`interactive after ${domInteractive.toFixed(0)} ms`);
await page.setInputFiles('#file', film);
await page.waitForSelector('#prediction:not([hidden])');
await page.waitForFunction(() => /%/.test(document.querySelector('#pane-current .readout').textContent));
console.log(await page.textContent('#pane-current .readout'));
for (const map of ['without a map', 'with a map']) {
  if (map === 'with a map') {
    await page.locator('#findings button').first().click();
    await page.waitForSelector('#map-tools:not([hidden])');
  }
  for (const [name, step] of Object.entries(CASES)) {
    await page.click(name === 'move' ? '#zoom-one' : '#zoom-fit');
    console.log(`${name}, ${map}: ${await measured(step)}`);
  }
}
await browser.close();
await server.stop();
