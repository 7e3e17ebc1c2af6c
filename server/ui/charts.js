// Lines over epochs, by the library Chart.js that the server serves; the page's colours, anew when they change.
const drawn = new Map();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(unit, within) {
  const grid = { color: colour('--line') };
  const ticks = { color: colour('--soft') };
  return {
    animation: false,
    maintainAspectRatio: false,
    plugins: { legend: { labels: { color: colour('--ink'), boxWidth: 24, boxHeight: 2 } } },
    scales: {
      x: { type: 'linear', title: { display: true, text: 'epoch', color: colour('--soft') }, ticks: { ...ticks, precision: 0 }, grid },
      y: { title: { display: true, text: unit, color: colour('--soft') }, ticks, grid, ...within },
    },
  };
}

/** {name: {points: [[x, y], …], dashed}} as lines of one chart, of what `unit` says; points without a number are left out, and so
 * are lines without points. `within`: {min, max} of what it counts, where that has ends. */
export function drawLines(canvas, lines, unit, within = {}) {
  const colours = ['--bar', '--raises', '--soft', '--lowers'].map(colour);
  const datasets = Object.entries(lines).filter(([, { points }]) => points.length > 0).map(([label, { points, dashed, fine }], i) => ({
    label,
    data: points.filter(([, y]) => y !== null && y !== undefined).map(([x, y]) => ({ x, y })),
    borderColor: colours[i],
    backgroundColor: colours[i],
    borderDash: dashed ? [6, 4] : [],
    pointRadius: dashed || fine ? 0 : 3,
    borderWidth: fine ? 1 : 2,
  }));
  drawn.get(canvas)?.chart.destroy();
  drawn.set(canvas, { lines, unit, within, chart: new globalThis.Chart(canvas, { type: 'line', data: { datasets }, options: options(unit, within) }) });
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const [canvas, { lines, unit, within }] of drawn) drawLines(canvas, lines, unit, within);
});
