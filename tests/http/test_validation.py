"""A validation: its figures worked out again, findings that a table lacks, and whether the rows are strangers."""
import csv
import json
import os
import shutil

from support import client, dataset, picture, program
from support.case import QUICK, Case, import_model, submit, wait_state
from test_scoring import ended, folder, start, table_of

COLUMNS = 'Image Index,Finding Labels,Patient ID,Patient Age,Patient Sex,View Position'


def site_name(i):
    return f'site_{i:03d}.png'


def site_line(i):
    words = ('Pleuraerguss', 'Normal', 'Raumforderung', 'Pleuraerguss|Fraktur')[i % 4]
    return f'{site_name(i)},{words},{i // 2},{30 + i},{"MF"[i % 2]},PA'


def site(datasets, name, rows=32):
    """Another hospital's pictures, in its own words."""
    folder(datasets, name, COLUMNS, [site_line(i) for i in range(rows)],
           {site_name(i): picture.noise(500 + i, dataset.SIZE, dataset.SIZE) for i in range(rows)})


WORDS = {'Effusion': ['Pleuraerguss'], 'Mass': 'Raumforderung', 'No Finding': ['Normal']}


def auroc(pairs):
    wins = [(p > q) + (p == q) / 2 for t, p in pairs if t for u, q in pairs if not u]
    return sum(wins) / len(wins)


class Validation(Case):
    @classmethod
    def setUpClass(cls):
        cls.datasets = program.new_folder('datasets')
        shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(cls.datasets, 'tiny'))
        site(cls.datasets, 'site')
        cls.server = program.Server(datasets=cls.datasets)
        cls.addClassCleanup(cls.server.stop)
        job = submit(cls.server, {**QUICK, 'dataset': 'tiny', 'drop_no_finding': False, 'promote': 'always',
                                  'split_by': 'patient', 'test_fraction': 0.4})
        cls.trained = wait_state(cls.server, job, 'succeeded')
        cls.model = client.get(cls.server, f'/models/{cls.trained["model"]}').json()
        cls.record = ended(cls.server, 'validate', {'dataset': 'site', 'labels': WORDS, 'other_words': 'ignore'})
        cls.rows = table_of(cls.server, cls.record['id'], '?split=test')

    def finding(self, name):
        return next(f for f in self.record['evaluation']['test']['findings'] if f['label'] == name)

    def test_only_the_findings_of_the_table_are_scored(self):
        scored = self.record['scored']
        self.assertEqual(scored['findings'], ['Effusion', 'Mass'])
        self.assertEqual(sorted(scored['findings'] + scored['not_scored']), sorted(dataset.LABELS))
        self.assertIn('findings_not_scored', [w['code'] for w in self.record['warnings']])
        for row in self.rows:
            for label in dataset.LABELS:
                self.assertEqual(row[f'true_{label}'] != '', label in ('Effusion', 'Mass'), label)
        hernia = self.finding('Hernia')
        self.assertEqual((hernia['positives'], hernia['unknown'], hernia['auroc'], hernia['prevalence']), (0, 32, None, None))
        self.assertIsNone(hernia['operating_points']['youden']['specificity'])

    def test_figures_are_those_of_the_scores(self):
        self.assertEqual(len(self.rows), 32)
        for i, row in enumerate(self.rows):
            self.assertEqual((row['image'], row['true_Effusion'], row['true_Mass']),
                             (site_name(i), str(int(i % 2 == 0 and i % 4 != 2 or i % 4 == 3)), str(int(i % 4 == 2))))
        for label in ('Effusion', 'Mass'):
            finding = self.finding(label)
            pairs = [(int(row[f'true_{label}']), float(row[f'prob_{label}'])) for row in self.rows]
            self.assertAlmostEqual(finding['auroc'], auroc(pairs), delta=1e-6)
            self.assertLess(finding['auroc_low'], finding['auroc_high'])
            for kind, point in finding['operating_points'].items():
                own = self.model['operating_points'][label][kind]
                self.assertEqual(point['threshold'], own)
                if own is None:
                    continue
                called = [t for t, p in pairs if p >= own]
                self.assertAlmostEqual(point['positive_rate'], len(called) / 32, delta=1e-9)
                self.assertAlmostEqual(point['sensitivity'], sum(called) / sum(t for t, _ in pairs), delta=1e-9)
                left = [t for t, p in pairs if p < own]
                if called:
                    self.assertAlmostEqual(point['ppv'], sum(called) / len(called), delta=1e-9)
                    self.assertLess(point['ppv_low'], point['ppv_high'])
                if left:
                    self.assertAlmostEqual(point['npv'], 1 - sum(left) / len(left), delta=1e-9)

    def test_it_has_what_a_training_has(self):
        evaluation, training = self.record['evaluation'], self.trained['evaluation']
        self.assertEqual(sorted(evaluation), sorted(training))
        self.assertIsNone(evaluation['validation'])
        self.assertLessEqual(set(training['test']), set(evaluation['test']))
        self.assertEqual(evaluation['no_finding']['rows'], 8)
        self.assertEqual(self.record['scored']['own'], self.model['operating_points'])
        rows = table_of(self.server, self.record['id'])
        self.assertEqual({row['split'] for row in rows}, {'test'})
        self.assertEqual(len({row['patient'] for row in rows}), 16)
        report = client.get(self.server, f'/jobs/{self.record["id"]}/report')
        self.assertEqual(report.status, 200)
        self.assertIn('validation', report.body.decode().lower())
        self.assertIsNone(self.record['model'])

    def test_two_models_are_compared_on_the_same_rows(self):
        other = ended(self.server, 'validate', {'dataset': 'site', 'labels': WORDS, 'other_words': 'ignore'})
        answer = client.get(self.server, f'/jobs/{self.record["id"]}/compare?with={other["id"]}')
        self.assertEqual(answer.status, 200, answer)

    def test_words_that_nobody_knows_are_refused(self):
        job = start(self.server, 'validate', {'dataset': 'site', 'labels': WORDS})
        record = wait_state(self.server, job, 'failed')
        self.assertIn("'Fraktur'", record['error'])
        job = start(self.server, 'validate', {'dataset': 'site', 'other_words': 'ignore'})
        self.assertIn('none of the model', wait_state(self.server, job, 'failed')['error'])


