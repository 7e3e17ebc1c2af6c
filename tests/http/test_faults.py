"""Faults outside the program that a job must live through: rows of the threat model (docs/security.md)."""
import hashlib
import os
import resource
import shutil
import sqlite3
import subprocess

from support import client, dataset, program
from support.case import LONG, NOTHING, QUICK, Case, job_of, log_until_now, submit, wait_state, wait_training
from test_resume import tensors, told

# long enough to be hit, short enough to wait for
TRAINING = {**QUICK, 'epochs': 5, 'steps_per_epoch': 12, 'patience': 0, 'learning_rate': 0.003}
UNLIMITED = resource.RLIM_INFINITY


class FaultCase(Case):

    def serve(self, *arguments, state=None, datasets=None, threads=2):
        """The log goes through a pipe: a limit on the size of files, which plays a full disk, is not for it."""
        server = program.Server('--job-queue', '100', *arguments, state=state, datasets=datasets, threads=threads,
                                stderr=subprocess.PIPE)
        self.addCleanup(server.stop)
        return server


def no_descriptors(server, end):
    """From now on the program can open nothing; then as before."""
    hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard if end else 3, hard))


def full_disk(server, end):
    """A checkpoint and weights do not fit, what is small does, as what the database grows by."""
    most = os.path.getsize(os.path.join(server.state, 'cxrd.db')) + (100 << 10)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (UNLIMITED if end else most, UNLIMITED))


