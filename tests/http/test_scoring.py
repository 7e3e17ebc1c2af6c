"""Jobs that score a data set, and that validate a model there: the same answers as /predict, the same figures as by hand."""
import csv
import os
import shutil

from support import client, dataset, dicom, jpeg, picture, program
from support.case import LONG, QUICK, Case, import_model, job_of, submit, wait_state

ODD = '=1+1,"x".png'  # a name that a spreadsheet would run, and that has to be quoted


def start(server, kind, job, **headers):
    reply = client.post_json(server, f'/jobs/{kind}', job, **headers)
    if reply.status != 202:
        raise AssertionError(f'job refused: {reply}')
    return reply.json()['id']


def ended(server, kind, job):
    return wait_state(server, start(server, kind, job), 'succeeded')


def table_of(server, job, query=''):
    reply = client.get(server, f'/jobs/{job}/scores{query}')
    if reply.status != 200:
        raise AssertionError(f'scores: {reply}')
    return list(csv.DictReader(reply.body.decode().splitlines()))


def folder(datasets, name, columns, lines, files):
    images = os.path.join(datasets, name, 'images_001', 'images')
    os.makedirs(images)
    dataset.write_table(os.path.join(datasets, name), lines, columns)
    for file, data in files.items():
        with open(os.path.join(images, file), 'wb') as out:
            out.write(data)


def grey(i):
    return [[(x * 3 + y * 5 + 40 * i) % 256 for x in range(dataset.SIZE)] for y in range(dataset.SIZE)]


FILES = {
    'a.png': picture.noise(70, dataset.SIZE, dataset.SIZE), 'b.dcm': dicom.film(grey(1)),
    'c.jpg': jpeg.squares([[0, 90, 180, 240]] * 4), 'd.png': dataset.image(3)[:200],
    ODD: picture.noise(71, dataset.SIZE, dataset.SIZE),
}
CONTENT = {'a.png': 'image/png', 'b.dcm': 'application/dicom', 'c.jpg': 'image/jpeg', ODD: 'image/png'}


def cell(name):
    return '"' + name.replace('"', '""') + '"'


def mixed(datasets):
    """All formats, a broken picture, a row without one; nothing said of findings."""
    folder(datasets, 'mixed', 'Image Index,Patient ID,Patient Age,Patient Sex,View Position',
           [f'{cell(name)},{i},50,F,PA' for i, name in enumerate([*FILES, 'gone.png'])], FILES)