class Strangers(Case):
    """Whether a validation is external goes by what is known of the model's rows."""

    @classmethod
    def setUpClass(cls):
        cls.datasets = program.new_folder('datasets')
        shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(cls.datasets, 'tiny'))
        cls.lines = [dataset.line(i) for i in range(dataset.ROWS)]
        for name, pick in (('same_table', None), ('some_pictures', lambda i: i < 12), ('same_patients', lambda i: True)):
            target = os.path.join(cls.datasets, name)
            shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), target)
            if pick:
                dataset.write_table(target, [line for i, line in enumerate(cls.lines) if pick(i)])
        site(cls.datasets, 'elsewhere')
        site(cls.datasets, 'forgetful')
        cls.server = program.Server(datasets=cls.datasets)
        cls.addClassCleanup(cls.server.stop)
        job = submit(cls.server, {**QUICK, 'dataset': 'tiny', 'drop_no_finding': False, 'promote': 'always', 'split_by': 'image',
                                  'test_fraction': 0.5})
        cls.trained = wait_state(cls.server, job, 'succeeded')
        rows = table_of(cls.server, job, '?split=all')
        cls.learned = {row['image'] for row in rows if row['split'] in ('train', 'validation')}

    def scored(self, name, **more):
        return ended(self.server, 'validate', {'dataset': name, **more})

    def test_what_it_may_have_learned_from_is_not_external(self):
        for name, says in (('tiny', 'this very table'), ('same_table', 'this very table'),
                           ('some_pictures', 'pictures have the name')):
            with self.subTest(name=name):
                record = self.scored(name)
                self.assertIs(record['scored']['external'], False)
                self.assertIn(says, record['scored']['reason'])
                self.assertIn('not_external', [w['code'] for w in record['warnings']])
                known = {row['image'] for row in table_of(self.server, record['id'], '?split=test')}
                self.assertEqual(record['scored']['in_common']['pictures'], len(known & self.learned))

    def test_a_profile_is_made_of_pictures_that_were_not_learned_from(self):
        profiles = f'/models/{self.trained["model"]}/profiles'
        learned = self.scored('tiny')
        refused = client.post_json(self.server, profiles, {'validation': learned['id']})
        self.assert_problem(refused, 409, f'{learned["scored"]["in_common"]["pictures"]} of the validation')
        with open(os.path.join(self.datasets, 'tiny', 'tested.txt'), 'w', encoding='ascii') as out:
            out.write('\n'.join(dataset.name(i) for i in range(dataset.ROWS) if dataset.name(i) not in self.learned))
        tested = self.scored('tiny', rows='tested.txt')
        patients = tested['scored']['in_common']['patients']
        self.assertGreater(patients, 0)
        self.assert_problem(client.post_json(self.server, profiles, {'validation': tested['id']}), 409,
                            f"{patients} of the validation's patients")
        known = {dataset.patient(i) for i in range(dataset.ROWS) if dataset.name(i) in self.learned}
        with open(os.path.join(self.datasets, 'tiny', 'strangers.txt'), 'w', encoding='ascii') as out:
            out.write('\n'.join(dataset.name(i) for i in range(dataset.ROWS) if dataset.patient(i) not in known))
        strangers = self.scored('tiny', rows='strangers.txt')
        self.assertEqual(client.post_json(self.server, profiles, {'validation': strangers['id']}).status, 201)

    def test_a_patient_whose_other_picture_was_learned_is_told(self):
        """The list leaves the learned pictures out; their patients are in the table."""
        strangers = [row for row in csv.DictReader([dataset.COLUMNS.rstrip(','), *(line.rstrip(',') for line in self.lines)])
                     if row['Image Index'] not in self.learned]
        patients = {row['Patient ID'] for row in csv.DictReader([dataset.COLUMNS.rstrip(','), *(line.rstrip(',') for line in self.lines)])
                    if row['Image Index'] in self.learned}
        table = os.path.join(self.datasets, 'same_patients')
        dataset.write_table(table, self.lines[:-3])
        with open(os.path.join(table, 'others.txt'), 'w', encoding='ascii') as out:
            out.write('\n'.join(row['Image Index'] for row in strangers))
        record = self.scored('same_patients', rows='others.txt')
        common = record['scored']['in_common']
        self.assertEqual(common['pictures'], 0)
        scored = {row['image'] for row in table_of(self.server, record['id'], '?split=test')}
        expected = {row['Patient ID'] for row in strangers if row['Image Index'] in scored} & patients
        self.assertEqual(common['patients'], len(expected))
        self.assertIs(record['scored']['external'], False if expected else True)

    def test_a_patient_is_known_whose_learned_picture_is_no_longer_in_the_table(self):
        """By the code that the training left of each patient."""
        rows = [dataset.line(i) for i in range(dataset.ROWS)]
        dataset.write_table(os.path.join(self.datasets, 'years'), rows)
        dataset.write_images(os.path.join(self.datasets, 'years'))
        job = submit(self.server, {**QUICK, 'dataset': 'years', 'drop_no_finding': False, 'split_by': 'image'})
        model = wait_state(self.server, job, 'succeeded')['model']
        learned = {row['image'] for row in table_of(self.server, job, '?split=all') if row['split'] in ('train', 'validation')}
        dataset.write_table(os.path.join(self.datasets, 'years'),
                            [line for i, line in enumerate(rows) if dataset.name(i) not in learned])
        record = self.scored('years', model=model, max_age=1000)
        expected = {dataset.patient(i) for i in range(dataset.ROWS) if dataset.name(i) not in learned} & \
            {dataset.patient(i) for i in range(dataset.ROWS) if dataset.name(i) in learned}
        self.assertGreater(len(expected), 0)
        self.assertEqual((record['scored']['external'], record['scored']['in_common']['pictures'], record['scored']['in_common']['patients']),
                         (False, 0, len(expected)))
        self.assertIn('patients have a picture', record['scored']['reason'])

    def test_strangers_are_external_unless_nothing_is_known(self):
        words = {'Effusion': 'Pleuraerguss', 'No Finding': 'Normal'}
        record = self.scored('elsewhere', labels=words, other_words='ignore')
        self.assertIs(record['scored']['external'], True)
        self.assertIsNone(record['scored']['reason'])
        self.assertEqual(record['scored']['in_common'], {'pictures': 0, 'patients': 0, 'rows': 0})
        weights = client.get(self.server, f'/models/{self.trained["model"]}/weights').body
        reply = client.post(self.server, '/models', weights, Content_Type='application/octet-stream')
        record = self.scored('elsewhere', labels=words, other_words='ignore', model=reply.json()['id'])
        self.assertIsNone(record['scored']['external'])
        self.assertIsNone(record['scored']['in_common'])
        record = self.scored('tiny', model=reply.json()['id'])
        self.assertIs(record['scored']['external'], False)

    def test_forgotten_patients_are_not_scored(self):
        words = {'Effusion': 'Pleuraerguss', 'No Finding': 'Normal'}
        reply = client.post_json(self.server, '/patients/forget', {'dataset': 'forgetful', 'patient_id': '3'})
        self.assertEqual(reply.status // 100, 2, reply)
        record = self.scored('forgetful', labels=words, other_words='ignore')
        self.assertEqual(record['dataset']['forgotten'], {'rows': 2, 'patients': 1})
        scored = {row['image'] for row in table_of(self.server, record['id'], '?split=test')}
        self.assertEqual(len(scored), 30)
        self.assertFalse(scored & {site_name(6), site_name(7)})


class AtTheCommandLine(Case):
    def test_it_says_what_a_job_says(self):
        out = os.path.join(program.new_folder('out'), 'v')
        command = ('validate', '--datasets', dataset.tiny(), '--weights', dataset.weights_path(), '--out', out, '--threads', '2')
        done = program.run(*command, '--set', 'labels=["Effusion","Mass"]')
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('macro AUROC', done.stderr)
        self.assertEqual(sorted(os.listdir(out)), ['job.json', 'report.html', 'report_mail.html', 'scores.csv', 'scores_no_finding.csv', 'scores_test.csv'])
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
            record = json.load(file)
        self.assertEqual((record['state'], record['scored']['findings'], record['scored']['external']), ('succeeded', ['Effusion', 'Mass'], False))
        server = program.Server(datasets=dataset.tiny())
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        job = ended(server, 'validate', {'dataset': 'tiny', 'labels': ['Effusion', 'Mass']})
        self.assertEqual(job['evaluation'], record['evaluation'])
        with open(os.path.join(out, 'scores_test.csv'), encoding='utf-8') as file:
            self.assertEqual(file.read(), client.get(server, f'/jobs/{job["id"]}/scores?split=test').body.decode())
        for report in ('report.html', 'report_mail.html'):
            with open(os.path.join(out, report), encoding='utf-8') as file:
                page = file.read()
            self.assertIn('Validation on tiny', page)
            self.assertIn('Not an external validation', page)
            self.assertEqual(dataset.name(1) in page, report == 'report.html')
        again = program.run(*command)
        self.assertNotEqual(again.returncode, 0)
        only = program.run(*command, '--overwrite', '--scores-only')
        self.assertEqual(only.returncode, 0, only.stderr)
        with open(os.path.join(out, 'scores.csv'), encoding='utf-8') as file:
            self.assertEqual(next(file).split(',')[-1], 'error\n')

    def test_what_is_wrong_is_said(self):
        for more, says in ((('--set', 'labels=["Gout"]'), 'Gout'), (('--set', 'epochs=3'), 'epochs'), (('--dataset', 'none'), 'data set')):
            done = program.run('validate', '--datasets', dataset.tiny(), '--weights', dataset.weights_path(), '--out',
                               os.path.join(program.new_folder('out'), 'v'), *more)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn(says, done.stderr)
