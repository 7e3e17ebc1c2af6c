"""Subgroups of the test rows: worked out again from the scores and the table, slowly."""
import collections
import csv
import html
import json
import os
import re
import unittest

from support import client, dataset, picture, program
from support.case import Case, submit, wait_state

ROWS = 72
SCANNER = '=Acme <1>'  # a name is text, whatever a browser or a spreadsheet would make of it


def name(i):
    return ('=1+1,"x".png', '@2.png', '-3.png')[i] if i < 3 else f'{i:08d}.png'


def guarded(text):
    """As a spreadsheet must see it."""
    return "'" + text if text[0] in '=@-' else text


def line(i):
    """Three films of two patients each; two of three have a Mass; the first eight are of nobody knows which scanner."""
    words = 'Mass' if i % 3 else 'Effusion'
    return (f'"{name(i).replace(chr(34), chr(34) * 2)}",{words},{i // 3 * 2 + i % 2},{15 + i},{"MF"[i // 3 % 2]},{("PA", "AP", "LL")[i % 5 % 3]},'
            f'{"" if i < 8 else SCANNER}')


def table():
    return list(csv.DictReader(['image,words,patient,age,sex,view,scanner', *(line(i) for i in range(ROWS))]))


def make():
    datasets = program.new_folder('datasets')
    folder = os.path.join(datasets, 'grouped')
    dataset.write_table(folder, [line(i) for i in range(ROWS)],
                        'Image Index,Finding Labels,Patient ID,Patient Age,Patient Sex,View Position,Manufacturer')
    images = os.path.join(folder, 'images_001', 'images')
    os.makedirs(images)
    for i in range(ROWS):
        with open(os.path.join(images, name(i)), 'wb') as file:
            file.write(picture.noise(i, dataset.SIZE, dataset.SIZE))
    return datasets


def auroc(rows):
    pairs = [(p > q) + (p == q) / 2 for t, p in rows if t for u, q in rows if not u]
    return sum(pairs) / len(pairs)


class GroupedCase(Case):
    """A job on the table above, and what it says."""

    @classmethod
    def setUpClass(cls):
        cls.server = program.Server(datasets=make())
        cls.addClassCleanup(cls.server.stop)
        cls.job = job = submit(cls.server, {'dataset': 'grouped', 'image_size': dataset.SIZE, 'epochs': 1, 'steps_per_epoch': 2,
                                  'batch_size': 8, 'test_fraction': 0.6, 'split_by': 'patient'})
        cls.record = wait_state(cls.server, job, 'succeeded')
        cls.groups = cls.record['evaluation']['groups']
        cls.report = client.get(cls.server, f'/jobs/{job}/report').body.decode()
        scores = client.get(cls.server, f'/jobs/{job}/scores?split=test').body.decode()
        known = {guarded(row['image']): row for row in table()}
        cls.rows = [(known[row['image']], int(row['true_Mass']), float(row['prob_Mass']))
                    for row in csv.DictReader(scores.splitlines())]


