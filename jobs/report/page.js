'use strict';
/* The report's pictures, drawn by Chart.js from the page's own data. Every axis says what it is and its unit. */
(() => {
    const data = JSON.parse(document.getElementById('data').textContent);
    const BLUE = '#24527a', ORANGE = '#c8611a', GREY = '#8a939c', GREEN = '#2f7d4f';
    const KINDS = { youden: ['Youden', 'circle'], sensitivity_90: ['90 % sensitivity', 'triangle'],
                    specificity_90: ['90 % specificity', 'rect'] };
    const FEW = 6, MANY = 20; /* as in findings.h */
    const charts = [];

    const axis = (title, more) => ({ title: { display: true, text: title }, ...more });
    const unit = (title) => axis(title, { type: 'linear', min: 0, max: 1 });
    const dashed = (label, points, color = GREY) =>
        ({ label, data: points, borderColor: color, borderDash: [6, 4], borderWidth: 1.5, pointRadius: 0 });
    const line = (label, points, color, more) =>
        ({ label, data: points, borderColor: color, backgroundColor: color, borderWidth: 2, pointRadius: 3, clip: 8, ...more });
    const diagonal = (label, end = 1) => dashed(label, [{ x: 0, y: 0 }, { x: end, y: end }]);
    /* A plot's member for a finding, whose name may be one that every object has, such as "constructor". */
    const curveOf = (all, finding) => (all && Object.hasOwn(all, finding.label) && all[finding.label]) || [];
    /* A name at an axis; the tables have the whole of it. */
    const cut = (text, most = 24) => ([...text].length > most ? `${[...text].slice(0, most - 1).join('')}…` : text);

    function draw(id, config) {
        const canvas = document.getElementById(id);

        if (!canvas)
            return;
        config.options = { animation: false, responsive: true, maintainAspectRatio: false, ...config.options };
        charts.push(new Chart(canvas, config));
    }

    /* Room for the names of many findings at an axis of a chart: across, its box scrolls where the screen is too narrow. */
    function makeRoom(id, n, across) {
        const canvas = document.getElementById(id);

        if (!canvas || n <= MANY)
            return;
        canvas.closest('figure').classList.add('wide');
        canvas.parentElement.style[across ? 'minWidth' : 'height'] = `${n * 16 + 80}px`;
    }

    function drawCombinations() {
        const rows = data.combinations || [];
        const wide = document.documentElement.clientWidth > 600;
        const name = (labels) => (wide || labels.length < 2 ? cut(labels.join(' + ') || data.none, wide ? 64 : 32)
            : [`${cut(labels.slice(0, -1).join(' + '), 32)} +`, cut(labels.at(-1))]); /* two lines on a phone */

        draw('combinations', {
            type: 'bar',
            data: { labels: rows.map((r) => name(r.labels)),
                    datasets: [{ data: rows.map((r) => r.images), backgroundColor: BLUE }] },
            options: { indexAxis: 'y', plugins: { legend: { display: false } },
                       scales: { x: axis('pictures (number)', { beginAtZero: true }), y: axis('label combination',
                                 { ticks: { autoSkip: false } }) } }
        });
    }

    function drawEpochs(id, members, base, title) {
        const epochs = data.epochs || [];
        const series = (member) => epochs.map((e) => ({ x: e.epoch, y: e[member] }));
        const ends = [0.5, epochs.length + 0.5];

        draw(id, {
            type: 'line',
            data: { datasets: [line('training (running mean)', series(members[0]), GREY),
                               line('validation', series(members[1]), BLUE),
                               dashed('base rates', ends.map((x) => ({ x, y: base })), ORANGE)] },
            options: { scales: { x: axis('epoch (number)', { type: 'linear', min: ends[0], max: ends[1],
                                                             afterBuildTicks: (x) => { x.ticks = epochs.map((e) => ({ value: e.epoch })); } }),
                                 y: axis(title) } }
        });
    }

    const epochAxis = (epochs) => axis('epoch (number)', { type: 'linear', min: 0.5, max: epochs.length + 0.5,
        afterBuildTicks: (x) => { x.ticks = epochs.map((e) => ({ value: e.epoch })); } });

    /* Many findings are lines of one colour, named under the pointer, and their mean in another. */
    function drawAurocs(epochs) {
        const labels = data.evaluation ? data.evaluation.test.findings.map((f) => f.label) : [];
        const known = (k) => epochs.some((e) => typeof (e.val_auroc || [])[k] === 'number');
        const series = (k) => epochs.map((e) => ({ x: e.epoch, y: (e.val_auroc || [])[k] }));
        const many = labels.length > MANY;
        const color = (k) => (many ? '#24527a55' : `hsl(${(k * 360 / labels.length + 210) % 360}, 60%, ${k % 2 ? 32 : 48}%)`);
        const mean = line('mean over the findings', epochs.map((e) => ({ x: e.epoch, y: e.val_macro_auroc })), ORANGE);
        const lines = labels.map((label, k) => [label, k]).filter(([, k]) => known(k))
            .map(([label, k]) => line(label, series(k), color(k), { pointRadius: 2, borderWidth: 1.5 }));
        const legend = { labels: { boxWidth: 14, font: { size: 10 } } };

        if (many) {
            lines.unshift(mean);
            legend.labels.filter = (item) => item.datasetIndex < 2;
            legend.labels.generateLabels = (chart) => Chart.defaults.plugins.legend.labels.generateLabels(chart)
                .map((item) => (item.datasetIndex === 1 ? { ...item, text: 'each finding, named under the pointer' } : item));
        }
        draw('auroc', {
            type: 'line',
            data: { datasets: lines },
            options: { scales: { x: epochAxis(epochs), y: axis('AUROC (0 to 1)') }, plugins: { legend } }
        });
    }

    function drawRate(epochs) {
        draw('rate', {
            type: 'line',
            data: { datasets: [line('learning rate', epochs.map((e) => ({ x: e.epoch, y: e.learning_rate })), BLUE)] },
            options: { scales: { x: epochAxis(epochs), y: axis('learning rate (no unit)', { beginAtZero: true }) },
                       plugins: { legend: { display: false } } }
        });
    }

    /* A map over an X-ray, as wide and high as heat.js has them drawn. */
    function drawHeat(canvas) {
        Heat.draw(canvas, canvas.dataset.map.split(';').map((row) => row.split(',').map(Number)), JSON.parse(canvas.dataset.scale), 256, 256);
    }

    /* Local linear regression with tricube weights over the nearest three quarters of the points (Cleveland, 1979). */
    function smooth(points, x) {
        const nearest = points.map((p) => Math.abs(p.x - x)).sort((a, b) => a - b);
        const reach = nearest[Math.ceil(0.75 * points.length) - 1] * 1.0001 || 1;
        let w0 = 0, w1 = 0, w2 = 0, y0 = 0, y1 = 0;

        for (const p of points) {
            const d = Math.abs(p.x - x) / reach, w = d < 1 ? (1 - d ** 3) ** 3 : 0;

            w0 += w;
            w1 += w * (p.x - x);
            w2 += w * (p.x - x) ** 2;
            y0 += w * p.y;
            y1 += w * (p.x - x) * p.y;
        }
        const det = w0 * w2 - w1 * w1;

        return det > 1e-12 ? (w2 * y0 - w1 * y1) / det : y0 / w0;
    }

    function drawProportions(test) {
        const points = test.findings.filter((f) => f.prevalence !== null)
            .map((f) => ({ x: f.prevalence, y: f.predicted_mean, label: f.label }));
        const most = Math.max(...points.map((p) => Math.max(p.x, p.y)), 0.01) * 1.1;
        const span = { min: 0, max: most, ticks: { includeBounds: false } }; /* a bound is no round number: it would lie on the last one */
        const xs = points.map((p) => p.x), low = Math.min(...xs), high = Math.max(...xs);
        const curve = [...Array(61).keys()].map((i) => low + (high - low) * i / 60)
            .map((x) => ({ x, y: smooth(points, x) }));

        const smoothed = line('smooth curve', curve, ORANGE, { pointRadius: 0, pointStyle: 'line', showLine: true });

        draw('proportions', {
            type: 'scatter',
            data: { datasets: [line('findings', points, BLUE, { pointRadius: 4, showLine: false }),
                               ...(test.findings.length < FEW ? [] : [smoothed]),
                               { ...diagonal('equal', most), pointStyle: 'line', showLine: true }] },
            options: { scales: { x: axis('actual proportion of the rows (0 to 1)', span), y: axis('mean predicted probability (0 to 1)', span) },
                       plugins: { legend: { labels: { usePointStyle: true, boxHeight: 9 } }, tooltip: { callbacks: { label: (c) =>
                           `${c.raw.label || c.dataset.label}: ${c.raw.x.toFixed(3)} → ${c.raw.y.toFixed(3)}` } } } }
        });
    }

    /* Over the findings in their order, as the seed notebook has it; the curves come with the data. */
    function drawCurves(test) {
        const names = test.findings.map((f) => cut(f.label.replace('_', ' ')));
        const place = (v) => names[v] ?? '';
        const radius = names.length > 1 ? 0 : 4; /* one finding is a point, no curve */

        if (!data.curves || !data.curves.actual)
            return;
        makeRoom('curves', names.length, true);
        makeRoom('bars', names.length, true);
        draw('curves', {
            type: 'line',
            data: { datasets: [line('predicted', data.curves.predicted, ORANGE, { pointRadius: radius }),
                               line('actual', data.curves.actual, BLUE, { pointRadius: radius })] },
            options: { scales: { x: axis('finding (in class order)', { type: 'linear', min: 0, max: names.length - 1,
                                                      ticks: { stepSize: 1, autoSkip: false, minRotation: 60, callback: place } }),
                                 y: axis('proportion of the rows (0 to 1)') } }
        });
        draw('bars', {
            type: 'bar',
            data: { labels: names,
                    datasets: [{ label: 'predicted', data: test.findings.map((f) => f.predicted_mean), backgroundColor: ORANGE },
                               { label: 'actual', data: test.findings.map((f) => f.prevalence), backgroundColor: BLUE }] },
            options: { plugins: { legend: { labels: { boxHeight: 9 } } },
                       scales: { x: axis('finding', { ticks: { autoSkip: false, minRotation: 60 } }),
                                 y: axis('proportion of the rows (0 to 1)', { beginAtZero: true }) } }
        });
    }

    function drawReliability() {
        const series = (split) => ((data.reliability || {})[split] || []).filter((b) => b.rows)
            .map((b) => ({ x: b.predicted, y: b.positive, rows: b.rows }));

        draw('reliability', {
            type: 'line',
            data: { datasets: [line('validation', series('validation'), GREY), line('test', series('test'), BLUE),
                               diagonal('calibrated')] },
            options: { scales: { x: unit('mean predicted probability (0 to 1)'), y: unit('part that is positive (0 to 1)') },
                       plugins: { tooltip: { callbacks: { label: (c) => `${c.dataset.label}: ${c.raw.y.toFixed(3)}` +
                           (c.raw.rows ? ` of ${c.raw.rows} predictions` : '') } } } }
        });
    }

    function drawRoc(finding, k) {
        const curve = curveOf(data.roc, finding);
        const marks = Object.entries(finding.operating_points).filter(([, p]) => p.sensitivity !== null)
            .map(([kind, p]) => ({ label: KINDS[kind][0], data: [{ x: 1 - p.specificity, y: p.sensitivity }],
                                   pointStyle: KINDS[kind][1], pointRadius: 5, borderColor: ORANGE,
                                   backgroundColor: '#fff', borderWidth: 2, clip: 8 }));

        draw(`roc-${k}`, {
            type: 'line',
            data: { datasets: [...marks, line('ROC', curve.map(([x, y]) => ({ x, y })), BLUE, { pointRadius: 0 }),
                               diagonal('chance')] },
            options: { scales: { x: unit(['false positive rate', '(0 to 1)']), y: unit('sensitivity (0 to 1)') },
                       plugins: { legend: { display: false } } }
        });
    }

    const small = (id, datasets, scales) => draw(id, {
        type: 'line', data: { datasets }, options: { scales, plugins: { legend: { display: false } } }
    });

    function drawPrecision(finding, k) {
        const curve = curveOf(data.precision_recall, finding);
        const chance = [{ x: 0, y: finding.prevalence }, { x: 1, y: finding.prevalence }];

        small(`pr-${k}`, [line('precision', curve.map(([x, y]) => ({ x, y })), BLUE, { pointRadius: 0 }),
                              dashed('chance', curve.length ? chance : [])],
              { x: unit('recall (0 to 1)'), y: unit('precision (0 to 1)') });
    }

    function drawBenefit(finding, k) {
        const curve = curveOf(data.net_benefit, finding);
        const of = (i) => curve.map((point) => ({ x: 100 * point[0], y: 1000 * point[i] }));
        const best = Math.max(...of(1).map((p) => p.y), 0), all = of(2).map((p) => p.y);
        const low = -0.3 * Math.max(best, ...all, 1); /* treating all falls far: what is below is of no interest */

        small(`benefit-${k}`, [line('model', of(1), BLUE, { pointRadius: 0 }), line('all', of(2), ORANGE, { pointRadius: 0, clip: 0 }),
                                   dashed('none', [{ x: 5, y: 0 }, { x: 30, y: 0 }])],
              { x: axis('act from (per cent)', { type: 'linear', min: 5, max: 30 }), y: axis(['net benefit', '(per 1,000 rows)'], { min: low }) });
    }

    function drawCalibration(finding, k) {
        const bins = curveOf(data.reliability_findings, finding);
        const points = bins.map((b) => ({ x: b.predicted, y: b.positive, rows: b.rows }));
        const most = Math.min(1, Math.max(0.02, ...points.map((p) => Math.max(p.x, p.y))) * 1.1);
        const span = (title) => axis(title, { type: 'linear', min: 0, max: most, ticks: { includeBounds: false } });

        small(`calibration-${k}`, [line('positive', points, BLUE), diagonal('calibrated', most)],
              { x: span('mean predicted (0 to 1)'), y: span('part that is positive (0 to 1)') });
    }

    /* Predictive values at the reader's own prevalence, by Bayes' rule, beside those of the table. */
    function ownPrevalence(input) {
        const part = (right, wrong) => (right + wrong > 0 ? (right / (right + wrong)).toFixed(3) : '–');
        const tell = () => {
            const p = input.valueAsNumber / 100;
            const valid = p >= 0 && p <= 1;

            document.getElementById('prevalence-head').textContent = valid ? `your own, ${input.valueAsNumber} %` : 'your own';
            for (const cell of document.querySelectorAll('td.own')) {
                const { sensitivity: se, specificity: sp } = cell.dataset;

                cell.textContent = valid && se !== undefined
                    ? `${part(se * p, (1 - sp) * (1 - p))} / ${part(sp * (1 - p), (1 - se) * p)}` : '–';
            }
        };

        input.addEventListener('input', tell);
        tell();
    }

    /* The rows without the finding first, so that the others lie on top. Its axes have no unit. A point is x, y and its findings,
     * 32 in a number. */
    function drawMap(points, k) {
        const side = (at) => Math.max(...points.map((p) => Math.abs(p[at]))) * 1.05 || 1;
        const bare = (at) => ({ type: 'linear', min: -side(at), max: side(at), display: false });
        const part = (has, color, radius) => ({ data: points.filter((p) => (p[2 + (k >> 5)] >> (k & 31) & 1) === has).map(([x, y]) => ({ x, y })),
                                                backgroundColor: color, borderWidth: 0, pointRadius: radius });

        draw(`tsne-${k}`, {
            type: 'scatter',
            data: { datasets: [part(1, BLUE, 2.5), part(0, '#d0d7de', 2)] },
            options: { events: [], scales: { x: bare(0), y: bare(1) }, plugins: { legend: { display: false } } }
        });
    }

    function drawNormal(normal) {
        makeRoom('normal', normal.findings.length, false);
        draw('normal', {
            type: 'bar',
            data: { labels: normal.findings.map((f) => cut(f.label)),
                    datasets: [{ data: normal.findings.map((f) => f.false_positive_rate), backgroundColor: GREEN }] },
            options: { indexAxis: 'y', plugins: { legend: { display: false } },
                       scales: { x: unit('false positive rate on normal chests (0 to 1)'),
                                 y: axis('finding', { ticks: { autoSkip: false } }) } }
        });
    }

    if (!location.protocol.startsWith('http'))
        document.querySelectorAll('.served').forEach((link) => link.remove()); /* mailed, or kept: these links lead nowhere */
    Object.assign(Chart.defaults.plugins.legend.labels, { boxWidth: 28, boxHeight: 1 }); /* as lines, not as boxes */
    document.documentElement.classList.add('js');
    drawCombinations();
    if ((data.epochs || []).length) {
        drawEpochs('loss', ['loss', 'val_loss'], data.baseline && data.baseline.validation_loss,
                   'binary cross-entropy (nats)');
        drawEpochs('top5', ['top5_accuracy', 'val_top5_accuracy'], data.baseline && data.baseline.top5_accuracy,
                   'top-5 accuracy (0 to 1)');
    }
    if ((data.epochs || []).length) {
        drawAurocs(data.epochs);
        drawRate(data.epochs);
    }
    document.querySelectorAll('canvas.map').forEach(drawHeat);
    document.querySelectorAll('canvas.scale').forEach((canvas) => Heat.drawBar(canvas, JSON.parse(canvas.dataset.scale)));
    if (data.evaluation) {
        drawProportions(data.evaluation.test);
        drawCurves(data.evaluation.test);
        drawReliability();
        data.evaluation.test.findings.forEach(drawRoc);
        data.evaluation.test.findings.forEach(drawPrecision);
        data.evaluation.test.findings.forEach(drawBenefit);
        data.evaluation.test.findings.forEach(drawCalibration);
        drawNormal(data.evaluation.no_finding);
    }
    if (document.getElementById('prevalence'))
        ownPrevalence(document.getElementById('prevalence'));
    if (data.tsne && data.tsne.points)
        data.tsne.neighbours.forEach((_, k) => drawMap(data.tsne.points, k));
    window.addEventListener('beforeprint', () => charts.forEach((c) => c.resize()));
})();
