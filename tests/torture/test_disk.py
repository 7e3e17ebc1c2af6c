"""No space, or an error of the disk, at each write of a checkpoint, a record, scores, a model; no descriptor, no right, an
error or a stale handle at each reading of a picture, a folder of them, the table: the job is interrupted with a reason,
everything else goes on, and when that has passed it goes on, to the weights that it would have had."""
import os

import harness
from harness import TRAINING, Faults, TortureCase, tensors
from support import client, dataset
from support.case import ENDED, import_model, job_of, submit, wait_state
from support.program import poll

FILES = 'open,write,fsync,rename'
TARGETS = (('a checkpoint', FILES, '/checkpoint'), ('scores', FILES, '.csv'), ('a model', FILES, '/models/'),
           ('a job folder', 'mkdir,fsync', '/jobs'), ('a record', 'open,pwrite,fsync,unlink,ftruncate', 'cxrd.db'))
SAMPLE = {'ENOSPC': (1,), 'EIO': (3,)}
SOURCES = (('a picture', 'look,read', '/images/0'), ('a folder of pictures', 'look', '/images_001'),
           ('the table', 'look,read', 'Data_Entry_2017.csv'))
PASSING = {'EMFILE': (2,), 'EACCES': (9,), 'EIO': (30,), 'ESTALE': (75,)}  # and at which calls in the short form
TRIES = 400  # more than any of them has


