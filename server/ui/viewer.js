// A film on a canvas: which part of it is shown, through which window, with which map over it. Hands and keys are gestures.js's.
import { make } from './dom.js';
import { drawGrey, greyTable, paintGrey, sampleGrey } from './grey.js';

const DEEPEST = 16;        // screen pixels for one of the film
const MAP_SIDE = 512;      // pixels of the map's longer side before it is stretched; a cell has 8 at least
const PIXELS_MOST = 4e6;   // of a canvas: beyond that a screen of many dots is drawn coarser
const PIXELS_MOVING = 7e5; // the same while view or window change, so that a frame is drawn in time
const STILL_MS = 150;      // without a change, and all dots of the screen are drawn again
const OPEN = { width: 255, level: 127.5, inverted: false };
const SIDE = 'The patient’s right, as films are hung: the pixels do not say so';

const within = (value, least, most) => Math.max(least, Math.min(most, value));

export class Viewer {
  /** `told` hears of every change of the view or the window. */
  constructor(pane, told = () => {}) {
    this.pane = pane;
    this.told = told;
    this.canvas = make('canvas', { role: 'img' });
    this.side = make('span', { class: 'side', title: SIDE }, make('span', { 'aria-hidden': 'true' }, 'R'),
      make('span', { class: 'unseen' }, SIDE));
    this.tag = make('p', { class: 'tag' });
    this.readout = make('p', { class: 'readout', 'aria-hidden': 'true' });
    this.instead = make('p', { class: 'instead' });
    pane.append(this.canvas, this.side, this.tag, this.readout, this.instead);
    this.context = this.canvas.getContext('2d', { alpha: false });
    this.grey = null;
    this.map = null;
    this.mapStrength = 1;
    this.window = { ...OPEN };
    this.view = { zoom: 1, x: 0.5, y: 0.5 }; // 1: all of it is seen; what part of it is in the middle
    this.pointer = null;
    this.moving = false;
    new ResizeObserver(() => this.resize()).observe(pane);
    this.resize();
  }

  /** Canvas pixels for one of the screen. */
  get dots() {
    const { clientWidth, clientHeight } = this.pane;
    return Math.min(devicePixelRatio, Math.sqrt((this.moving ? PIXELS_MOVING : PIXELS_MOST) / Math.max(1, clientWidth * clientHeight)));
  }

  resize() {
    const { clientWidth, clientHeight } = this.pane;
    const size = [clientWidth, clientHeight].map((side) => Math.max(1, Math.round(side * this.dots)));
    if (String(size) !== String([this.canvas.width, this.canvas.height])) [this.canvas.width, this.canvas.height] = size; // which blackens it
    this.request();
  }

  /** The view or the window has changed, and may go on to. */
  move() {
    clearTimeout(this.stillness);
    this.moving = true;
    this.stillness = setTimeout(() => {
      this.moving = false;
      this.resize();
    }, STILL_MS);
    this.resize();
  }

  /** A film's greys, seen whole and as they are; null: none, and `instead` says why. */
  show(grey, name, label, instead = '') {
    if (grey !== this.grey) Object.assign(this, { map: null, window: { ...OPEN }, view: { zoom: 1, x: 0.5, y: 0.5 } });
    this.grey = grey;
    this.sampled = null;
    this.tag.textContent = name;
    this.instead.textContent = instead;
    this.canvas.setAttribute('aria-label', label);
    this.told(this);
    this.request();
  }

  /** {grid, scale} of an explanation; null: none. */
  showMap(explanation) {
    this.map = null;
    if (explanation && this.grey) {
      const longer = Math.max(this.grey.width, this.grey.height);
      const size = [this.grey.width, this.grey.height].map((side) => Math.max(1, Math.round(side * MAP_SIDE / longer)));
      this.map = new OffscreenCanvas(...size);
      globalThis.Heat.draw(this.map, explanation.grid, explanation.scale, ...size);
    }
    this.canvas.dataset.map = this.map ? 'on' : 'off';
    this.request();
  }

  setStrength(strength) {
    this.mapStrength = strength;
    this.request();
  }

  /** Screen pixels for one of the film when all of it is seen. */
  get fit() {
    return this.grey ? Math.min(this.pane.clientWidth / this.grey.width, this.pane.clientHeight / this.grey.height) : 1;
  }

  get scale() {
    return this.fit * this.view.zoom;
  }

  setWindow(window) {
    this.window = { ...this.window, ...window };
    this.window.width = within(this.window.width, 1, 510);
    this.window.level = within(this.window.level, 0, 255);
    this.told(this);
    this.move();
  }

  resetWindow() {
    this.setWindow(OPEN);
  }