class GroupsTest(GroupedCase):
    def belongs(self, row, by, group):
        if by == 'age':
            low, _, high = group.rstrip('+').partition('-')
            return int(low) <= int(row['age']) <= int(high or 999)
        return row[by] == {'unknown': '', 'other': 'LL'}.get(group, group)

    def test_every_test_row_is_in_one_group_of_each_kind(self):
        rows = {}
        for group in self.groups['groups']:
            of_it = [row for row, _, _ in self.rows if self.belongs(row, group['by'], group['group'])]
            self.assertEqual((group['rows'], group['patients']), (len(of_it), len({row['patient'] for row in of_it})),
                             group['group'])
            rows[group['by']] = rows.get(group['by'], 0) + group['rows']
            self.assertEqual([f['label'] for f in group['findings']], list(dataset.LABELS))
        self.assertEqual(rows, dict.fromkeys(('sex', 'age', 'view', 'scanner'), self.record['dataset']['test']))

    def test_figures_are_those_of_the_scores(self):
        known = 0
        threshold = next(f['threshold'] for f in self.record['evaluation']['test']['findings'] if f['label'] == 'Mass')
        for group in self.groups['groups']:
            mass = next(f for f in group['findings'] if f['label'] == 'Mass')
            rows = [(truth, prob) for row, truth, prob in self.rows if self.belongs(row, group['by'], group['group'])]
            positives = sum(truth for truth, _ in rows)
            self.assertEqual(mass['positives'], positives)
            if min(positives, len(rows) - positives) < 10:
                self.assertEqual({v for k, v in mass.items() if k not in ('label', 'positives', 'positive_patients')}, {None})
                continue
            known += 1
            called = [truth for truth, prob in rows if prob >= threshold]
            self.assertAlmostEqual(mass['auroc'], auroc(rows), places=6)
            self.assertAlmostEqual(mass['sensitivity'], sum(called) / positives, places=6)
            self.assertAlmostEqual(mass['false_positive_rate'], called.count(0) / (len(rows) - positives), places=6)
            self.assertAlmostEqual(mass['specificity_high'], 1 - mass['false_positive_rate_low'], places=6)
        self.assertGreater(known, 0, 'nothing is known of any group: the test says nothing')

    def test_decisions_are_those_of_the_scores(self):
        decision = self.record['evaluation']['decision']
        self.assertEqual(decision['rows'], len(self.rows))
        mass = next(f for f in decision['findings'] if f['label'] == 'Mass')
        calls = collections.Counter((prob >= mass['threshold'], truth) for _, truth, prob in self.rows)
        self.assertEqual([mass[name] for name in ('true_positives', 'false_positives', 'true_negatives', 'false_negatives')],
                         [calls[True, 1], calls[True, 0], calls[False, 0], calls[False, 1]])
        if calls[True, 1] + calls[True, 0]:
            self.assertAlmostEqual(mass['ppv'], calls[True, 1] / (calls[True, 1] + calls[True, 0]), places=6)
        for benefit in mass['net_benefit']:
            weight = benefit['threshold'] / (1 - benefit['threshold'])
            worth = [1 if truth else -weight for _, truth, _ in self.rows]
            model = sum(w for w, (_, _, prob) in zip(worth, self.rows) if prob >= benefit['threshold']) / len(worth)
            self.assertAlmostEqual(benefit['model'], model, places=6)
            self.assertAlmostEqual(benefit['treat_all'], sum(worth) / len(worth), places=6)
            self.assertAlmostEqual(benefit['gain'], model - max(0, sum(worth) / len(worth)), places=6)
        hernia = next(f for f in decision['findings'] if f['label'] == 'Hernia')
        self.assertEqual({hernia[name] for name in ('ppv', 'npv', 'calibration_slope', 'threshold', 'true_positives')}, {None})

    def test_the_report_shows_the_worst_errors(self):
        shown = re.findall(r'data-map="([^"]+)" data-scale=\'[^\']+\'></canvas></div>'
                           r'<figcaption><b>Mass: ([0-9.]+)</b>, but has (\w+)<br>([^<]+)<',
                           self.report)
        without, having = max(p for _, t, p in self.rows if not t), min(p for _, t, p in self.rows if t)
        self.assertEqual([(p, what) for _, p, what, _ in shown], [(f'{without:.3f}', 'Effusion'), (f'{having:.3f}', 'it')])
        named = {row['image']: prob for row, _, prob in self.rows}
        for (grid, _, _, image), prob in zip(shown, (without, having)):
            self.assertEqual(named[html.unescape(image)], prob)
            self.assertEqual([len(row.split(',')) for row in grid.split(';')], [dataset.SIZE // 16] * (dataset.SIZE // 16))

    def test_every_epoch_tells_its_rate_and_aurocs(self):
        for epoch in self.record['epochs']:
            known = [a for a in epoch['val_auroc'] if a is not None]
            self.assertEqual(len(epoch['val_auroc']), 14)
            self.assertAlmostEqual(sum(known) / len(known), epoch['val_macro_auroc'], places=6)
            self.assertTrue(0 < epoch['learning_rate'] <= self.record['config']['learning_rate'])

    def test_the_report_shows_decisions(self):
        for told in ('<h2>Decisions</h2>', 'PPV / NPV at other prevalences', 'id="prevalence"', '<h3>Decision curves</h3>',
                     'data-sensitivity="', 'Calibration of each finding'):
            self.assertIn(told, self.report)

    def test_the_report_shows_them(self):
        for told in ('<h2>Subgroups</h2>', 'Groups of the test rows', '<h3>By sex</h3>', '<h3>By age in years</h3>',
                     '=Acme &lt;1&gt;', f'{self.groups["comparisons"]} differences were looked at'):
            self.assertIn(told, self.report)
        self.assertNotIn(SCANNER, self.report)


class FlowTest(Case):
    """Rows and patients from the table to the split, counted again."""

    def test_rows_and_patients_are_counted_at_each_step(self):
        datasets = program.new_folder('datasets')
        folder = os.path.join(datasets, 'flow')
        dataset.write_table(folder)
        dataset.write_images(folder, range(8, dataset.ROWS))  # the first four patients have no picture
        out = os.path.join(program.new_folder('out'), 'out')
        done = program.run('train', '--datasets', datasets, '--out', out, '--set', 'epochs=0')
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
            data = json.load(file)['dataset']
        with open(os.path.join(out, 'report.html'), encoding='utf-8') as file:
            report = file.read()
        steps = {entry['step']: (entry['rows'], entry['patients']) for entry in data['flow']}
        self.assertEqual(list(steps), ['table', 'age', 'findings', 'pictures', 'used', 'train', 'validation', 'test', 'normal'])
        rows = list(range(dataset.ROWS))
        young = [i for i in rows if i < dataset.ROWS - dataset.OLD]
        ill = [i for i in young if dataset.findings(i) != ['No Finding']]
        seen = [i for i in ill if i >= 8]
        for step, of_it in (('table', rows), ('age', young), ('findings', ill), ('pictures', seen), ('used', seen)):
            self.assertEqual(steps[step], (len(of_it), len({i // 2 for i in of_it})), step)
        for part in ('train', 'validation', 'test'):
            self.assertEqual(steps[part][0], data[part])
        self.assertEqual(sum(steps[part][1] for part in ('train', 'validation', 'test')), steps['used'][1], 'split by patient')
        lost = steps['findings'][1] - steps['pictures'][1]
        self.assertIn(f'No picture: {len(ill) - len(seen)} rows, all rows of {lost} patients', report)
        self.assertIn(f'<b>Used</b><br>{len(seen)} rows<br>{steps["used"][1]} patients', report)


class AllScoresTest(GroupedCase):
    """The file of all rows, of the same job."""

    def all(self, job=None):
        reply = client.get(self.server, f'/jobs/{job or self.job}/scores?split=all')
        self.assertEqual((reply.status, reply.headers['content-type']), (200, 'text/csv; charset=utf-8'))
        return list(csv.DictReader(reply.body.decode().splitlines()))

    def test_every_row_of_every_split_is_there(self):
        rows = self.all()
        data = self.record['dataset']
        self.assertEqual(list(rows[0]), ['image', 'patient', 'age', 'sex', 'view', 'split',
                                         *(f'true_{label}' for label in dataset.LABELS),
                                         *(f'prob_{label}' for label in dataset.LABELS)])
        self.assertEqual(collections.Counter(row['split'] for row in rows),
                         {split: data[split] for split in ('train', 'validation', 'test')})
        self.assertEqual(sorted(row['image'] for row in rows), sorted(guarded(name(i)) for i in range(ROWS)))

    def test_it_says_what_the_table_and_the_other_files_say(self):
        known = {guarded(row['image']): row for row in table()}
        others = {}
        for split in ('validation', 'test'):
            body = client.get(self.server, f'/jobs/{self.job}/scores?split={split}').body.decode()
            others.update({row['image']: row for row in csv.DictReader(body.splitlines())})
        for row in self.all():
            of_table = known[row['image']]
            self.assertEqual((row['age'], row['sex'], row['view']),
                             (of_table['age'], of_table['sex'], of_table['view'].replace('LL', 'other')))
            if row['split'] == 'train':
                self.assertEqual(row['true_Mass'], str(int(of_table['words'] == 'Mass')))
                self.assertTrue(0 <= float(row['prob_Mass']) <= 1)
                continue
            for column, value in others.pop(row['image']).items():
                self.assertEqual(row[column], value)
        self.assertEqual(others, {})

    def test_patients_are_told_apart_and_not_told(self):
        known = {guarded(row['image']): row['patient'] for row in table()}
        pairs = {(known[row['image']], row['patient']) for row in self.all()}
        self.assertEqual(len(pairs), len(set(known.values())))
        self.assertEqual(len({shown for _, shown in pairs}), len(pairs))
        for _, shown in pairs:
            self.assertRegex(shown, '^[0-9a-f]{16}$')
        again = submit(self.server, {'replay_of': self.job})
        wait_state(self.server, again, 'succeeded')
        self.assertFalse({shown for _, shown in pairs} & {row['patient'] for row in self.all(again)},
                         'another file, other numbers')

    def test_a_job_without_a_model_has_none(self):
        nothing = submit(self.server, {'dataset': 'grouped', 'epochs': 0})
        wait_state(self.server, nothing, 'succeeded')
        self.assert_problem(client.get(self.server, f'/jobs/{nothing}/scores?split=all'), 404, 'no scores')


if __name__ == '__main__':
    unittest.main()
