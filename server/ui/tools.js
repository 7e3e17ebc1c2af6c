// The bar above the viewers, their help, and what the keys of a viewer do beyond it.
import { $, make } from './dom.js';
import { HANDS, KEYS, listen } from './gestures.js';

let tool = 'pan'; // what dragging does

function setTool(name) {
  tool = name;
  for (const each of ['pan', 'window']) {
    $(`tool-${each}`).setAttribute('aria-pressed', String(each === name));
    $('panes').classList.toggle(`drag-${each}`, each === name);
  }
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else $('viewing').requestFullscreen?.().catch(() => {});
}

function fillHelp() {
  for (const [id, actions] of [['keys-list', KEYS], ['hands-list', HANDS]]) {
    $(id).replaceChildren(...actions.flatMap(([name, what]) => [make('dt', {}, name), make('dd', {}, what)]));
  }
}

function openHelp() {
  if (!$('keys').open) $('keys').showModal();
}

/** The buttons, each for the viewer that was touched last. */
function startButtons(active, actions) {
  const clicks = { 'zoom-in': () => active().zoomAt(1.5), 'zoom-out': () => active().zoomAt(1 / 1.5), 'zoom-fit': () => active().seeAll(),
    'zoom-one': () => active().seePixels(), 'tool-pan': () => setTool('pan'), 'tool-window': () => setTool('window'),
    invert: () => active().setWindow({ inverted: !active().window.inverted }), 'window-reset': () => active().resetWindow(),
    'map-toggle': actions.map, 'full-screen': toggleFullScreen, 'keys-open': openHelp, 'keys-close': () => $('keys').close() };
  for (const [id, work] of Object.entries(clicks)) $(id).addEventListener('click', work);
  for (const [id, name] of [['window-width', 'width'], ['window-level', 'level']]) {
    $(id).addEventListener('input', () => {
      if ($(id).value !== '' && $(id).checkValidity()) active().setWindow({ [name]: Number($(id).value) });
    });
  }
}

/** {show(viewer)}: the numbers and states of a viewer into the bar. */
export function startTools(viewers, actions) {
  let touched = 'current';
  const active = () => (touched === 'prior' && !$('pane-prior').hidden ? viewers.prior : viewers.current);
  const shown = (viewer) => {
    const { width, level, inverted } = viewer.window;
    for (const [id, value] of [['window-width', width], ['window-level', level]]) {
      if (document.activeElement !== $(id)) $(id).value = Math.round(value);
    }
    $('invert').setAttribute('aria-pressed', String(inverted));
  };
  const keys = { m: actions.map, n: actions.next, p: actions.previous, c: actions.compare, f: toggleFullScreen, h: openHelp, '?': openHelp,
    t: () => setTool(tool === 'pan' ? 'window' : 'pan') };
  for (const name of ['current', 'prior']) {
    listen(viewers[name], () => tool, keys);
    for (const touch of ['focus', 'pointerdown']) {
      viewers[name].pane.addEventListener(touch, () => {
        touched = name;
        shown(active());
      });
    }
  }
  startButtons(active, actions);
  $('opacity').addEventListener('input', () => {
    for (const name of ['current', 'prior']) viewers[name].setStrength($('opacity').value / 100);
  });
  fillHelp();
  setTool('pan');
  return { show: (viewer) => { if (viewer === active()) shown(viewer); } };
}
