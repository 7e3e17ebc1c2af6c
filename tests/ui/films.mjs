// The view that predicts, with real hands: films in a viewer, many of them in a list. Called by ui.mjs, once a model is active.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };
const BUSY = { status: 503, headers: { 'Retry-After': '1' }, contentType: 'application/problem+json', body: '{"detail":"busy"}' };

/** A file that an expression of Python makes with tests/http/support; `rows` are 16 x 16 greys. */
export const drawnFilm = (expression) => execFileSync('python3', ['-c', `import sys; sys.path.insert(0, sys.argv[1])
from support import dicom, jpeg, picture
rows = [[(9 * x + 5 * y) % 256 for x in range(16)] for y in range(16)]
sys.stdout.buffer.write(${expression})`, fileURLToPath(new URL('../http', import.meta.url))], { maxBuffer: 1 << 26 });

const png = (name, buffer) => ({ name, mimeType: 'image/png', buffer });

/** A film is seen: its pixels have come, and two frames have been drawn since. */
const seen = (page, pane = '#pane-current') => page.waitForFunction((id) => /%/.test(document.querySelector(`${id} .readout`).textContent), pane)
  .then(() => page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); })));

const zoomOf = (page, pane = '#pane-current') => page.$eval(`${pane} .readout`, ({ textContent }) => Number(/([\d]+) %/.exec(textContent)[1]));
const settled = (page) => page.evaluate(() => new Promise((done) => { requestAnimationFrame(() => requestAnimationFrame(done)); }));
/** The RGBA of a square of what the viewer shows, whose middle is at these parts of it; from a copy, since canvases that are drawn on are slow to read. */
const pixelsAt = (page, x, y, side = 1) => page.$eval('#pane-current canvas', async (canvas, [at, down, n]) => {
  const paper = new OffscreenCanvas(n, n).getContext('2d', { willReadFrequently: true });
  paper.drawImage(await createImageBitmap(canvas), -Math.round(at * canvas.width - n / 2), -Math.round(down * canvas.height - n / 2));
  return [...paper.getImageData(0, 0, n, n).data];
}, [x, y, side]);

const empty = (page) => page.evaluate(() => document.querySelector('#worklist-clear').click());

