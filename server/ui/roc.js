// A validation's scores as curves, a threshold after the other, on which a person chooses a point. The rules are those of
// jobs/training/operating.c, so that the point is the one that the server's profile has. No page in here.

/** Cells of a CSV, a line at a time; of a cell in quotation marks what is between them. */
function* linesOf(csv) {
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r?\n|$)/y;
  let line = [];
  while (cell.lastIndex < csv.length) {
    const [, quoted, plain, end] = cell.exec(csv) ?? [];
    if (end === undefined) throw new Error('The scores are no table.');
    line.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    yield line;
    line = [];
  }
}

/** The rows of a split: {labels, patients: [a number each], truths: [finding][row] (1, 0, null), probabilities: [finding][row]} */
export function readScores(csv, split) {
  const lines = linesOf(csv);
  const head = lines.next().value;
  const labels = head.filter((name) => name.startsWith('true_')).map((name) => name.slice(5));
  const at = { split: head.indexOf('split'), patient: head.indexOf('patient'), truth: labels.map((label) => head.indexOf(`true_${label}`)),
    probability: labels.map((label) => head.indexOf(`prob_${label}`)) };
  const numbers = new Map(); // of patients
  const rows = { labels, patients: [], truths: labels.map(() => []), probabilities: labels.map(() => []) };
  for (const line of lines) {
    if (line[at.split] !== split) continue;
    const patient = line[at.patient];
    if (!numbers.has(patient)) numbers.set(patient, numbers.size);
    rows.patients.push(numbers.get(patient));
    labels.forEach((_, k) => {
      rows.truths[k].push(line[at.truth[k]] === '' ? null : Number(line[at.truth[k]]));
      rows.probabilities[k].push(line[at.probability[k]] === '' ? null : Number(line[at.probability[k]]));
    });
  }
  return rows;
}

/** Of one finding: what each threshold does, from the highest down. `hits` and `alarms` are films; `found` and `called` the same with
 *  one film of each patient, the mean over their films. */
export function curveOf(rows, k) {
  const truths = rows.truths[k];
  const probabilities = rows.probabilities[k];
  const known = rows.patients.map((_, i) => i).filter((i) => truths[i] !== null && probabilities[i] !== null).sort((a, b) => probabilities[b] - probabilities[a]);
  const films = new Map();
  for (const i of known) films.set(rows.patients[i], (films.get(rows.patients[i]) ?? 0) + 1);
  const kind = (truth) => known.filter((i) => truths[i] === truth);
  const curve = { label: rows.labels[k], positives: kind(1).length, negatives: kind(0).length, patients: films.size, cuts: [],
    positivePatients: new Set(kind(1).map((i) => rows.patients[i])).size, negativePatients: new Set(kind(0).map((i) => rows.patients[i])).size };
  const sum = { hits: 0, alarms: 0, found: 0, called: 0 };
  known.forEach((i, place) => {
    const share = 1 / films.get(rows.patients[i]);
    if (truths[i] === 1) Object.assign(sum, { hits: sum.hits + 1, found: sum.found + share });
    else Object.assign(sum, { alarms: sum.alarms + 1, called: sum.called + share });
    const next = known[place + 1];
    if (next === undefined || probabilities[next] !== probabilities[i]) curve.cuts.push({ threshold: probabilities[i], ...sum });
  });
  return { ...curve, have: sum.found };
}

const reaches = (part, all, at) => part >= (at - 1e-9) * all;

/** Whether a cut is allowed by a rule, and whether it is better than the best before it; cuts come from the highest threshold down. */
const RULES = {
  youden: { allowed: () => true, better: (more, all) => more.hits * all.negatives > more.alarms * all.positives },
  sensitivity: { allowed: (cut, all, at) => reaches(cut.hits, all.positives, at), better: (more) => more.alarms === 0 && more.hits > 0 },
  specificity: { allowed: (cut, all, at) => reaches(all.negatives - cut.alarms, all.negatives, at), better: (more) => more.hits > 0 },
};

/** The cut that an operating point {kind, at} chooses; null: there is none. */
export function choose(curve, { kind, at }) {
  if (!curve.positives || !curve.negatives) return null;
  const { allowed, better } = RULES[kind];
  let best = null;
  for (const cut of curve.cuts) {
    if (allowed(cut, curve, at) && (!best || better({ hits: cut.hits - best.hits, alarms: cut.alarms - best.alarms }, curve))) best = cut;
  }
  return best;
}

/** The cut of a threshold that was chosen elsewhere. */
export const cutAt = (curve, threshold) => curve.cuts.findLast((cut) => cut.threshold >= threshold) ?? { threshold, hits: 0, alarms: 0, found: 0, called: 0 };

/** Of so many patients, a film each: who has the finding and is found or missed, who lacks it and is called all the same. */
export function countsOf(curve, cut, of = 1000) {
  const scale = of / curve.patients;
  const have = Math.round(curve.have * scale);
  const found = Math.min(have, Math.round(cut.found * scale));
  const alarms = Math.min(of - have, Math.round(cut.called * scale));
  return { have, found, missed: have - found, lack: of - have, alarms };
}

/** [1 - specificity, sensitivity] from corner to corner, no more of them than can be seen. */
export function pointsOf(curve, most = 200) {
  const step = Math.max(1, Math.floor(curve.cuts.length / most));
  const cuts = curve.cuts.filter((_, i) => i % step === 0 || i === curve.cuts.length - 1);
  return [[0, 0], ...cuts.map(({ hits, alarms }) => [alarms / curve.negatives, hits / curve.positives])];
}
