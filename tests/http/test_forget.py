"""POST /patients/forget: left out of everything that comes, told of everything that was, and nobody named on the disk."""
import csv
import functools
import http.client
import io
import json
import os
import threading

from support import client, dataset, program
from support.case import LONG, QUICK, Case, ServerCase, job_of, log_until_now, submit, wait_state, wait_training

PATIENTS = 24  # of two films each, whose names say nothing of them


def patient(i):
    return 990017000517 + 100900021 * i  # so long that no time, size or id has these digits by chance


def film(i):
    return f'film_{i:03d}.png'


@functools.lru_cache(maxsize=None)
def clinic():
    """A folder of data sets that holds one, "tiny"."""
    datasets = program.new_folder('datasets')
    folder = os.path.join(datasets, 'tiny')
    images = os.path.join(folder, 'images_001', 'images')
    os.makedirs(images)
    lines = []
    for i in range(2 * PATIENTS):
        lines.append(f'{film(i)},{"|".join(dataset.findings(i + 1))},{i % 2},{patient(i // 2)},{30 + i},M,PA,64,64,0.1,0.1,')
        with open(os.path.join(images, film(i)), 'wb') as file:
            file.write(dataset.image(i))
    dataset.write_table(folder, lines)
    return datasets


JOB = {**QUICK, 'split_by': 'patient', 'drop_no_finding': False, 'seed': 3}


def forget(server, who, **more):
    return client.post_json(server, '/patients/forget', {'dataset': 'tiny', 'patient_id': who, **more})


def scores(server, job):
    """{picture: its part} of a job that has ended."""
    text = client.get(server, f'/jobs/{job}/scores?split=all').body.decode()
    return {row['image']: row['split'] for row in csv.DictReader(io.StringIO(text))}


def one_of(parts, part):
    """The number of a patient with films in a part."""
    return next(i for i in range(PATIENTS) if parts[film(2 * i)] == part)


class ForgetCase(Case):

    def serve(self, *arguments, state=None, stop=True):
        server = program.Server(*arguments, state=state, datasets=clinic())
        if stop:
            self.addCleanup(server.stop)
        return server

    def accepted(self, reply):
        self.assertEqual(reply.status, 200, reply)
        return reply.json()