async function testViewer({ tap, page, server, assertAccessible, shoot }) {
  await tap.test('the map on the page is that of the PNG, pixel by pixel', async () => {
    await page.setViewportSize(WIDE);
    await page.setInputFiles('#file', png('noise.png', drawnFilm('picture.noise(3, 512, 512)')));
    await page.waitForSelector('#prediction:not([hidden])');
    await seen(page);
    const film = drawnFilm('picture.noise(3, 512, 512)');
    const { findings } = await (await fetch(`${server.url}/predict`, { method: 'POST', body: film })).json();
    const maps = await Promise.all(findings.map(async ({ label }) => (await (await fetch(`${server.url}/predict?explain=${label}`, { method: 'POST', body: film })).json()).explanation));
    const loudest = (map) => Math.max(...map.grid.flat().map(Math.abs));
    const explanation = maps.reduce((a, b) => (loudest(b) > loudest(a) ? b : a));
    const { label } = explanation;
    await page.click(`#findings button[data-label="${label}"]`);
    await page.waitForSelector('#map-tools:not([hidden])');
    await page.click('#zoom-one');
    await settled(page);
    const reply = await fetch(`${server.url}/predict/heatmap?label=${label}`, { method: 'POST', body: film });
    const drawn = Buffer.from(await reply.arrayBuffer()).toString('base64');
    const { most, coloured } = await page.evaluate(async (base64) => {
      const paper = () => new OffscreenCanvas(512, 512).getContext('2d', { willReadFrequently: true });
      const canvas = document.querySelector('#pane-current canvas');
      const [answer, shown] = [paper(), paper()];
      answer.drawImage(await createImageBitmap(new Blob([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], { type: 'image/png' })), 0, 0);
      shown.drawImage(await createImageBitmap(canvas), -Math.round(canvas.width / 2 - 256), -Math.round(canvas.height / 2 - 256));
      const [wanted, got] = [answer, shown].map((context) => context.getImageData(0, 0, 512, 512).data);
      return { most: got.reduce((apart, v, i) => Math.max(apart, Math.abs(v - wanted[i])), 0),
        coloured: got.filter((_, i) => i % 4 === 0 && Math.abs(wanted[i] - wanted[i + 2]) > 4).length };
    }, drawn);
    assert.ok(coloured > 100, `${coloured} pixels have a colour`);
    assert.ok(most <= 3, `${most} of 255 apart`);
    assert.equal(await page.textContent('#map-most'), `+${explanation.scale.full.toFixed(2)}`);
  });

  await tap.test('film and findings fit together', async () => {
    await page.click('#zoom-fit');
    await page.evaluate(() => scrollTo(0, 0));
    for (const part of ['#pane-current', '#findings', '#map-tools']) {
      const box = await page.locator(part).boundingBox();
      assert.ok(box.y >= 0 && box.y + box.height <= WIDE.height, `${part} ends at ${box.y + box.height}`);
    }
    assert.match(await page.textContent('#pane-current .side'), /patient’s right/);
  });

  await tap.test('the wheel zooms about the pointer', async () => {
    const box = await page.locator('#pane-current').boundingBox();
    const [x, y] = [box.x + box.width * 0.45, box.y + box.height * 0.4];
    const under = async () => {
      await settled(page);
      return (await page.textContent('#pane-current .readout')).match(/at (\d+), (\d+)/).slice(1).map(Number);
    };
    await page.mouse.move(x, y);
    const [before, zoom] = [await under(), await zoomOf(page)];
    await page.mouse.wheel(0, -300);
    await page.mouse.move(x + 0.01, y);
    const after = await under();
    assert.ok(await zoomOf(page) > 1.8 * zoom);
    before.forEach((at, i) => assert.ok(Math.abs(at - after[i]) <= 1, `${before} became ${after}`));
    await page.mouse.dblclick(x, y);
    await settled(page);
    assert.equal(await zoomOf(page), zoom); // the whole again
    await page.mouse.dblclick(x, y);
    await settled(page);
    assert.equal(await zoomOf(page), 100);
  });

  await tap.test('on a large screen what moves is drawn coarser, and all of its dots once it is still', async () => {
    await page.setViewportSize({ width: 2560, height: 1440 });
    await page.$eval('#pane-current canvas', (canvas) => {
      canvas.drawn = [];
      canvas.addEventListener('drawn', () => canvas.drawn.push(canvas.width * canvas.height));
    });
    const box = await page.locator('#pane-current').boundingBox();
    const all = Math.round(box.width) * Math.round(box.height);
    assert.ok(all > 1.2e6, `${all} pixels`);
    const drawn = () => page.$eval('#pane-current canvas', (canvas) => canvas.drawn);
    await page.waitForFunction((n) => { const { width, height } = document.querySelector('#pane-current canvas'); return width * height > 0.98 * n; }, all);
    await page.$eval('#pane-current canvas', (canvas) => { canvas.drawn = []; });
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.wheel(0, -100);
    await page.waitForFunction((n) => document.querySelector('#pane-current canvas').drawn.at(-1) > 0.98 * n, all);
    assert.ok((await drawn())[0] <= 7.1e5, `${await drawn()}`);
    await page.setViewportSize(WIDE);
    await page.keyboard.press('0');
  });

  await tap.test('a click on the row of the film that is shown leaves it as it is', async () => {
    await page.click('#zoom-in');
    await settled(page);
    const before = await page.textContent('#pane-current .readout');
    await page.click('#worklist-table tr.shown .open');
    await settled(page);
    assert.equal(await page.textContent('#pane-current .readout'), before);
  });

  await tap.test('dragging moves the film, and windows it', async () => {
    await page.click('#zoom-fit');
    await page.click('#zoom-in');
    await page.click('#map-off');
    const box = await page.locator('#pane-current').boundingBox();
    const drag = async (dx, dy) => {
      await page.mouse.move(box.x + 200, box.y + 200);
      await page.mouse.down();
      await page.mouse.move(box.x + 200 + dx, box.y + 200 + dy, { steps: 4 });
      await page.mouse.up();
      await settled(page);
    };
    const values = () => page.$$eval('#window-width, #window-level', (all) => all.map(({ value }) => Number(value)));
    const before = await pixelsAt(page, 0.5, 0.5);
    await drag(40, 30);
    assert.notDeepEqual(await pixelsAt(page, 0.5, 0.5), before);
    assert.deepEqual(await values(), [255, 128]);
    await page.click('#zoom-fit');
    await page.click('#tool-window');
    await drag(-150, 60);
    const [width, level] = await values();
    assert.ok(width < 250 && level > 130, `${width}, ${level}`);
    await page.click('#window-reset');
    assert.deepEqual(await values(), [255, 128]);
    await page.fill('#window-width', '1');
    await page.fill('#window-level', '128');
    await settled(page);
    assert.ok([0, 255].includes((await pixelsAt(page, 0.5, 0.5))[0]));
    await page.click('#window-reset');
    await settled(page);
    const plain = await pixelsAt(page, 0.5, 0.5);
    await page.click('#invert');
    await settled(page);
    assert.deepEqual(await pixelsAt(page, 0.5, 0.5), [...plain.slice(0, 3).map((v) => 255 - v), 255]);
    await page.click('#window-reset');
    await page.click('#tool-pan');
  });

  await tap.test('everything can be done by keys alone', async () => {
    await page.evaluate(() => document.activeElement.blur());
    for (let i = 0; i < 80 && await page.evaluate(() => document.activeElement.id) !== 'pane-current'; i += 1) await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'pane-current');
    const state = async () => {
      await settled(page);
      return JSON.stringify([await page.textContent('#pane-current .readout'), await page.$$eval('#window-width, #window-level', (all) => all.map(({ value }) => value)),
        await page.$$eval('.toolbar [aria-pressed]', (all) => all.map((button) => button.getAttribute('aria-pressed'))), await pixelsAt(page, 0.5, 0.5, 16)]);
    };
    for (const key of ['+', 'ArrowLeft', 'ArrowUp', 'Shift+ArrowLeft', 'Shift+ArrowDown', 'i', 'r', 't', 't', '1', '-', '0']) {
      const before = await state();
      await page.keyboard.press(key);
      assert.notEqual(await state(), before, `${key} does nothing`);
    }
    await page.keyboard.press('m');
    await page.waitForSelector('#map-toggle[aria-pressed=true]');
    await page.keyboard.press('m');
    await page.waitForSelector('#map-toggle[aria-pressed=false]');
    const isFull = () => page.evaluate(() => document.fullscreenElement?.id === 'viewing');
    for (const wanted of [true, false]) {
      while (await isFull() !== wanted) { // a busy browser may drop a request; then a person presses again
        await page.keyboard.press('f');
        await page.waitForFunction((full) => (document.fullscreenElement?.id === 'viewing') === full, wanted, { timeout: 20000 }).catch(() => {});
      }
    }
    await page.keyboard.press('h');
    await page.waitForSelector('#keys[open]');
    assert.match(await page.textContent('#keys'), /map on and off/);
    await assertAccessible('the help');
    await page.keyboard.press('Escape');
    assert.equal(await page.isVisible('#keys'), false);
    await shoot('viewer');
  });
}