class Disk(TortureCase):

    def setUp(self):
        self.faults = Faults()
        self.server = self.serve(faults=self.faults, options=('--cache-bytes', '0'))
        self.model = import_model(self.server, dataset.weights())['id']
        self.golden = tensors(self.server, wait_state(self.server, submit(self.server, TRAINING), 'succeeded'))
        self.ended = {}

    def check_serves(self):
        self.assertEqual(client.get(self.server, '/livez').status, 200)
        told = self.assert_prediction(client.post(self.server, '/predict', dataset.image(1), Content_Type='image/png'))
        self.assertEqual(told['model']['id'], self.model)

    def state_of(self, job):
        """Its state; None while not even reading works: a change that failed halfway is undone by writing, so until
        the disk takes that, what the database says may not be believed."""
        reply = client.get(self.server, f'/jobs/{job}')
        if reply.status == 500:
            self.assert_problem(reply, 500, says='the job database: cannot read')
            return None
        self.assertEqual(reply.status, 200, reply)
        return reply.json()['state']

    def attempt(self):
        """Start a job while the disk fails. Returns it, or None when it was refused as it should be."""
        reply = client.post_json(self.server, '/jobs/train', TRAINING)
        if reply.status != 202:
            self.assert_problem(reply, 503)
            return None
        job = reply.json()['id']
        # it is interrupted, succeeds where it was not hit, or waits for the disk
        poll(lambda: self.faults.hits() or self.state_of(job) in ENDED, 'a failed call', 120)
        try:
            poll(lambda: self.state_of(job) in ENDED, 'the end', 3)
        except AssertionError:
            self.assertIn(self.state_of(job), (None, 'queued', 'running'))
        return job

    def gone_on(self, record, says):
        """An interrupted job at its end after all; returns its record."""
        self.interrupted = getattr(self, 'interrupted', 0) + 1
        self.assertRegex(record['error'], says)
        self.assertIsNone(record['model'])
        self.assertNotIn(self.server.state, record['error'])
        self.assertEqual(client.post(self.server, f'/jobs/{record["id"]}/resume').status, 202)
        record = wait_state(self.server, record['id'], 'succeeded')
        self.assertEqual(record['dataset']['unreadable_images'], 0)
        self.assertEqual(tensors(self.server, record), self.golden)
        made = [m for m in self.pages(self.server, 'models') if m['job'] == record['id']]
        self.assertEqual(len(made), 1)
        return record

    def check_fault(self, calls, part, k, error, mode, says='^storage: |database'):
        """Returns whether there was such a call."""
        self.faults.forget()
        self.faults.order(calls, part, k, error, mode)
        job = self.attempt()
        self.check_serves()
        hit = self.faults.hits() > 0
        self.faults.clear()
        if job:
            record = wait_state(self.server, job, 'interrupted', 'succeeded')
            self.assertEqual(record['state'] == 'interrupted', record['error'] is not None)
            self.ended[job] = self.gone_on(record, says) if record['error'] else record
        elif not hit:
            self.fail('refused, but the disk had not failed yet')
        self.assert_no_leftovers(job)
        return hit

    def assert_no_leftovers(self, job):
        if job:
            poll(lambda: not [n for n in self.listed('jobs', job) if n.startswith('checkpoint')], 'the checkpoint goes')
        self.assertEqual([n for n in self.listed('models') if n.endswith('.part')], [])

    def listed(self, *folder):
        path = os.path.join(self.server.state, *folder)
        return os.listdir(path) if os.path.isdir(path) else []

    def test_a_job_whose_disk_fails_is_interrupted_and_goes_on(self):
        points = 0
        for error in ('ENOSPC', 'EIO'):
            for name, calls, part in TARGETS:
                failed = 0
                for k in range(1 + harness.PART, TRIES, harness.PARTS) if harness.LONG else SAMPLE[error]:
                    with self.subTest(error=error, of=name, k=k):
                        mode = 'one' if error == 'EIO' and k % 2 else 'from'
                        if not self.check_fault(calls, part, k, error, mode):
                            break
                        points += 1
                        failed += 1
                self.assertTrue(failed or harness.PART, f'no {error} for {name}')
                job = submit(self.server, TRAINING)  # there is space again
                self.assertIsNotNone(wait_state(self.server, job, 'succeeded')['model'])
        self.assertGreater(points, 0)
        print(f'# {points} failed calls, {self.interrupted} interrupted jobs')
        self.server.stop()
        self.server = self.serve(self.server.state)
        for job, record in self.ended.items():  # what was told is what is kept
            kept = job_of(self.server, job)
            self.assertEqual((kept['state'], kept['error']), (record['state'], record['error']))
        self.check_restarted(self.server)

    def test_a_job_whose_data_cannot_be_read_for_a_while_is_interrupted_and_goes_on(self):
        points = 0
        for name, calls, part in SOURCES:
            hit = 0
            for error, some in PASSING.items():
                for k in range(1 + harness.PART, TRIES, harness.PARTS) if harness.LONG else some:
                    with self.subTest(error=error, of=name, k=k):
                        if not self.check_fault(calls, part, k, error, 'one', 'cannot|database'):
                            break
                        hit += 1
            self.assertTrue(hit or harness.PART, f'no fault of {name}')
            points += hit
        print(f'# {points} failed calls, {self.interrupted} interrupted jobs')

    def test_an_import_that_fails_leaves_nothing_and_can_be_repeated(self):
        count, points = len(self.pages(self.server, 'models')), 0
        for error in ('ENOSPC', 'EIO'):
            for calls, part in ((FILES, '/models/'), ('fsync', '/models'), (TARGETS[-1][1], 'cxrd.db')):
                for k in range(1 + harness.PART, TRIES, harness.PARTS) if harness.LONG else (*SAMPLE[error], 2):
                    self.faults.forget()
                    self.faults.order(calls, part, k, error, 'from')
                    reply = client.post(self.server, '/models', dataset.weights(2), Content_Type='application/octet-stream')
                    hit = self.faults.hits() > 0
                    self.faults.clear()
                    if reply.status == 201:
                        count += 1
                        if not hit:
                            break
                    else:
                        self.assert_problem(reply, 503)
                        points += 1
                    self.check_serves()
                    self.assertEqual(len(self.pages(self.server, 'models')), count)
                    self.assertEqual(len(self.listed('models')), count)
        self.assertGreater(points, 0 if harness.PART else 3)
        import_model(self.server, dataset.weights(2))
        print(f'# {points} imports failed')