class Forgotten(ForgetCase):

    def test_who_has_learned_from_them_is_told_and_nobody_does_later(self):
        server = self.serve()
        first = wait_state(server, submit(server, JOB), 'succeeded')
        elsewhere = wait_state(server, submit(server, {**QUICK, 'init': first['model'], 'split_by': 'patient', 'seed': 4}), 'succeeded')
        before = scores(server, first['id'])
        who, tested = one_of(before, 'train'), one_of(before, 'test')
        self.assertEqual(client.get(server, '/patients/forgotten').json(), {'datasets': []})

        answer = self.accepted(forget(server, f'00{patient(who)}.0'))
        self.assertTrue(answer['new'])
        self.assertEqual((answer['dataset'], answer['patients'], answer['cancelled'], answer['replay']), ('tiny', 1, [], None))
        self.assertEqual(answer['unknown'], {'jobs': [], 'models': []})
        jobs = {job['id']: job for job in answer['jobs']}
        self.assertEqual(jobs[first['id']], {'id': first['id'], 'part': 'train', 'state': 'succeeded', 'model': first['model']})
        by = {model['id']: model['by'] for model in answer['models']}
        self.assertEqual(by.pop(first['model']), 'rows')
        part = scores(server, elsewhere['id'])[film(2 * who)]
        self.assertEqual(by, {elsewhere['model']: 'rows' if part == 'train' else 'init'})
        self.assertEqual(jobs[elsewhere['id']]['part'], part)

        other = self.accepted(forget(server, patient(tested)))
        self.assertEqual({job['id']: job['part'] for job in other['jobs']}[first['id']], 'test')
        self.assertNotIn(first['model'], [model['id'] for model in other['models']])
        self.assertEqual(other['patients'], 2)
        again = self.accepted(forget(server, str(patient(who))))
        self.assertEqual(again, {**answer, 'new': False, 'patients': 2})
        counts = client.get(server, '/patients/forgotten').json()['datasets']
        self.assertEqual([(entry['dataset'], entry['patients']) for entry in counts], [('tiny', 2)])

        later = wait_state(server, submit(server, JOB), 'succeeded')
        self.assertEqual(later['dataset']['forgotten'], {'rows': 4, 'patients': 2})
        self.assertEqual(later['dataset']['split_sha256'], first['dataset']['split_sha256'])
        gone = {film(2 * i + k) for i in (who, tested) for k in (0, 1)}
        self.assertEqual(scores(server, later['id']), {name: part for name, part in before.items() if name not in gone})
        self.assertFalse(gone & {cell for row in later['dataset']['table']['first'] for cell in map(str, row)})
        for answered in (self.accepted(forget(server, patient(who))), self.accepted(forget(server, patient(tested)))):
            self.assertNotIn(later['id'], [job['id'] for job in answered['jobs']])

    def test_a_replay_without_them_says_how_far_predictions_moved(self):
        server = self.serve()
        first = wait_state(server, submit(server, JOB), 'succeeded')
        before = scores(server, first['id'])
        who = patient(one_of(before, 'train'))
        answer = self.accepted(forget(server, who, replay=True))
        replay = wait_state(server, answer['replay'], 'succeeded')
        self.assertEqual(self.accepted(forget(server, who, replay=True))['replay'], answer['replay'])
        told = replay['replay']
        self.assertEqual((told['of'], told['matched'], told['forgotten_patients']), (first['id'], False, 1))
        moved = told['moved']
        self.assertEqual((moved['split'], moved['rows']), ('validation', first['dataset']['validation']))
        ours, theirs = (self.columns(server, job, 'validation') for job in (first['id'], replay['id']))
        for entry in moved['findings']:
            far = [abs(ours[name][entry['label']] - theirs[name][entry['label']]) for name in ours]
            self.assertAlmostEqual(entry['mean'], sum(far) / len(far), 6)
            self.assertAlmostEqual(entry['largest'], max(far), 6)
        self.assertGreater(max(entry['largest'] for entry in moved['findings']), 0)
        self.assert_wrong_fields(forget(server, who, replay=replay['id']), 'replay')
        self.assert_wrong_fields(forget(server, who, replay='zz'), 'replay')

    def test_the_command_takes_ids_from_standard_input(self):
        server = self.serve()
        first = wait_state(server, submit(server, JOB), 'succeeded')
        who = one_of(scores(server, first['id']), 'train')
        done = program.run('forget', 'tiny', '--url', server.url, input=f'{patient(who)}\n\n nobody \r\n')
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        lines = done.stdout.splitlines()
        self.assertEqual(lines[0], 'line 1: forgotten; 1 jobs have used the rows, 0 of them are ended now, 0 cannot say')
        self.assertEqual(lines[1:], [f'  model {first["model"]} has learned from them',
                                     'line 3: forgotten; 0 jobs have used the rows, 0 of them are ended now, 0 cannot say'])
        done = program.run('forget', 'tiny', '--url', server.url, '--json', '--replay', input=f'{patient(who)}\n')
        self.assertTrue(json.loads(done.stdout)['replay'])
        for dataset_name, lines, status in (('nowhere', '1\n', 1), ('tiny', '', 2), ('tiny', 'x' * 2000 + '\n', 1), ('tiny', 'y' * 300 + '\n', 1)):
            done = program.run('forget', dataset_name, '--url', server.url, input=lines)
            self.assertEqual(done.returncode, status, done)
            self.assertTrue(done.stderr)
            self.assertNotIn('yyy', done.stderr)
        self.assertEqual(program.run('forget', input='1\n').returncode, 2)

    def test_jobs_that_score_are_told_of_and_leave_them_out(self):
        server = self.serve()
        model = wait_state(server, submit(server, JOB), 'succeeded')['model']

        def validate():
            reply = client.post_json(server, '/jobs/validate', {'dataset': 'tiny', 'model': model})
            self.assertEqual(reply.status, 202, reply)
            return wait_state(server, reply.json()['id'], 'succeeded')

        before = validate()
        answer = self.accepted(forget(server, patient(2)))
        self.assertIn({'id': before['id'], 'part': 'test', 'state': 'succeeded', 'model': None}, answer['jobs'])
        self.assertEqual(answer['unknown'], {'jobs': [], 'models': []})
        later = validate()
        self.assertEqual(later['dataset']['forgotten'], {'rows': 2, 'patients': 1})
        self.assertEqual(later['dataset']['test'] + 2, before['dataset']['test'])
        self.assertNotIn(later['id'], [job['id'] for job in self.accepted(forget(server, patient(2)))['jobs']])

    def columns(self, server, job, part):
        text = client.get(server, f'/jobs/{job}/scores?split=all').body.decode()
        return {row['image']: {label: float(row[f'prob_{label}']) for label in dataset.LABELS}
                for row in csv.DictReader(io.StringIO(text)) if row['split'] == part}

    def test_jobs_that_are_not_over_do_not_go_on_with_them(self):
        state = program.new_folder('state')
        server = self.serve(state=state, stop=False)
        waits = submit(server, {**LONG, 'split_by': 'patient'})
        wait_training(server, waits)
        server.stop()
        server = self.serve(state=state)
        self.assertEqual(job_of(server, waits)['state'], 'interrupted')
        runs = submit(server, {**LONG, 'split_by': 'patient', 'val_fraction': 0.2})
        queued = submit(server, JOB)
        wait_training(server, runs)
        answer = self.accepted(forget(server, patient(1)))
        self.assertEqual(sorted(answer['cancelled']), sorted([waits, runs]))
        self.assertEqual(wait_state(server, runs, 'cancelled')['id'], runs)
        self.assertEqual(job_of(server, waits)['state'], 'cancelled')
        self.assertEqual(wait_state(server, queued, 'succeeded')['dataset']['forgotten']['patients'], 1)

    def test_row_81_it_is_durable_and_names_nobody(self):
        state = program.new_folder('state')
        audit = os.path.join(program.new_folder('audit'), 'audit')
        server = self.serve('--audit', audit, state=state, stop=False)
        wait_state(server, submit(server, JOB), 'succeeded')
        self.assertTrue([path for path, _ in program.contents_below(state) if path.endswith('.cache')])
        self.accepted(forget(server, patient(5)))
        self.assertEqual([path for path, _ in program.contents_below(state) if path.endswith('.cache')], [])
        self.assert_problem(forget(server, patient(6), more=1), 422)
        self.assert_problem(client.post(server, '/patients/forget', f'{{"patient_id": {patient(7)}x'.encode(),
                                        Content_Type='application/json'), 400)
        server.kill()
        log = server.log_text()
        server = self.serve('--audit', audit, state=state, stop=False)
        self.assertEqual(client.get(server, '/patients/forgotten').json()['datasets'][0]['patients'], 1)
        self.assertFalse(self.accepted(forget(server, patient(5)))['new'])
        log += log_until_now(server)
        server.stop()
        with open(audit, encoding='utf-8') as file:
            written = {audit: file.read().encode(), 'log': log.encode(), **dict(program.contents_below(state))}
        self.assertIn(b'/patients/forget', written[audit])
        for i in range(PATIENTS):
            for path, held in written.items():
                self.assertNotIn(str(patient(i)).encode(), held, path)
        os.remove(os.path.join(state, 'patients.key'))
        with self.assertRaisesRegex(AssertionError, 'patients.key'):
            self.serve(state=state, stop=False)

    def test_row_81_every_one_that_was_acknowledged_is_there_after_kill_9_at_any_moment(self):
        state = program.new_folder('state')
        acknowledged = 0
        for pause in (0.01, 0.03, 0.07, 0.15, 0.3):
            server = self.serve(state=state, stop=False)
            timer = threading.Timer(pause, server.process.kill)
            timer.start()
            try:
                while True:
                    reply = forget(server, acknowledged)
                    self.assertEqual(reply.status, 200, reply)
                    acknowledged += 1
            except (OSError, http.client.HTTPException):
                timer.join()
            server.kill()
        server = self.serve(state=state)
        for one in range(acknowledged):
            self.assertFalse(self.accepted(forget(server, one))['new'], one)
        self.assertGreater(acknowledged, 5)

    def test_a_lost_key_is_no_harm_where_nobody_is_forgotten_yet(self):
        state = program.new_folder('state')
        server = self.serve(state=state, stop=False)
        job = wait_state(server, submit(server, JOB), 'succeeded')
        server.stop()
        os.remove(os.path.join(state, 'patients.key'))
        server = self.serve(state=state)
        answer = self.accepted(forget(server, patient(3)))
        self.assertEqual((answer['jobs'], answer['unknown']['jobs']), ([], [job['id']]))  # its codes are of a key that is gone