async function testFormats({ tap, page, assertAccessible, shoot }) {
  /** The grey of a film of `rows`, as the viewer has it at a square's centre. */
  const greyShown = async (square) => {
    const box = await page.locator('#pane-current').boundingBox();
    const side = Math.min(box.width, box.height);
    await page.mouse.move(box.x + box.width / 2 + side * ((square + 0.5) / 16 - 0.5), box.y + box.height / 2 + side * (0.5 / 16 - 0.5));
    await settled(page);
    return Number((await page.textContent('#pane-current .readout')).match(/grey (\d+)/)[1]);
  };

  for (const [kind, file, facts] of [
    ['JPEG', { name: 'film.jpg', mimeType: 'image/jpeg', buffer: drawnFilm('jpeg.squares(rows)') }, /FileJPEG/],
    ['DICOM', { name: 'film.dcm', mimeType: '', buffer: drawnFilm('dicom.film(jpeg.pixels(rows), preamble=False, LossyImageCompression="01")') },
      /FileDICOM: DX, CHEST, PA; greys as they are/],
  ]) {
    await tap.test(`of a ${kind} file the server's own greys are shown`, async () => {
      await page.setInputFiles('#file', file);
      await page.waitForFunction((name) => document.querySelector('#pane-current .tag').textContent === name
        && !document.querySelector('#prediction').hidden, file.name);
      await seen(page);
      assert.match(await page.textContent('#facts'), facts);
      for (const square of [0, 3, 7]) assert.ok(Math.abs(await greyShown(square) - 9 * square) <= 3, `square ${square}`);
      await page.locator('#findings button').first().click();
      await page.waitForSelector('#map-tools:not([hidden])');
      assert.equal(await page.getAttribute('#pane-current canvas', 'data-map'), 'on');
      await shoot(kind.toLowerCase());
      await assertAccessible(`a ${kind} file`);
      await page.click('#map-off');
      assert.equal(await page.getAttribute('#pane-current canvas', 'data-map'), 'off');
    });
  }
}

