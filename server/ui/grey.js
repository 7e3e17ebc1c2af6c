// A film's greys in memory, with smaller copies of it, and the drawing of a part of them through a window. A viewer
// draws from these alone, pixel by pixel, so that it shows the server's grey and no browser's.
const SMALLEST = 256; // pixels: a picture no larger than this has no copy
const BAND = 512;     // rows that are taken out of a canvas at once

/** Half as large, each pixel the mean of four. */
function halved({ width, height, data }) {
  const w = width >> 1;
  const h = height >> 1;
  const half = new Uint8Array(w * h);
  for (let y = 0; y < h; y += 1) {
    for (let x = 0, i = 2 * y * width, o = y * w; x < w; x += 1, i += 2, o += 1) {
      half[o] = (data[i] + data[i + 1] + data[i + width] + data[i + width + 1] + 2) >> 2;
    }
  }
  return { width: w, height: h, data: half };
}

/** The greys of a PNG of the server's preview: {width, height, levels}, the first level the whole, each next one half as large. */
export async function readGrey(blob) {
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none', premultiplyAlpha: 'none' });
  const { width, height } = bitmap;
  const data = new Uint8Array(width * height);
  const canvas = new OffscreenCanvas(width, Math.min(BAND, height));
  const context = canvas.getContext('2d', { willReadFrequently: true });
  for (let top = 0; top < height; top += BAND) {
    const rows = Math.min(BAND, height - top);
    context.drawImage(bitmap, 0, top, width, rows, 0, 0, width, rows);
    const rgba = context.getImageData(0, 0, width, rows).data;
    for (let i = 0, o = top * width; i < rgba.length; i += 4, o += 1) data[o] = rgba[i];
  }
  bitmap.close();
  const levels = [{ width, height, data }];
  while (Math.min(levels.at(-1).width, levels.at(-1).height) > SMALLEST) levels.push(halved(levels.at(-1)));
  return { width, height, levels };
}

/** The grey that a window makes of each of 256, as pixels of an ImageData (ABGR). */
export function greyTable({ width, level, inverted }) {
  const table = new Uint32Array(256);
  for (let v = 0; v < 256; v += 1) {
    const shown = Math.max(0, Math.min(255, Math.round(((v - level) / width + 0.5) * 255)));
    const grey = inverted ? 255 - shown : shown;
    table[v] = 0xff000000 | (grey << 16) | (grey << 8) | grey;
  }
  return table;
}

/** Which two of n samples are mixed for each of `count` pixels from `from`, and how (of 256). */
function mixes(count, from, step, n) {
  const first = new Int32Array(count);
  const part = new Int32Array(count);
  for (let i = 0; i < count; i += 1) {
    const at = Math.round(Math.max(0, Math.min(n - 1, from + (i + 0.5) * step - 0.5)) * 256); // a scale may be 1 but for its last bit
    first[i] = Math.min(at >> 8, Math.max(0, n - 2));
    part[i] = at - first[i] * 256;
  }
  return { first, part };
}

/** Draw a rectangle of the film, x, y, width, height in its pixels, into all of an ImageData, bilinearly, by a greyTable(). */
export function drawGrey(grey, rectangle, table, image) {
  const pixels = new Uint32Array(image.data.buffer);
  const reduction = rectangle.width / image.width;
  const level = grey.levels[Math.max(0, Math.min(grey.levels.length - 1, Math.floor(Math.log2(reduction))))];
  const by = level.width / grey.width;
  const across = mixes(image.width, rectangle.x * by, reduction * by, level.width);
  const down = mixes(image.height, rectangle.y * level.height / grey.height,
    rectangle.height / image.height * level.height / grey.height, level.height);
  const { data, width } = level;
  const right = width > 1 ? 1 : 0;
  const below = level.height > 1 ? width : 0;
  const aligned = [across, down].every(({ part }) => part.every((of) => of % 256 === 0)); // as one to one: a sample is one of the two
  const places = aligned && across.first.map((at, x) => at + (across.part[x] >> 8));
  for (let y = 0, o = 0; y < image.height; y += 1) {
    const row = down.first[y] * width;
    const low = down.part[y];
    if (aligned) {
      const from = row + (low >> 8) * below;
      for (let x = 0; x < image.width; x += 1, o += 1) pixels[o] = table[data[from + places[x]]];
      continue;
    }
    for (let x = 0; x < image.width; x += 1, o += 1) {
      const at = row + across.first[x];
      const part = across.part[x];
      const top = data[at] * (256 - part) + data[at + right] * part;
      const bottom = data[at + below] * (256 - part) + data[at + below + right] * part;
      pixels[o] = table[(top * (256 - low) + bottom * low + 32768) >> 16];
    }
  }
}

const AS_IT_IS = Uint32Array.from({ length: 256 }, (_, v) => v);

/** The greys that drawGrey() would draw, for paintGrey(). */
export function sampleGrey(grey, rectangle, { width, height }) {
  const samples = new ImageData(width, height);
  drawGrey(grey, rectangle, AS_IT_IS, samples);
  return new Uint32Array(samples.data.buffer);
}

/** Such greys into an ImageData of the same size, by a greyTable(). */
export function paintGrey(samples, table, image) {
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < samples.length; i += 1) pixels[i] = table[samples[i]];
}
