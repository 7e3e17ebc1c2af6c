// A contribution map as pixels: a cell of the grid is a pixel of a small canvas, which the browser stretches smoothly.
const RAISES = [217, 72, 15];
const LOWERS = [66, 140, 240];

/** Colour says which way, alpha how much, relative to the strongest cell. */
export function drawMap(canvas, grid) {
  const rows = grid.length;
  const columns = grid[0].length;
  const most = Math.max(...grid.flat().map(Math.abs)) || 1;
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(columns, rows);
  grid.flat().forEach((cell, i) => {
    pixels.data.set([...(cell > 0 ? RAISES : LOWERS), Math.round(255 * Math.sqrt(Math.abs(cell) / most))], 4 * i);
  });
  context.putImageData(pixels, 0, 0);
  canvas.hidden = false;
}

/** Where the cell is that raises the score most, in words: for those who do not see the colours. */
export function strongest(grid) {
  const cells = grid.flat();
  const at = cells.indexOf(Math.max(...cells));
  const row = Math.floor(at / grid[0].length) / grid.length;
  const column = (at % grid[0].length) / grid[0].length;
  const third = (part, names) => names[Math.min(2, Math.floor(part * 3))];
  return `in the ${third(row, ['upper', 'middle', 'lower'])} ${third(column, ['left', 'centre', 'right'])} of the picture`;
}