async function testWorklist({ tap, page, server, complaints, assertAccessible, shoot }) {
  await tap.test('twenty films, one of them broken: the list goes on', async () => {
    await empty(page);
    const broken = png('07 broken.png', readFileSync(server.picture).subarray(0, 900));
    const files = Array.from({ length: 20 }, (_, i) => (i === 6 ? broken
      : png(`${String(i + 1).padStart(2, '0')} film.png`, drawnFilm(`picture.noise(${i + 1}, 96, 80)`))));
    let refusals = 0; // of a server that is busy
    await page.route(/\/predict$/, (route) => {
      refusals += 1;
      return refusals === 3 ? route.fulfill(BUSY)
        : route.continue();
    });
    await page.setInputFiles('#file', files);
    await page.waitForFunction(() => /19 answered, 1 refused\.$/.test(document.querySelector('#worklist-status').textContent));
    await page.unroute(/\/predict$/);
    assert.equal(refusals, 21); // one was asked again
    assert.equal(await page.locator('#worklist-table tbody tr').count(), 20);
    assert.match(await page.locator('#worklist-table tr[data-state=failed]').textContent(), /07 broken\.png.*refused.*broken PNG/);
    await page.waitForFunction(() => document.querySelectorAll('#worklist-table .open img').length === 19);
    await page.$$eval('#worklist-table .open img', (all) => all.forEach((img) => { if (!img.naturalWidth) throw new Error('a broken thumbnail'); }));
    assert.match(await page.textContent('#worklist'), /a reload loses it/);
    assert.deepEqual(complaints.map((text) => /\b(400|503)\b/.exec(text)[0]).sort(), ['400', '503']);
    complaints.length = 0;
    await page.evaluate(() => scrollTo(0, 0));
    await shoot('worklist');
    await assertAccessible('the worklist');
    const chips = await page.$$eval('#worklist-table tr.shown .chip', (all) => all.map(({ textContent, classList }) => [textContent.match(/^[^\d<>]*/)[0].trim(), classList.contains('doubtful')]));
    assert.equal(chips.length, 3);
    const labels = await page.$$eval('#findings .label', (all) => all.map(({ textContent }) => textContent));
    const doubts = await page.$$eval('#findings button', (all) => all.map((button) => button.classList.contains('doubtful')));
    for (const [name, doubtful] of chips) assert.equal(doubtful, doubts[labels.indexOf(name)], name);
  });

  await tap.test('a film that is refused has a sentence in place of its picture', async () => {
    const instead = () => page.textContent('#pane-current .instead');
    assert.equal(await instead(), '');
    await page.click('#worklist-table tr[data-state=failed] .open');
    await page.waitForFunction(() => /server cannot read this file/.test(document.querySelector('#pane-current .instead').textContent));
    assert.match(await page.textContent('#pane-current .tag'), /07 broken/);
    await page.setViewportSize(PHONE);
    await page.locator('#worklist-table tr[data-state=done] .open').last().click();
    await page.locator('#worklist-table tr[data-state=failed] .open').click();
    await page.waitForSelector('#alert:not([hidden])');
    const [alert, head] = await page.$$eval('#alert, header', (all) => all.sort((a) => (a.id ? -1 : 1)).map((one) => one.getBoundingClientRect()));
    assert.ok(alert.top >= head.bottom && alert.bottom <= PHONE.height, `the sentence is at ${alert.top} to ${alert.bottom}, the head ends at ${head.bottom}`);
    await page.setViewportSize(WIDE);
    await page.locator('#worklist-table tr[data-state=done] .open').first().click();
    await seen(page);
    assert.equal(await instead(), '');
  });

  await tap.test('the list is sorted by what is clicked', async () => {
    const label = await page.$eval('#worklist-finding', (select) => select.options[3].value);
    await page.selectOption('#worklist-finding', label);
    const shown = await page.$$eval('#worklist-table tbody tr', (all) => all.map((row) => [Number(row.dataset.film), parseFloat(row.querySelector('.chip')?.textContent.match(/[\d.]+ %/)[0] ?? '-1')]));
    const values = shown.map(([, value]) => value);
    assert.deepEqual(values, [...values].sort((a, b) => b - a));
    assert.equal(await page.getAttribute('th[data-by=finding]', 'aria-sort'), 'descending');
    await page.click('th[data-by=name] button');
    assert.match(await page.locator('#worklist-table tbody tr').first().textContent(), /^01 film/);
    await page.click('th[data-by=name] button');
    assert.match(await page.locator('#worklist-table tbody tr').first().textContent(), /^20 film/);
    await page.click('th[data-by=name] button');
    await page.selectOption('#worklist-finding', '');
  });

  await tap.test('two films are compared, and zoom together', async () => {
    await page.locator('#worklist-table tbody tr').nth(4).locator('.open').click();
    await page.waitForFunction(() => /^05/.test(document.querySelector('#pane-current .tag').textContent));
    await page.locator('#worklist-table tbody tr').nth(1).locator('button[aria-label^=Compare]').click();
    await page.waitForSelector('#pane-prior:not([hidden])');
    await seen(page, '#pane-prior');
    await seen(page);
    assert.equal(await page.textContent('#pane-prior .tag'), 'Prior: 02 film.png');
    assert.equal(await page.textContent('#pane-current .tag'), 'Current: 05 film.png');
    await page.$eval('#viewing', (viewing) => viewing.scrollIntoView()); // the row that was clicked is further down
    const { width, height, x, y } = await page.locator('#pane-prior').boundingBox();
    await page.mouse.move(x + width / 3, y + height / 3);
    const before = await zoomOf(page);
    await page.mouse.wheel(0, -300);
    await settled(page);
    assert.ok(await zoomOf(page) > 1.8 * before);
    assert.equal(await zoomOf(page), await zoomOf(page, '#pane-prior'));
    const answers = await Promise.all(['05', '02'].map(async (name) => (await fetch(`${server.url}/predict`, { method: 'POST',
      body: drawnFilm(`picture.noise(${Number(name)}, 96, 80)`) })).json()));
    const [label, then, now, change] = await page.$eval('#changes-table tbody tr', (row) => [...row.cells].map(({ textContent }) => textContent));
    const largest = Math.max(...Object.keys(answers[0].probabilities).map((k) => Math.abs(answers[0].probabilities[k] - answers[1].probabilities[k])));
    assert.equal(Math.abs(Number(change.replace('−', '-'))).toFixed(1), (largest * 100).toFixed(1), `${label} ${then} ${now}`);
    await shoot('compared');
    await assertAccessible('two films');
    await page.click('#compare-end');
    assert.equal(await page.isVisible('#pane-prior'), false);
  });

  await tap.test('all answers are saved as CSV and JSON, a map as PNG', async () => {
    const download = async (button) => {
      const [file] = await Promise.all([page.waitForEvent('download'), page.click(button)]);
      return [file.suggestedFilename(), readFileSync(await file.path())];
    };
    const [csvName, csv] = await download('#save-csv');
    const lines = csv.toString().trim().split('\r\n');
    assert.deepEqual([csvName, lines.length], ['predictions.csv', 21]);
    const expected = await (await fetch(`${server.url}/predict`, { method: 'POST', body: drawnFilm('picture.noise(1, 96, 80)') })).json();
    const [head, first] = [lines[0].split(','), lines[1].split(',')];
    for (const [label, value] of Object.entries(expected.probabilities)) assert.equal(Number(first[head.indexOf(label)]), value);
    assert.match(lines[7], /^07 broken\.png,failed,.*broken PNG/);
    const [, json] = await download('#save-json');
    const list = JSON.parse(json);
    assert.deepEqual([list.length, list[0].file, list[0].prediction.probabilities, list[6].error.status], [20, '01 film.png', expected.probabilities, 400]);
    await page.locator('#findings button').first().click();
    await page.waitForSelector('#map-tools:not([hidden])');
    const [name, map] = await download('#save-png');
    assert.match(name, /^05 film-.+\.png$/);
    assert.equal(map.subarray(1, 4).toString(), 'PNG');
  });

  await tap.test('on paper the film and its findings are left, and no buttons', async () => {
    await page.emulateMedia({ media: 'print' });
    for (const [part, visible] of [['#pane-current', true], ['#findings', true], ['#worklist-table', true], ['#drop', false], ['.toolbar', false], ['#save-csv', false]]) {
      assert.equal(await page.isVisible(part), visible, part);
    }
    await page.emulateMedia({ media: 'screen' });
  });

  await tap.test('a film that is dropped beside the box is taken, not opened', async () => {
    await empty(page);
    const before = page.url();
    const prevented = await page.evaluate((base64) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(base64), (c) => c.charCodeAt(0))], 'dropped.png', { type: 'image/png' }));
      return ['dragenter', 'dragover', 'drop'].map((name) => !document.querySelector('footer').dispatchEvent(new DragEvent(name,
        { bubbles: true, cancelable: true, dataTransfer: data })));
    }, readFileSync(server.picture).toString('base64'));
    assert.deepEqual(prevented.slice(1), [true, true]);
    await page.waitForFunction(() => /^dropped\.png/.test(document.querySelector('#film-caption').textContent) && !document.querySelector('#prediction').hidden);
    assert.equal(page.url(), before);
    await page.click('nav a[href="#models"]');
    const elsewhere = await page.evaluate(() => {
      const data = new DataTransfer();
      data.items.add(new File(['x'], 'x.png', { type: 'image/png' }));
      return !document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }));
    });
    assert.equal(elsewhere, true); // the tab keeps its page there too
    await page.click('nav a[href="#predict"]');
  });

  await tap.test('of a folder the pictures are taken, in the order of their names', async () => {
    await empty(page);
    const folder = path.join(server.folder, 'films');
    execFileSync('mkdir', ['-p', path.join(folder, 'deeper')]);
    for (const name of ['10.png', '9.png', 'deeper/1.png']) writeFileSync(path.join(folder, name), readFileSync(server.picture));
    for (const name of ['notes.txt', '.hidden']) writeFileSync(path.join(folder, name), 'x');
    await page.setInputFiles('#folder', folder);
    await page.waitForFunction(() => /3 answered\.$/.test(document.querySelector('#worklist-status').textContent));
    assert.deepEqual(await page.$$eval('#worklist-table .open span:last-child', (all) => all.map(({ textContent }) => textContent)),
      ['films/9.png', 'films/10.png', 'films/deeper/1.png']);
    assert.match(await page.textContent('#worklist-left'), /2 files of the folder left out/);
  });
}