  /** A view, kept inside of the film; `quiet`: `told` is not called, since the view came from another viewer. */
  setView(view, quiet = false) {
    const zoom = within({ ...this.view, ...view }.zoom, Math.min(0.5, 1 / this.fit), Math.max(1, DEEPEST / this.fit));
    const free = zoom < 1 ? 0.5 : 1;
    this.view = { zoom, x: within(view.x ?? this.view.x, 1 - free, free), y: within(view.y ?? this.view.y, 1 - free, free) };
    this.pane.style.touchAction = zoom > 1 ? 'none' : 'pan-y'; // over a film that is seen whole a finger scrolls the page
    if (!quiet) this.told(this);
    this.move();
  }

  /** The place of the film that lies under a point of the pane. */
  filmAt(x, y) {
    if (!this.grey) return { x: 0.5, y: 0.5 };
    return { x: this.view.x + (x - this.pane.clientWidth / 2) / (this.scale * this.grey.width),
      y: this.view.y + (y - this.pane.clientHeight / 2) / (this.scale * this.grey.height) };
  }

  /** Zoom by a factor, so that the place under a point of the pane stays there. */
  zoomAt(factor, x = this.pane.clientWidth / 2, y = this.pane.clientHeight / 2) {
    const at = this.filmAt(x, y);
    const before = this.view.zoom;
    this.setView({ zoom: before * factor }, true);
    const part = before / this.view.zoom;
    this.setView({ x: at.x + (this.view.x - at.x) * part, y: at.y + (this.view.y - at.y) * part });
  }

  /** Move the film by pixels of the pane. */
  pan(dx, dy) {
    if (!this.grey) return;
    this.setView({ x: this.view.x - dx / (this.scale * this.grey.width), y: this.view.y - dy / (this.scale * this.grey.height) });
  }

  seeAll() {
    this.setView({ zoom: 1, x: 0.5, y: 0.5 });
  }

  /** A pixel of the film is one of the screen. */
  seePixels(x, y) {
    this.zoomAt(1 / this.scale, x, y);
  }

  point(x, y) {
    this.pointer = x === null ? null : this.filmAt(x, y);
    this.say();
  }

  say() {
    if (!this.grey) return this.readout.replaceChildren();
    const { width, height, levels } = this.grey;
    const at = this.pointer;
    const inside = at && at.x >= 0 && at.y >= 0 && at.x < 1 && at.y < 1;
    const grey = inside ? `, grey ${levels[0].data[Math.floor(at.y * height) * width + Math.floor(at.x * width)]} at ` +
      `${Math.floor(at.x * width)}, ${Math.floor(at.y * height)}` : '';
    this.readout.textContent = `${width} × ${height}, ${Math.round(this.scale * 100)} %${grey}`;
    return undefined;
  }

  /** Draw with the next frame, however often that is asked for. */
  request() {
    this.asked ??= requestAnimationFrame(() => {
      this.asked = undefined;
      const begun = performance.now();
      this.draw();
      this.canvas.dispatchEvent(new CustomEvent('drawn', { detail: performance.now() - begun }));
    });
  }

  draw() {
    const { canvas, context, grey, dots } = this;
    context.fillStyle = '#000';
    context.fillRect(0, 0, canvas.width, canvas.height);
    this.say();
    this.side.hidden = !grey;
    if (!grey) return;
    const scale = this.scale * dots; // canvas pixels for one of the film
    const film = { x: Math.round(canvas.width / 2 - this.view.x * grey.width * scale), // one to one is then pixel by pixel
      y: Math.round(canvas.height / 2 - this.view.y * grey.height * scale) };
    const left = Math.max(0, film.x);
    const top = Math.max(0, film.y);
    const right = Math.min(canvas.width, Math.round(film.x + grey.width * scale));
    const bottom = Math.min(canvas.height, Math.round(film.y + grey.height * scale));
    if (right <= left || bottom <= top) return;
    const image = this.imageOf(right - left, bottom - top);
    this.paint({ x: (left - film.x) / scale, y: (top - film.y) / scale, width: (right - left) / scale, height: (bottom - top) / scale }, image);
    context.putImageData(image, left, top);
    if (!this.map) return;
    context.globalAlpha = this.mapStrength;
    context.drawImage(this.map, film.x, film.y, grey.width * scale, grey.height * scale);
    context.globalAlpha = 1;
  }

  /** A part of the film into an image. Where only the window changes, from the second time on by the greys of that part alone. */
  paint(part, image) {
    const table = greyTable(this.window);
    const key = [part.x, part.y, part.width, part.height, image.width, image.height].join();
    if (this.sampled?.key !== key) {
      this.sampled = { key, samples: null };
      drawGrey(this.grey, part, table, image);
      return;
    }
    this.sampled.samples ??= sampleGrey(this.grey, part, image);
    paintGrey(this.sampled.samples, table, image);
  }

  /** The pixels of the last frame, where they are as many. */
  imageOf(width, height) {
    if (this.image?.width !== width || this.image.height !== height) this.image = new ImageData(width, height);
    return this.image;
  }
}
