"""Medical history as an input, and jobs that see no picture: asked for as a client does, from a training to a prediction."""
import csv
import os
import urllib.parse

from support import client, dataset, picture, program
from support.case import ServerCase, submit, wait_state

COLUMNS = 'Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position'
FILMS = 3
JOB = {'images': 'none', 'inputs': ['age', 'sex', 'view', 'history'], 'max_age': 150}


def line(i):
    """Three films of a patient, the latest first; most of what is found once is found again."""
    patient, film = i // FILMS, FILMS - 1 - i % FILMS
    finding = dataset.LABELS[(patient * 5 + (patient % 7 == film)) % 14]
    return f'{patient:08d}_{film:03d}.png,{finding},{film},{patient + 1},{40 + patient % 30},{"MF"[patient % 2]},{("PA", "AP")[film % 2]}'


def without_pictures():
    """A folder of data sets with one that is a table and nothing else."""
    datasets = program.new_folder('datasets')
    dataset.write_table(os.path.join(datasets, 'table'), [line(i) for i in range(FILMS * 120)], COLUMNS)
    dataset.write_table(os.path.join(datasets, 'old'), [line(i) for i in range(30)], COLUMNS.replace('Follow-up #', 'Visit'))
    return datasets


class WithoutPictures(ServerCase):

    @classmethod
    def setUpClass(cls):
        cls.server = program.Server(datasets=without_pictures(), threads=2)
        cls.addClassCleanup(cls.server.stop)
        cls.job = wait_state(cls.server, submit(cls.server, {**JOB, 'dataset': 'table'}), 'succeeded')
        cls.card = client.get(cls.server, f'/models/{cls.job["model"]}').json()

    def ask(self, body=b'', **given):
        return self.assert_prediction(self.post('/predict?' + urllib.parse.urlencode(given), body))

    def test_the_job_is_of_the_whole_table(self):
        data = self.job['dataset']
        self.assertEqual((data['rows'], data['usable'], data['missing_images']), (FILMS * 120,) * 2 + (0,))
        self.assertEqual(data['unknown']['history'], 0)
        self.assertEqual([epoch['epoch'] for epoch in self.job['epochs']], [1])
        self.assertLess(self.job['validation_loss'], 0.8 * self.job['baseline']['validation_loss'])
        self.assertGreater(self.job['evaluation']['validation']['macro_auroc'], 0.8)
        self.assertEqual(self.job['evaluation']['learning']['answer'], 'learned')
        self.assertIsNone(self.job['evaluation']['test']['inputs_alone'])
        self.assertIn('history', [warning['code'] for warning in self.job['warnings']])

    def test_its_report_and_scores_are_those_of_any_job(self):
        report = self.get(f'/jobs/{self.job["id"]}/report')
        self.assertEqual(report.status, 200)
        self.assertIn('repeats what earlier readers wrote', report.body.decode())
        scores = self.get(f'/jobs/{self.job["id"]}/scores?split=test').body.decode().splitlines()
        self.assertEqual(len(scores), 1 + self.job['dataset']['test'])

    def test_it_can_be_replayed(self):
        again = wait_state(self.server, submit(self.server, {'replay_of': self.job['id']}), 'succeeded')
        self.assertTrue(again['replay']['matched'])

    def test_the_regression_is_solved_as_a_job_says(self):
        first = wait_state(self.server, submit(self.server, {**JOB, 'dataset': 'table', 'inputs_solver': 'cholesky'}), 'succeeded')
        self.assertNotEqual(first['weights_sha256'], self.job['weights_sha256'])
        self.assertAlmostEqual(first['validation_loss'], self.job['validation_loss'], delta=1e-6)
        again = wait_state(self.server, submit(self.server, {'replay_of': first['id']}), 'succeeded')
        self.assertTrue(again['replay']['matched'])
        self.assertEqual(again['config']['inputs_solver'], 'cholesky')

    def test_its_card_says_what_it_is(self):
        self.assertEqual(self.card['architecture'], 'logistic')
        self.assertIsNone(self.card['image_size'])
        self.assertEqual(self.card['inputs'], ['age', 'sex', 'view', 'history'])
        self.assertEqual([warning['code'] for warning in self.card['warnings']], ['history'])

    def test_a_prediction_needs_no_picture(self):
        answer = self.ask(age=50, sex='F', view='PA', history='Mass', history_last='Mass')
        self.assertIsNone(answer['image'])
        self.assertEqual(answer['warnings'], [])
        self.assertEqual([warning['code'] for warning in answer['model']['warnings']], ['history'])
        self.assertEqual(answer['findings'][0]['label'], 'Mass')

    def test_one_that_is_sent_is_not_looked_at_and_it_says_so(self):
        plain = self.ask(history='Mass')
        for body in (picture.noise(1), b'no picture at all'):
            answer = self.ask(body, history='Mass')
            self.assertEqual(answer['probabilities'], plain['probabilities'])
            self.assertIn('image_not_used', [warning['code'] for warning in answer['warnings']])
            self.assertIsNone(answer['image'])

    def test_a_form_may_have_fields_only(self):
        body = b'--b\r\nContent-Disposition: form-data; name="history"\r\n\r\npleural effusion; mass\r\n--b--\r\n'
        reply = self.post('/predict', body, Content_Type='multipart/form-data; boundary=b')
        self.assertEqual(self.assert_prediction(reply)['probabilities'], self.ask(history='Effusion,Mass')['probabilities'])
        self.assert_problem(self.post('/predict', body[:-6], Content_Type='multipart/form-data; boundary=b'), 400)

    def test_there_is_no_map(self):
        for target in ('/predict?explain=Mass', '/predict/heatmap?label=Mass'):
            for body in (b'', picture.noise(1)):
                self.assert_problem(self.post(target, body), 422, 'sees no picture')

    def test_every_history_counts(self):
        answers = [self.ask(**given)['probabilities'] for given in
                   ({}, {'history': 'Mass'}, {'history': 'Nodule'}, {'history': 'Mass,Nodule'}, {'history': 'No Finding'},
                    {'history': 'none'}, {'history': 'Mass', 'history_last': 'No Finding'}, {'history_last': 'Mass'})]
        for i, answer in enumerate(answers):
            self.assertNotIn(answer, answers[:i])
        self.assertEqual(self.ask(history='none')['probabilities'], self.ask(history='none', history_last='none')['probabilities'])

    def test_what_is_missing_is_warned_of(self):
        def missing(**given):
            return [w['detail'].split("'")[1] for w in self.ask(age=50, sex='F', view='PA', **given)['warnings']]

        self.assertEqual(missing(), ['history'])
        self.assertEqual(missing(history='Mass'), ['history_last'])
        self.assertEqual(missing(history_last='Mass'), ['history'])
        self.assertEqual(missing(history='none'), [])

    def test_words_that_are_not_known_are_named(self):
        for query, says in (('history=Mass,foo', "'foo'"), ('history_last=bar', "'bar'"), ('history=No+Finding,Mass', 'both'),
                            ('history=none&history_last=Mass', 'none'),
                            ('history=No+Finding&history_last=Mass', 'no earlier film showed'),
                            ('history_last=Mass&history=No+Finding', 'no earlier film showed'), ('history=%s' % ('Mass,' * 410), 'query')):
            reply = self.post('/predict?' + query)
            self.assertIn(reply.status, (400, 422))
            self.assert_problem(reply, reply.status, says)

    def test_cxrd_predict_says_the_same(self):
        weights = os.path.join(program.new_folder('weights'), 'w')
        with open(weights, 'wb') as file:
            file.write(self.get(f'/models/{self.job["model"]}/weights').body)
        for given in (('--history', 'Effusion,mass', '--history-last', 'No Finding', '--age', '50 years'), ('--history', 'none')):
            here = program.run('predict', '--weights', weights, '--json', *given)
            there = program.run('predict', '--url', self.server.url, '--json', *given)
            self.assertEqual((here.returncode, there.returncode), (0, 0), here.stderr + there.stderr)
            self.assertEqual(*(done.stdout.split('"findings"')[0].split('"probabilities"')[1] for done in (here, there)))
        self.assertIn('no picture', program.run('inspect', weights).stdout)

    def test_a_course_in_a_request_is_that_of_the_table(self):
        job = wait_state(self.server, submit(self.server, {**JOB, 'dataset': 'table', 'inputs': ['history', 'course']}), 'succeeded')
        self.assertEqual(self.get(f'/models/{job["model"]}').json()['inputs'], ['history', 'course'])
        self.assertEqual([w['code'] for w in self.get(f'/models/{job["model"]}').json()['warnings']], ['history'])
        again = wait_state(self.server, submit(self.server, {'replay_of': job['id']}), 'succeeded')
        self.assertTrue(again['replay']['matched'])
        self.post(f'/models/{job["model"]}/activate')
        self.addCleanup(self.post, f'/models/{self.job["model"]}/activate')
        found = {text.split(',')[0]: text.split(',')[1] for text in map(line, range(FILMS * 120))}
        scores = csv.DictReader(self.get(f'/jobs/{job["id"]}/scores?split=test').body.decode().splitlines())
        for row in list(scores)[:2 * FILMS]:
            name, film = row['image'][:8], int(row['image'][9:12])
            earlier = '/'.join(found[f'{name}_{i:03d}.png'] for i in range(film)) or 'none'
            answer = self.ask(course=earlier)
            self.assertEqual(answer['warnings'], [])
            for label, probability in answer['probabilities'].items():
                self.assertAlmostEqual(probability, float(row[f'prob_{label}']), delta=1e-6)
        self.assertEqual([w['detail'].split("'")[1] for w in self.ask()['warnings']], ['course', 'history'])
        beside = self.ask(history='Mass', history_last='Mass')['warnings']
        self.assertEqual([w['code'] for w in beside], ['missing_input'])
        self.assertIn('beside the history', beside[0]['detail'])
        self.assert_problem(self.post('/predict?course=Mass&history=Mass'), 422, "'course'")
        self.assert_problem(self.post('/predict?course=Mass//Mass'), 422, 'empty')

    def test_no_training_begins_from_it(self):
        self.assert_wrong_fields(self.post_json('/jobs/train', {'dataset': 'table', 'init': self.job['model']}), 'init')

    def test_what_does_not_go_together_is_named(self):
        self.assert_wrong_fields(self.post_json('/jobs/train', {'dataset': 'table', 'images': 'none'}), 'inputs')
        self.assert_wrong_fields(self.post_json('/jobs/train', {**JOB, 'dataset': 'table', 'balance': 'weight'}), 'balance')

    def test_a_table_without_follow_ups_has_no_history(self):
        failed = wait_state(self.server, submit(self.server, {**JOB, 'dataset': 'old'}), 'failed')
        self.assertIn("'Follow-up #'", failed['error'])
        failed = wait_state(self.server, submit(self.server, {**JOB, 'dataset': 'old', 'inputs': ['course']}), 'failed')
        self.assertIn('"course"', failed['error'])
        wait_state(self.server, submit(self.server, {**JOB, 'dataset': 'old', 'inputs': ['age']}), 'succeeded')


class BesidePictures(ServerCase):
    with_data = True
    threads = 2

    def test_a_network_is_held_against_its_inputs(self):
        job = {'image_size': dataset.SIZE, 'epochs': 1, 'batch_size': 8, 'inputs': ['age', 'sex', 'history']}
        record = wait_state(self.server, submit(self.server, job), 'succeeded')
        for split in ('validation', 'test'):
            network, alone = record['evaluation'][split], record['evaluation'][split]['inputs_alone']
            self.assertAlmostEqual(alone['loss'] - network['loss'], alone['loss_gain'], delta=1e-6)
            self.assertLessEqual(alone['loss_gain_low'], alone['loss_gain'])
            self.assertGreaterEqual(alone['loss_gain_high'], alone['loss_gain'])
        report = self.get(f'/jobs/{record["id"]}/report').body.decode()
        self.assertIn('Beside the inputs alone', report)
        plain = wait_state(self.server, submit(self.server, {**job, 'inputs': []}), 'succeeded')
        self.assertIsNone(plain['evaluation']['test']['inputs_alone'])