async function testBusy({ tap, page, server, complaints }) {
  const film = (name) => png(name, readFileSync(server.picture));
  const state = () => page.getAttribute('#worklist-table tbody tr', 'data-state');
  const [answers, previews, models] = [/\/predict$/, /\/predict\/preview/, /\/models\?limit=1$/];
  const test = (name, work) => tap.test(name, async () => {
    await empty(page);
    try {
      await work();
    } finally {
      for (const path of [answers, previews, models]) await page.unroute(path);
      complaints.splice(0, complaints.length, ...complaints.filter((text) => !/\b(400|503)\b/.test(text)));
    }
  });
  const until = async (holds) => { while (!holds()) await page.waitForTimeout(50); };

  for (const [end, failure] of [['has time again', null], ['then fails', { ...BUSY, status: 400 }]]) {
    await test(`an answered film stays answered while its picture waits for a server that ${end}`, async () => {
      let [busy, asked, failed] = [true, 0, 0];
      await page.route(previews, (route) => {
        asked += 1;
        if (busy) return route.fulfill(BUSY);
        failed += 1;
        return failure ? route.fulfill(failure) : route.continue();
      });
      const assertAnswered = async () => {
        await settled(page);
        assert.equal(await state(), 'done');
        assert.equal(await page.isVisible('#prediction'), true);
        const [file] = await Promise.all([page.waitForEvent('download'), page.click('#save-json')]);
        assert.ok(JSON.parse(readFileSync(await file.path()))[0].prediction);
      };
      await page.setInputFiles('#file', film('busy.png'));
      await until(() => asked >= 4); // the thumbnail and the greys, each twice
      await assertAnswered();
      busy = false;
      await until(() => failed >= 2);
      if (failure) await page.waitForSelector('#alert:not([hidden])');
      else await page.waitForSelector('#worklist-table .open img');
      await assertAnswered();
      await page.unroute(previews);
      await page.click('#worklist-table .open'); // a picture that failed is asked for again
      await seen(page);
    });
  }

  /** Films that a busy server sends away, while the page still asks whether waiting helps; called: that is answered. */
  async function sentAway(...names) {
    let [left, waiting, release] = [names.length, 0];
    const held = new Promise((done) => { release = done; });
    await page.route(answers, (route) => {
      left -= 1;
      return left >= 0 ? route.fulfill({ ...BUSY, headers: { 'Retry-After': '60' } }) : route.continue();
    });
    await page.route(models, async (route) => {
      waiting += 1;
      await held;
      await route.continue();
    });
    await page.setInputFiles('#file', names.map(film));
    await until(() => waiting === names.length);
    return async () => {
      const reply = page.waitForResponse(models);
      release();
      await (await reply).finished();
      await settled(page);
    };
  }

  await test('a film that is asked anew while it is sent away is asked once more, and no more', async () => {
    const release = await sentAway('anew.png');
    await page.dispatchEvent('#patient-age', 'change');
    await page.waitForSelector('#worklist-table tr[data-state=done]');
    await release();
    assert.equal(await state(), 'done');
  });

  await test('films that are removed while they are sent away hold up no other', async () => {
    const release = await sentAway('one.png', 'two.png');
    await empty(page);
    await release();
    const asked = page.waitForRequest((request) => answers.test(request.url()), { timeout: 30_000 }); // half of Retry-After
    await page.setInputFiles('#file', film('three.png'));
    await asked;
    await page.waitForSelector('#worklist-table tr[data-state=done]');
  });
}

