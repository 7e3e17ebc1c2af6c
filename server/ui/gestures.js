// The hands and keys of a viewer.
const STEP = 1.25;  // a key's zoom
const STRIDE = 48;  // pixels that an arrow moves the film by
const GREYS = 8;    // that an arrow moves the window by

/** Every action by its key, with what the help says of it. */
export const KEYS = [
  ['+ and −', 'zoom in and out'], ['0', 'the whole film'], ['1', 'one to one: a pixel of the film is one of the screen'],
  ['arrows', 'move the film'], ['Shift + ← →', 'narrower or wider window: more or less contrast'],
  ['Shift + ↑ ↓', 'level down or up: brighter or darker'], ['R', 'the greys as they are'], ['I', 'invert'],
  ['M', 'map on and off'], ['T', 'what dragging does: move or window'], ['F', 'full screen'], ['N and P', 'next and previous film'],
  ['C', 'compare with the film before it in the list, or end that'], ['H', 'this help'],
];
export const HANDS = [
  ['wheel, or two fingers', 'zoom about the pointer'], ['double click', 'one to one, and back to the whole'],
  ['drag', 'move, or window: across for contrast, up and down for brightness'], ['right button, or Shift', 'drag for the other of the two'],
];

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function arrow(viewer, [x, y], shift) {
  if (shift) viewer.setWindow({ width: viewer.window.width + x * GREYS, level: viewer.window.level + y * GREYS });
  else viewer.pan(-x * STRIDE, -y * STRIDE);
}

/** Keys of a viewer that has the focus; `actions` has those that are the page's: {m: f, …}. */
function onKey(viewer, actions, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target !== viewer.pane) return;
  const own = { '+': () => viewer.zoomAt(STEP), '=': () => viewer.zoomAt(STEP), '-': () => viewer.zoomAt(1 / STEP), 0: () => viewer.seeAll(),
    1: () => viewer.seePixels(), r: () => viewer.resetWindow(), i: () => viewer.setWindow({ inverted: !viewer.window.inverted }) };
  const name = event.key.toLowerCase();
  const action = ARROWS[event.key] ? () => arrow(viewer, ARROWS[event.key], event.shiftKey) : own[name] ?? actions[name];
  if (!action) return;
  event.preventDefault();
  action();
}

/** Pointers that are down, by id, where they were last. */
class Hands {
  constructor(viewer, tool) {
    Object.assign(this, { viewer, tool, down: new Map() });
  }

  at(event) {
    const box = this.viewer.pane.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  begin(event) {
    if (event.button > 2 || event.target.closest('button, input')) return;
    const other = event.button === 2 || event.shiftKey;
    this.windows = (this.tool() === 'window') !== other;
    this.down.set(event.pointerId, this.at(event));
    this.viewer.pane.setPointerCapture(event.pointerId);
  }

  move(event) {
    const now = this.at(event);
    const before = this.down.get(event.pointerId);
    this.viewer.point(now.x, now.y);
    if (!before) return;
    if (this.down.size === 2) this.pinch(event.pointerId, before, now);
    else if (this.windows) this.drag(now.x - before.x, now.y - before.y);
    else this.viewer.pan(now.x - before.x, now.y - before.y);
    this.down.set(event.pointerId, now);
  }

  drag(dx, dy) {
    const { window, pane } = this.viewer;
    this.viewer.setWindow({ width: window.width + dx * 510 / pane.clientWidth, level: window.level + dy * 255 / pane.clientHeight });
  }

  pinch(id, before, now) {
    const [still] = [...this.down].filter(([other]) => other !== id).map(([, point]) => point);
    const apart = (point) => Math.max(8, Math.hypot(point.x - still.x, point.y - still.y));
    this.viewer.zoomAt(apart(now) / apart(before), (now.x + still.x) / 2, (now.y + still.y) / 2);
    this.viewer.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
  }

  end(event) {
    this.down.delete(event.pointerId);
  }
}

/** Give a viewer its hands and keys. `tool()` says what dragging does: 'pan' or 'window'. */
export function listen(viewer, tool, actions) {
  const { pane } = viewer;
  const hands = new Hands(viewer, tool);
  pane.addEventListener('keydown', (event) => onKey(viewer, actions, event));
  pane.addEventListener('pointerdown', (event) => hands.begin(event));
  pane.addEventListener('pointermove', (event) => hands.move(event));
  for (const name of ['pointerup', 'pointercancel']) pane.addEventListener(name, (event) => hands.end(event));
  pane.addEventListener('pointerleave', () => viewer.point(null));
  pane.addEventListener('contextmenu', (event) => event.preventDefault());
  pane.addEventListener('wheel', (event) => {
    event.preventDefault();
    const { x, y } = hands.at(event);
    viewer.zoomAt(2 ** (-event.deltaY / (event.deltaMode === 1 ? 12 : 300)), x, y);
  }, { passive: false });
  pane.addEventListener('dblclick', (event) => {
    const { x, y } = hands.at(event);
    if (Math.abs(viewer.view.zoom - 1) > 0.001) viewer.seeAll();
    else viewer.seePixels(x, y);
  });
}