class Scoring(Case):
    @classmethod
    def setUpClass(cls):
        cls.datasets = program.new_folder('datasets')
        shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(cls.datasets, 'tiny'))
        mixed(cls.datasets)
        cls.server = program.Server(datasets=cls.datasets)
        cls.addClassCleanup(cls.server.stop)
        cls.model = import_model(cls.server, dataset.weights())

    def test_every_picture_gets_the_answer_of_predict(self):
        record = ended(self.server, 'predict', {'dataset': 'mixed', 'name': 'all of it'})
        self.assertEqual((record['type'], record['name'], record['dataset_name']), ('predict', 'all of it', 'mixed'))
        self.assertEqual((record['scored']['model'], record['scored_model']), (self.model['id'],) * 2)
        self.assertEqual(record['scored']['sha256'], self.model['sha256'])
        self.assertEqual((record['dataset']['missing_images'], record['dataset']['unreadable_images']), (1, 1))
        (bad,) = record['scored']['unusable']
        self.assertEqual(bad['image'], 'd.png')
        self.assertIn('cannot be used', bad['detail'])
        rows = {row['image']: row for row in table_of(self.server, record['id'])}
        self.assertEqual(sorted(rows), sorted(["'" + ODD, *(set(FILES) - {ODD})]))
        self.assertEqual(rows['d.png']['error'], bad['detail'])
        self.assertEqual({rows['d.png'][label] for label in dataset.LABELS}, {''})
        for name, kind in CONTENT.items():
            reply = client.post(self.server, '/predict', FILES[name], Content_Type=kind)
            row = rows["'" + name if name == ODD else name]
            self.assertEqual(reply.status, 200, reply)
            self.assertEqual(row['error'], '')
            for label, value in reply.json()['probabilities'].items():
                self.assertAlmostEqual(float(row[label]), value, delta=2e-7, msg=f'{name} {label}')

    def test_a_list_says_which_rows(self):
        path = os.path.join(self.datasets, 'mixed', 'some.txt')
        with open(path, 'w', encoding='ascii') as out:
            out.write('a.png\nc.jpg\nelsewhere.png\n')
        record = ended(self.server, 'predict', {'dataset': 'mixed', 'rows': 'some.txt'})
        self.assertEqual([row['image'] for row in table_of(self.server, record['id'])], ['a.png', 'c.jpg'])
        self.assertEqual(record['dataset']['not_listed'], 3)

    def test_wrong_fields_are_named(self):
        refused = client.post_json(self.server, '/jobs/validate', {
            'dataset': 'tiny', 'epochs': 3, 'model': 'x/y', 'labels': {'Effusion': 5}, 'rows': '../x', 'other_words': 1})
        self.assert_wrong_fields(refused, 'epochs', 'model', 'labels', 'rows', 'other_words')
        self.assert_wrong_fields(client.post_json(self.server, '/jobs/predict', {'dataset': 'nowhere'}), 'dataset')
        for job, field in (({'dataset': 'nowhere'}, 'dataset'), ({'dataset': 'tiny', 'rows': 'none.txt'}, 'rows'),
                           ({'dataset': 'tiny', 'labels': ['Gout']}, 'labels'),
                           ({'dataset': 'tiny', 'labels': {'Mass': ['x'], 'Nodule': ['X']}}, 'labels'),
                           ({'dataset': 'tiny', 'labels': {'Mass': ['No Finding']}}, 'labels'),
                           ({'dataset': 'tiny', 'labels': {'Mass': [], 'No Finding': ['nodule']}}, 'labels'),
                           ({'dataset': 'tiny', 'images': 'none'}, 'images'),
                           ({'dataset': 'tiny', 'model': '0f13b971-8688-4a37-8088-e0270140338f'}, 'model')):
            with self.subTest(job=job):
                self.assert_wrong_fields(client.post_json(self.server, '/jobs/validate', job), field)

    def test_scores_without_truths_stand_for_no_validation(self):
        predicted, validated = (ended(self.server, kind, {'dataset': 'tiny'})['id'] for kind in ('predict', 'validate'))
        profiles = f'/models/{self.model["id"]}/profiles'
        self.assert_problem(client.post_json(self.server, profiles, {'validation': predicted}), 409, 'no validation')
        for first, second in ((predicted, validated), (validated, predicted)):
            self.assert_problem(client.get(self.server, f'/jobs/{first}/compare?with={second}'), 404, 'only predicts')

    def test_a_repetition_is_the_same_job(self):
        job = {'dataset': 'mixed'}
        first = start(self.server, 'predict', job, Idempotency_Key='scoring-1')
        self.assertEqual(start(self.server, 'predict', job, Idempotency_Key='scoring-1'), first)
        wait_state(self.server, first, 'succeeded')
        listed = client.get(self.server, '/jobs?type=predict').json()['jobs']
        entry = next(entry for entry in listed if entry['id'] == first)
        self.assertEqual(entry['scored_model'], self.model['id'])
        self.assertNotIn('scored', entry)

    def test_a_model_is_kept_while_a_job_needs_it(self):
        other = import_model(self.server, dataset.negated(dataset.weights()), activate=False)['id']
        busy = submit(self.server, LONG)
        waiting = start(self.server, 'predict', {'dataset': 'tiny', 'model': other})
        self.assert_problem(client.request(self.server, 'DELETE', f'/models/{other}'), 409, 'a job')
        self.assertEqual(client.post(self.server, f'/jobs/{waiting}/cancel').status, 202)
        self.assertEqual(job_of(self.server, waiting)['state'], 'cancelled')
        client.post(self.server, f'/jobs/{busy}/cancel')
        wait_state(self.server, busy, 'cancelled')
        self.assertEqual(client.request(self.server, 'DELETE', f'/models/{other}').status, 204)