async function testJudging({ tap, page, server }) {
  await tap.test('findings are held against the thresholds that are chosen', async () => {
    await empty(page);
    await page.setInputFiles('#file', server.picture);
    await page.waitForSelector('#prediction:not([hidden])');
    const shown = () => page.$$eval('#findings button', (all) => all.map(({ dataset: { label, probability }, classList }) => [label, Number(probability), classList.contains('positive')]));
    const answerAt = async (point) => (await (await fetch(`${server.url}/predict${point}`, { method: 'POST', body: readFileSync(server.picture) })).json());
    const first = await answerAt('');
    assert.deepEqual((await shown()).map(([,, positive]) => positive), first.findings.map(({ positive }) => Boolean(positive)));
    if (first.findings.some(({ threshold }) => threshold !== null)) {
      const at90 = await answerAt('?operating_point=sensitivity_90');
      const asked = page.waitForResponse((reply) => /operating_point=sensitivity_90/.test(reply.url()));
      await page.selectOption('#operating', 'sensitivity_90');
      await asked;
      await page.waitForFunction((wanted) => [...document.querySelectorAll('#findings button')].map((button) => button.classList.contains('positive')).join() === wanted
        && !document.querySelector('#prediction').hidden, at90.findings.map(({ positive }) => Boolean(positive)).join());
    }
    await page.selectOption('#operating', 'own');
    const [, middle] = (await shown())[6];
    await page.fill('#own-threshold', String(middle * 100));
    (await shown()).forEach(([label, probability, positive]) => assert.equal(positive, probability >= middle, label));
    const own = Object.fromEntries(first.findings.map(({ label }, i) => [label, i % 2])); // every other one is called
    const set = (thresholds) => fetch(`${server.url}/models/${first.model.id}`, { method: 'PATCH', body: JSON.stringify({ own_thresholds: thresholds }),
      headers: { 'Content-Type': 'application/json' } });
    await set(own);
    await page.reload();
    await page.setInputFiles('#file', server.picture);
    await page.waitForSelector('#operating option[value=set]:not([disabled])', { state: 'attached' });
    await page.waitForSelector('#prediction:not([hidden])');
    await page.selectOption('#operating', 'set');
    await page.waitForFunction((wanted) => [...document.querySelectorAll('#findings button')].map(({ dataset: { label }, classList }) => [label, classList.contains('positive')])
      .every(([label, positive]) => positive === (wanted[label] === 0)) && !document.querySelector('#prediction').hidden, own);
    await set(null);
    await page.selectOption('#operating', '');
    await page.waitForFunction((wanted) => [...document.querySelectorAll('#findings button')].map((button) => button.classList.contains('positive')).join() === wanted
      && !document.querySelector('#prediction').hidden, first.findings.map(({ positive }) => Boolean(positive)).join());
  });
}

