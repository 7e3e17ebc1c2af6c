// The words beside a map, whose colours jobs/report/heat.js draws: its numbers, and where it is strongest.
import { $, number, words } from './dom.js';

/** Where the cell is that raises the score most, in words: for those who do not see the colours. */
function strongest(grid) {
  const cells = grid.flat();
  const at = cells.indexOf(Math.max(...cells));
  const row = Math.floor(at / grid[0].length) / grid.length;
  const column = (at % grid[0].length) / grid[0].length;
  const third = (part, names) => names[Math.min(2, Math.floor(part * 3))];
  return `in the ${third(row, ['upper', 'middle', 'lower'])} ${third(column, ['left', 'centre', 'right'])} of the picture`;
}

/** A score and what it is made of, or how it was asked for. */
function scoreOf({ bias, grid, inputs, logit, method }) {
  if (method === 'occlusion') {
    return `${number(logit, 2)}; by occlusion: how much it falls when a part of the picture is covered, ` +
      `${number(Math.max(...grid.flat()), 2)} at most`;
  }
  const pixels = grid.flat().reduce((sum, cell) => sum + cell, 0);
  return `${number(logit, 2)} = ${number(bias, 2)} before any picture` +
    `${inputs ? `, ${number(inputs, 2)} from the other inputs` : ''}, ${number(pixels, 2)} from the pixels`;
}

/** Numbers at the ends of the scale, and the sentence above it. */
export function describeMap(explanation) {
  const { full } = explanation.scale;
  $('map-title').textContent = `${words(explanation.label)}: score ${scoreOf(explanation)}; raised most ${strongest(explanation.grid)}.`;
  globalThis.Heat.drawBar($('map-scale'), explanation.scale);
  $('map-least').textContent = number(-full, 2);
  $('map-most').textContent = `+${number(full, 2)}`;
}
