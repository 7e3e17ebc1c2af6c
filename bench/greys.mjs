// What the viewer's drawing costs before and after a change, without a browser: node bench/greys.mjs OLD/grey.js NEW/grey.js (as .mjs)
// 80 frames each in turn, of noise of 3,000 x 3,000 pixels, at the sizes of a window of 1440 x 900; and whether both draw the same.
import path from 'node:path';

globalThis.ImageData = class {
  constructor(width, height) {
    Object.assign(this, { width, height, data: new Uint8ClampedArray(width * height * 4) });
  }
};
const [before, after] = await Promise.all(process.argv.slice(2, 4).map((file) => import(path.resolve(file))));
const SIDE = 3000;
const data = Uint8Array.from({ length: SIDE * SIDE }, (_, i) => Math.imul(i, 2654435761) >>> 24);

function halved({ width, height, data: from }) {
  const [w, h] = [width >> 1, height >> 1];
  return { width: w, height: h, data: Uint8Array.from({ length: w * h }, (_, i) => {
    const at = 2 * Math.floor(i / w) * width + 2 * (i % w);
    return (from[at] + from[at + 1] + from[at + width] + from[at + width + 1] + 2) >> 2;
  }) };
}

const levels = [{ width: SIDE, height: SIDE, data }];
while (levels.at(-1).width > 512) levels.push(halved(levels.at(-1)));
const grey = { width: SIDE, height: SIDE, levels };
const whole = { x: 0, y: 0, width: SIDE, height: SIDE };
const open = { width: 255, level: 127.5, inverted: false };
const CASES = {
  'window and level': [596, 596, () => whole, (i) => ({ ...open, width: 200 + i % 50 })],
  zoom: [596, 596, (i) => ({ x: i, y: i, width: SIDE - 2 * i, height: SIDE - 2 * i }), () => open],
  'move, one to one': [957, 596, (i) => ({ x: i, y: 100, width: 957, height: 596 }), () => open],
  'the same, but for the last bit': [957, 596, (i) => ({ x: i, y: 100, width: 957 * (1 - 2 ** -53), height: 596 * (1 - 2 ** -53) }), () => open],
};
for (const [name, [width, height, partOf, windowOf]] of Object.entries(CASES)) {
  const images = [new ImageData(width, height), new ImageData(width, height)];
  const times = [[], []];
  let samples = null;
  const draw = [before, after].map((module, which) => (i) => {
    const table = module.greyTable(windowOf(i));
    if (!module.paintGrey || name !== 'window and level') return module.drawGrey(grey, partOf(i), table, images[which]);
    samples ??= module.sampleGrey(grey, partOf(i), images[which]);
    return module.paintGrey(samples, table, images[which]);
  });
  for (let i = 0; i < 80; i += 1) {
    draw.forEach((work, which) => {
      const begun = performance.now();
      work(i);
      times[which].push(performance.now() - begun);
    });
  }
  const least = times.map((all) => Math.min(...all).toFixed(2));
  const same = Buffer.compare(...images.map((image) => Buffer.from(image.data.buffer))) === 0;
  console.log(`${name}: least ${least[0]} ms, then ${least[1]} ms; the same picture: ${same}`);
}