async function testPhone({ tap, browser, server, assertAccessible, assertFits, shootAt }) {
  for (const colorScheme of ['light', 'dark']) {
    await tap.test(`on a phone, ${colorScheme}: nothing is cut off, and two fingers zoom`, async () => {
      const context = await browser.newContext({ viewport: PHONE, colorScheme, hasTouch: true, isMobile: true });
      context.setDefaultTimeout(900_000); // as of the page of the other tests
      try {
        const page = await context.newPage();
        await page.goto(server.url);
        await page.setInputFiles('#file', [png('a.png', readFileSync(server.picture)), png('a name that is rather long, as those of films are.png', readFileSync(server.picture))]);
        await page.waitForFunction(() => /2 answered\.$/.test(document.querySelector('#worklist-status').textContent));
        await seen(page);
        await page.locator('#findings button').first().tap();
        await page.waitForSelector('#map-tools:not([hidden])');
        await assertFits(page, 'the phone');
        const cut = await page.$$eval('#predict :is(select, table, button, input, canvas)', (all) => all.filter((element) => {
          const box = element.getBoundingClientRect();
          return box.width > 0 && !element.closest('.unseen, h1') && getComputedStyle(element).opacity !== '0' && (box.right > innerWidth + 1 || box.left < -1) && box.left > -500;
        }).map(({ id, className, tagName }) => `${tagName} ${id} ${className}`));
        assert.deepEqual(cut, []);
        await page.locator('#pane-current').scrollIntoViewIfNeeded();
        const { x, y, width, height } = await page.locator('#pane-current').boundingBox();
        const touch = await context.newCDPSession(page);
        const fingers = (apart) => [-1, 1].map((side, id) => ({ x: x + width / 2 + side * apart, y: y + height / 2, id }));
        const before = await zoomOf(page);
        await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: fingers(20) });
        for (const apart of [30, 40, 50, 60]) await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: fingers(apart) });
        await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
        await settled(page);
        assert.ok(await zoomOf(page) > 1.7 * before, `${before} % became ${await zoomOf(page)} %`);
        await assertAccessible(`the phone, ${colorScheme}`, [], page);
        await shootAt(page, `predict-phone-${colorScheme}`);
      } finally {
        await context.close();
      }
    });
  }
}