class Training(FaultCase):
    """A fault outside of a training interrupts it, and it goes on to the weights that it would have had."""

    whole = weights = None  # of the training that nothing befell

    def setUp(self):
        self.datasets = os.path.join(program.new_folder('datasets'), 'copy')
        shutil.copytree(dataset.tiny(), self.datasets)
        self.place = os.path.join(self.datasets, 'tiny')
        self.server = self.serve(datasets=self.datasets)
        if not self.weights:
            Training.whole = wait_state(self.server, submit(self.server, TRAINING), 'succeeded')
            Training.weights = tensors(self.server, self.whole)

    def move_pictures(self, _server, end):
        """One by one: who holds their folder open must not find them either."""
        here, there = os.path.join(self.place, 'images_001', 'images'), os.path.join(self.place, 'away')
        os.makedirs(there, exist_ok=True)
        source, target = (there, here) if end else (here, there)
        for name in os.listdir(source):
            os.rename(os.path.join(source, name), os.path.join(target, name))

    def hit(self, fault):
        """A job that the fault has ended, after its first epoch. Where the job was quicker, another one is tried."""
        for _ in range(20):
            job = submit(self.server, TRAINING)
            program.poll(lambda: job_of(self.server, job)['epochs'], 'an epoch')
            fault(self.server, False)
            try:
                program.poll(lambda: [line for line in self.server.log()
                                      if line['message'] == 'job ended' and line['job'] == job], 'its end')
            finally:
                fault(self.server, True)
            record = wait_state(self.server, job, 'interrupted', 'succeeded')
            if record['state'] == 'interrupted':
                return record
        raise AssertionError('no job was slow enough')

    def resume(self, job):
        reply = client.post(self.server, f'/jobs/{job}/resume')
        self.assertEqual(reply.status, 202, reply)

    def check_goes_on(self, job):
        self.resume(job)
        record = wait_state(self.server, job, 'succeeded')
        self.assertIsNone(record['error'])
        self.assertEqual(record['dataset']['unreadable_images'], 0)
        self.assertEqual(told(record), told(self.whole))
        self.assertEqual(tensors(self.server, record), self.weights)
        made = [m for m in client.get(self.server, '/models').json()['models'] if m['job'] == job]
        self.assertEqual(len(made), 1)

    def check_fault(self, fault, says):
        record = self.hit(fault)
        self.assertRegex(record['error'], says)
        self.assertNotIn(self.server.state, record['error'])
        self.assertIn('checkpoint.safetensors', os.listdir(os.path.join(self.server.state, 'jobs', record['id'])))
        self.check_goes_on(record['id'])

    def test_row_40_no_descriptors_interrupt_a_training(self):
        self.check_fault(no_descriptors, 'Too many open files|unable to open database file')

    def test_row_40_a_full_disk_interrupts_a_training(self):
        self.check_fault(full_disk, '^storage: .*File too large')

    def test_row_40_pictures_that_are_away_interrupt_a_training(self):
        self.check_fault(self.move_pictures, "the picture '.*' cannot be opened: No such file or directory")

    def test_row_40_an_end_that_cannot_be_written_is_told_as_that(self):
        job = submit(self.server, {**TRAINING, 'epochs': 200})
        program.poll(lambda: job_of(self.server, job)['epochs'], 'an epoch')
        resource.prlimit(self.server.pid, resource.RLIMIT_FSIZE, (1, UNLIMITED))
        wait_state(self.server, job, 'interrupted')
        for method, target in (('POST', f'/jobs/{job}/resume'), ('POST', f'/jobs/{job}/cancel'), ('DELETE', f'/jobs/{job}')):
            with self.subTest(target):
                said = self.assert_problem(client.request(self.server, method, target), 503)
                program.poll(lambda: [line for line in self.server.log() if line['level'] == 'error' and
                                      (line.get('request_id'), line.get('detail')) == (said['request_id'], said['detail'])],
                             f'the reason in the log: {said["detail"]}')
        full_disk(self.server, True)
        self.resume(job)
        wait_state(self.server, job, 'running')
        self.assertEqual(client.post(self.server, f'/jobs/{job}/cancel').status, 202)
        wait_state(self.server, job, 'cancelled')

    def checkpoint(self, job):
        with open(os.path.join(self.server.state, 'jobs', job, 'checkpoint.safetensors'), 'rb') as file:
            return hashlib.sha256(file.read()).hexdigest()

    def check_resumed_in_vain(self, job, says):
        before = self.checkpoint(job)
        self.resume(job)
        record = wait_state(self.server, job, 'interrupted')
        self.assertRegex(record['error'], says)
        self.assertNotIn('(null)', record['error'])
        self.assertNotIn(os.path.dirname(self.datasets), record['error'])
        self.assertEqual(self.checkpoint(job), before)

    def test_row_40_what_is_away_at_resume_is_waited_for(self):
        job = self.hit(self.move_pictures)['id']
        away = program.new_folder('away')
        for place, says in (('', 'cannot open the folder of data sets'), ('tiny', "cannot open the data set 'tiny'"),
                            ('tiny/Data_Entry_2017.csv', 'cannot open the table'),
                            ('tiny/images_001/images/' + dataset.name(7), 'split of the rows'),
                            ('tiny/images_001', 'changed since the job began: no picture')):
            here, there = os.path.join(self.datasets, place).rstrip('/'), os.path.join(away, 'it')
            os.rename(here, there)
            self.check_resumed_in_vain(job, says)
            os.rename(there, here)
        table = os.path.join(self.place, 'Data_Entry_2017.csv')
        with open(table, 'rb') as file:
            whole = file.read()
        for cut in (0, len(whole) // 2 + 5):  # as a copy that is still under way
            with open(table, 'wb') as file:
                file.write(whole[:cut])
            self.check_resumed_in_vain(job, 'the table .* has changed since the job began')
        with open(table, 'wb') as file:
            file.write(whole)
        self.server.stop()
        self.server = self.serve(state=self.server.state)
        self.check_resumed_in_vain(job, "this server was started without --datasets, where 'tiny' must be")
        self.server.stop()
        self.server = self.serve(state=self.server.state, datasets=self.datasets)
        self.check_goes_on(job)

    def test_row_40_a_job_that_is_interrupted_can_be_cancelled(self):
        job = self.hit(full_disk)['id']
        reply = client.post_json(self.server, f'/jobs/{job}/cancel', {'keep_best': True})
        self.assertEqual((reply.status, reply.json()['state']), (202, 'cancelled'))
        self.assertIsNotNone(job_of(self.server, job)['model'])


class Unreadable(FaultCase):
    """A row of `jobs` that went bad."""

    def change(self, server, sql, job):
        with sqlite3.connect(os.path.join(server.state, 'cxrd.db')) as db:
            db.execute(f'UPDATE jobs SET {sql} WHERE id = ?', (job,))
        db.close()

    def test_row_52_a_job_that_cannot_be_read_holds_up_no_other(self):
        server = self.serve(datasets=dataset.tiny())
        running = submit(server, LONG)
        wait_training(server, running)
        bad = [submit(server, NOTHING) for _ in range(2)]
        for i, sql in enumerate(("config = '{broken'", "config = '[]'")):
            self.change(server, sql, bad[i])
        good = submit(server, NOTHING)
        client.post(server, f'/jobs/{running}/cancel')
        wait_state(server, good, 'succeeded')
        for job in bad:
            record = job_of(server, job)
            self.assertEqual((record['state'], record['config']), ('failed', None))
            self.assertIn('cannot be read', record['error'])
        log_until_now(server)
        messages = [line['job'] for line in server.log() if line['message'] == 'job cannot be run']
        self.assertEqual(messages, bad)
        self.change(server, "record = '{broken'", good)
        self.change(server, "state = 'dreaming'", running)
        listed = {job['id']: job for job in client.get(server, '/jobs').json()['jobs']}
        self.assertEqual((listed[good]['state'], listed[running]['state']), ('succeeded', 'failed'))
        self.assertIsNone(listed[good]['error'])  # a list reads what it shows, which is whole
        record = job_of(server, good)
        self.assertIn('record that cannot be read', record['error'])
        self.assertEqual(record['epochs'], [])
        for job in (*bad, good, running):
            self.assertEqual(client.request(server, 'DELETE', f'/jobs/{job}').status, 204)
        self.assertEqual(client.get(server, '/jobs').json()['jobs'], [])