class Refused(ServerCase):
    with_data = True

    def test_what_names_no_patient_of_a_data_set_is_refused(self):
        self.assert_problem(self.post_json('/patients/forget', {'dataset': 'nowhere', 'patient_id': '1'}), 404, 'nowhere')
        for body, fields in (({}, ['dataset', 'patient_id']), ({'dataset': 'tiny', 'patient_id': ' '}, ['patient_id']),
                             ({'dataset': 'tiny', 'patient_id': ''}, ['patient_id']), ({'dataset': 'tiny', 'patient_id': 1.5}, ['patient_id']),
                             ({'dataset': 'tiny', 'patient_id': -1}, ['patient_id']), ({'dataset': '../tiny', 'patient_id': 1}, ['dataset']),
                             ({'dataset': 'tiny', 'patient_id': 'x' * 257}, ['patient_id']),
                             ({'dataset': 'tiny', 'patient_id': 1, 'who': 2, 'replay': 3}, ['replay', 'who'])):
            with self.subTest(body):
                self.assert_wrong_fields(self.post_json('/patients/forget', body), *fields)
        self.assert_problem(self.post_json('/patients/forget', []), 422)
        self.assertEqual(self.get('/patients/forgotten').json(), {'datasets': []})
        # one whom the table does not have is remembered: a later one may
        reply = self.post_json('/patients/forget', {'dataset': 'tiny', 'patient_id': 'somebody'})
        self.assertEqual((reply.status, reply.json()['jobs'], reply.json()['patients']), (200, [], 1), reply)