/** A first load, with nothing kept of another: what came, in bytes as they were sent, and when (ms) the page can be used: it is seen, its
 *  scripts have run, and no task of 50 ms is at work any more. */
async function firstLoad(browser, url) {
  const context = await browser.newContext({ viewport: WIDE });
  try {
    const page = await context.newPage();
    await page.addInitScript(() => {
      globalThis.taskEnds = [];
      new PerformanceObserver((list) => globalThis.taskEnds.push(...list.getEntries().map(({ startTime, duration }) => startTime + duration)))
        .observe({ type: 'longtask', buffered: true });
    });
    await page.goto(url);
    await page.waitForLoadState('networkidle');
    await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
    return await page.evaluate(() => {
      const [navigation] = performance.getEntriesByType('navigation');
      const [painted] = performance.getEntriesByName('first-contentful-paint');
      const sizes = [navigation, ...performance.getEntriesByType('resource')].map(({ name, encodedBodySize }) => [name, encodedBodySize]);
      return { sizes, interactive: Math.max(painted.startTime, navigation.domContentLoadedEventEnd, ...globalThis.taskEnds) };
    });
  } finally {
    await context.close();
  }
}

async function testWeight({ tap, browser, server }) {
  await tap.test('the first load is light', async () => {
    const { sizes } = await firstLoad(browser, server.url);
    const total = sizes.reduce((sum, [, size]) => sum + size, 0);
    console.log(`  # the first load: ${sizes.length} files, ${total} bytes`);
    assert.ok(sizes.length > 10);
    assert.ok(total <= 250_000, JSON.stringify(sizes));
  });

  await tap.test('the page can be used within a second', async () => {
    const seen = []; // a machine that is busy elsewhere may need another try; a page that is slow needs a second each time
    do seen.push((await firstLoad(browser, server.url)).interactive);
    while (Math.min(...seen) > 1000 && seen.length < 20);
    console.log(`  # to be used after ${Math.min(...seen).toFixed(0)} ms, the best of ${seen.length}`);
    assert.ok(Math.min(...seen) <= 1000, seen.map((ms) => ms.toFixed(0)).join(', '));
  });
}

/** All of them; a model is active, and the page shows the view that predicts. */
export async function testFilms(tools) {
  await testViewer(tools);
  await testFormats(tools);
  await testWorklist(tools);
  await testBusy(tools);
  await testJudging(tools);
  await testPhone(tools);
  await testWeight(tools);
  await empty(tools.page);
  await tools.page.setViewportSize({ width: 1280, height: 900 });
}