class Interrupted(Case):
    """A job that scores is stopped or killed on its way, and goes on."""
    ROWS = 1500

    @classmethod
    def setUpClass(cls):
        cls.datasets = program.new_folder('datasets')
        names = [f'{i:08d}.png' for i in range(cls.ROWS)]
        cls.files = [dataset.image(i % 40) for i in range(cls.ROWS)]
        folder(cls.datasets, 'many', 'Image Index,Finding Labels,Patient ID,Patient Age,Patient Sex,View Position',
               [f'{name},{"Mass" if i % 3 else "Effusion"},{i // 2},50,F,PA' for i, name in enumerate(names)],
               dict(zip(names, cls.files)))
        cls.first = os.path.join(cls.datasets, 'many', 'images_001', 'images', names[0])

    def serve(self, state=None):
        server = program.Server('--cache-bytes', '0', state=state, datasets=self.datasets)
        self.addCleanup(server.stop)
        return server

    def stop_halfway(self, server, how, kind):
        """Once a stretch is written; where the job was quicker, another is tried."""
        for _ in range(20):
            job = start(server, kind, {'dataset': 'many'})
            partial = os.path.join(server.state, 'jobs', job, 'partial.scores')
            program.poll(lambda: (os.path.exists(partial) and os.path.getsize(partial) > 30000) or
                         job_of(server, job)['state'] == 'succeeded', 'some rows are scored', 120)
            if how == 'kill':
                server.kill()
            else:
                server.terminate()
                self.assertEqual(server.wait(), 0)
            server = self.serve(server.state)
            if job_of(server, job)['state'] == 'interrupted':
                return server, job
        return self.fail('no job was slow enough to be interrupted')

    def test_it_ends_as_if_it_had_not_been(self):
        server = self.serve()
        import_model(server, dataset.weights())
        whole = ended(server, 'validate', {'dataset': 'many'})
        scores = client.get(server, f'/jobs/{whole["id"]}/scores?split=test').body
        for how in ('term', 'kill'):
            with self.subTest(how=how):
                server, job = self.stop_halfway(server, how, 'validate')
                with open(self.first, 'wb') as out:  # its score is known: nobody looks at it again
                    out.write(b'no picture any more')
                self.assertEqual(client.post(server, f'/jobs/{job}/resume').status, 202)
                record = wait_state(server, job, 'succeeded', 'failed')
                with open(self.first, 'wb') as out:
                    out.write(self.files[0])
                self.assertEqual(record['state'], 'succeeded', record['error'])
                self.assertEqual(client.get(server, f'/jobs/{job}/scores?split=test').body, scores)
                for part in ('test', 'no_finding', 'groups', 'decision', 'learning'):
                    self.assertEqual(record['evaluation'][part], whole['evaluation'][part])
                program.poll(lambda: 'partial.scores' not in os.listdir(os.path.join(server.state, 'jobs', job)),
                             'what was scored halfway goes')

    def test_it_can_be_cancelled(self):
        server = self.serve()
        import_model(server, dataset.weights())
        job = start(server, 'predict', {'dataset': 'many'})
        program.poll(lambda: job_of(server, job)['phase'] == 'scoring' or job_of(server, job)['state'] == 'succeeded',
                     'it scores')
        reply = client.post(server, f'/jobs/{job}/cancel')
        if reply.status == 202:
            record = wait_state(server, job, 'cancelled', 'succeeded')
            if record['state'] == 'cancelled':
                self.assertEqual(client.get(server, f'/jobs/{job}/scores').status, 404)
                program.poll(lambda: os.listdir(os.path.join(server.state, 'jobs', job)) == ['patients'], 'no score is left')
                told = client.post_json(server, '/patients/forget', {'dataset': 'many', 'patient_id': '7'}).json()
                self.assertEqual([(j['id'], j['state']) for j in told['jobs']], [(job, 'cancelled')])
                self.assertEqual(told['unknown']['jobs'], [])
