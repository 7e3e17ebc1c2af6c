"""Jobs that outlive their server: interrupted by SIGTERM or kill -9, resumed, and equal to one that never was."""
import json
import os
import shutil

from support import client, dataset, program
from support.case import (ENDED, QUICK, Case, job_of, submit, wait_state, wait_training)

TRAINING = {**QUICK, 'epochs': 4, 'steps_per_epoch': 6, 'patience': 0, 'learning_rate': 0.003}


def told(record):
    """A record's epochs, but for how long they took."""
    return [{k: v for k, v in epoch.items() if k not in ('seconds', 'images_per_s')} for epoch in record['epochs']]


def tensors(server, record):
    """The model's weights as bytes, without the metadata, which name the job."""
    body = client.get(server, f'/models/{record["model"]}/weights').body
    return body[8 + int.from_bytes(body[:8], 'little'):]


class Resume(Case):

    def serve(self, state=None, datasets=None, threads=2, *arguments):
        server = program.Server(*arguments, state=state, datasets=datasets or dataset.tiny(), threads=threads)
        self.addCleanup(server.stop)
        return server

    def end(self, server, how):
        if how == 'kill':
            server.kill()
        else:
            server.terminate()
            self.assertEqual(server.wait(), 0)

    def interrupt(self, server, how, epoch, training=None):
        """Submit, and end the server after so many epochs. Where the job was quicker, another one is tried."""
        for _ in range(20):
            job = submit(server, training or TRAINING)
            program.poll(lambda: len(job_of(server, job)['epochs']) >= epoch and
                         (job_of(server, job).get('current') or job_of(server, job)['state'] in ENDED),
                         f'epoch {epoch}', 120)
            self.end(server, how)
            server = self.serve(server.state, threads=3 if epoch == 0 else 2)
            if job_of(server, job)['state'] == 'interrupted':
                return server, job
            server.stop()
            server = self.serve(server.state)
        self.fail('no job was slow enough to be interrupted')

    def resume(self, server, job):
        reply = client.post(server, f'/jobs/{job}/resume')
        self.assertEqual((reply.status, reply.json()['id']), (202, job), reply)
        self.assertIn(reply.json()['state'], ('queued', 'running'))

    def assert_same_end(self, server, record, whole, weights):
        self.assertEqual(tensors(server, record), weights)
        self.assertEqual(told(record), told(whole))
        for key in ('dataset', 'validation_loss', 'top5_accuracy', 'kept_epoch', 'baseline', 'evaluation'):
            self.assertEqual(record[key], whole[key], key)
        folder = os.path.join(server.state, 'jobs', record['id'])
        program.poll(lambda: sorted(os.listdir(folder)) == ['no_finding.csv', 'patients', 'report.html', 'report_mail.html', 'scores.csv', 'test.csv', 'validation.csv'],
                     'the checkpoint is removed')

    def test_it_ends_as_if_it_had_not_been_interrupted(self):
        """Before the first epoch is over, in each of the others, and twice; by SIGTERM and by kill -9; with another
        number of threads after the restart."""
        server = self.serve()
        whole = wait_state(server, submit(server, TRAINING), 'succeeded')
        weights = tensors(server, whole)
        for how, epochs in (('term', (0, 1, 3)), ('kill', (0, 1, 2))):
            for epoch in epochs:
                with self.subTest(how=how, epoch=epoch):
                    server, job = self.interrupt(server, how, epoch)
                    record = job_of(server, job)
                    self.assertGreaterEqual(len(record['epochs']), epoch)
                    self.resume(server, job)
                    if epoch == 1:  # and once more
                        program.poll(lambda: job_of(server, job).get('current') or
                                     job_of(server, job)['state'] in ENDED, 'it goes on')
                        self.end(server, how)
                        server = self.serve(server.state)
                        if job_of(server, job)['state'] == 'interrupted':
                            self.resume(server, job)
                    record = wait_state(server, job, 'succeeded')
                    self.assertEqual(record['environment']['threads'], 2)
                    self.assert_same_end(server, record, whole, weights)
                    self.assert_problem(client.post(server, f'/jobs/{job}/resume'), 409, 'succeeded')
                    if epoch == 0:
                        server.stop()
                        server = self.serve(server.state)

    def test_running_statistics_go_on_too(self):
        """Of shards of one picture and of two; with another number of threads."""
        training = {**QUICK, 'architecture': 'mobilenet_v2', 'epochs': 3, 'batch_size': 3, 'shards': 2, 'patience': 0}
        server = self.serve(threads=1)
        whole = wait_state(server, submit(server, training), 'succeeded')
        weights = tensors(server, whole)
        server, job = self.interrupt(server, 'term', 1, training)
        self.resume(server, job)
        self.assert_same_end(server, wait_state(server, job, 'succeeded'), whole, weights)

    def interrupted(self, datasets=None, epochs=1):
        """A server, and a job that its predecessor left after so many epochs."""
        server = self.serve(datasets=datasets)
        job = submit(server, {**TRAINING, 'epochs': 1000})
        program.poll(lambda: len(job_of(server, job)['epochs']) >= epochs, 'an epoch')
        self.end(server, 'term')
        return self.serve(server.state, datasets, 2, '--job-queue', '1'), job

    def test_it_is_interrupted_again_when_the_data_are_no_longer_what_they_were(self):
        datasets = os.path.join(program.new_folder('datasets'), 'copy')
        shutil.copytree(dataset.tiny(), datasets)
        server, job = self.interrupted(datasets)
        os.remove(os.path.join(datasets, 'tiny', 'images_001', 'images', dataset.name(7)))
        self.resume(server, job)
        self.assertIn('split', wait_state(server, job, 'interrupted')['error'])
        server, job = self.interrupted(datasets)
        dataset.write_table(os.path.join(datasets, 'tiny'), [dataset.line(i) for i in range(dataset.ROWS - 5)])
        self.resume(server, job)
        record = wait_state(server, job, 'interrupted')
        self.assertIn('has changed', record['error'])
        self.assertGreaterEqual(len(record['epochs']), 1)  # what was known is kept
        self.assertIn('checkpoint.safetensors', os.listdir(os.path.join(server.state, 'jobs', job)))

    def damage(self, server, job, at=None):
        path = os.path.join(server.state, 'jobs', job, 'checkpoint.safetensors')
        with open(path, 'r+b') as file:
            file.seek(at(file.read(1 << 16)) if at else os.path.getsize(path) // 2)
            byte = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte ^ 1]))

    def test_nothing_can_be_kept_of_a_damaged_checkpoint(self):
        server, job = self.interrupted()
        self.damage(server, job)
        self.assert_problem(client.post_json(server, f'/jobs/{job}/cancel', {'keep_best': True}), 409, 'cancel without keep_best')
        self.assertEqual(job_of(server, job)['state'], 'interrupted')
        self.assertEqual(client.post(server, f'/jobs/{job}/cancel').json()['state'], 'cancelled')

    def test_a_damaged_checkpoint_costs_time_and_nothing_else(self):
        server = self.serve()
        whole = wait_state(server, submit(server, TRAINING), 'succeeded')
        weights = tensors(server, whole)

        def cut(server, job, size):
            os.truncate(os.path.join(server.state, 'jobs', job, 'checkpoint.safetensors'), size)

        def in_configuration(server, job):
            self.damage(server, job, lambda head: head.index(b'learning_rate') + 3)

        for damage in (self.damage, in_configuration, lambda server, job: cut(server, job, 1000)):
            with self.subTest(damage):
                server, job = self.interrupt(server, 'term', 1)
                damage(server, job)
                self.resume(server, job)
                record = wait_state(server, job, 'succeeded')
                self.assert_same_end(server, record, whole, weights)
                self.assertIn('began_again', [warning['code'] for warning in record['warnings']])
                self.assertNotIn('began_again', [warning['code'] for warning in whole['warnings']])
                program.poll(lambda: any('checkpoint is damaged' in json.dumps(line) and job in json.dumps(line) for line in server.log()),
                             'the log names the file')

    def test_that_it_began_again_is_told_while_it_runs_and_after_another_interruption(self):
        def told_of(record):
            return 'began_again' in [warning['code'] for warning in record['warnings']]

        server, job = self.interrupted()
        self.damage(server, job)
        self.resume(server, job)
        program.poll(lambda: told_of(job_of(server, job)), 'it is told', 60)
        self.assertEqual(job_of(server, job)['state'], 'running')
        program.poll(lambda: job_of(server, job)['epochs'], 'an epoch', 60)
        self.end(server, 'term')
        server = self.serve(server.state)
        epochs = len(job_of(server, job)['epochs'])
        self.resume(server, job)
        program.poll(lambda: len(job_of(server, job)['epochs']) > epochs, 'it goes on', 60)
        self.assertTrue(told_of(job_of(server, job)))
        self.end(server, 'term')
        server = self.serve(server.state)
        self.assertEqual(client.post(server, f'/jobs/{job}/cancel').json()['state'], 'cancelled')

    def test_its_best_epoch_can_be_kept_instead(self):
        server, job = self.interrupted(epochs=2)
        before = job_of(server, job)
        reply = client.post_json(server, f'/jobs/{job}/cancel', {'keep_best': True})
        self.assertEqual((reply.status, reply.json()['state']), (202, 'cancelled'))
        record = job_of(server, job)
        best = min(before['epochs'], key=lambda e: e['val_loss'])
        self.assertEqual((record['kept_epoch'], record['validation_loss']), (best['epoch'], best['val_loss']))
        self.assertEqual(told(record), told(before))
        self.assertEqual(client.get(server, f'/models/{record["model"]}').json()['job'], job)
        self.assertEqual(sorted(os.listdir(os.path.join(server.state, 'jobs', job))), ['patients', 'report.html', 'report_mail.html'])
        self.assertIsNone(record['evaluation'])
        self.assertIn(str(round(record['validation_loss'], 4)), client.get(server, f'/jobs/{job}/report').body.decode())

    def test_how_far_it_came_stays_with_it(self):
        server, job = self.interrupted(epochs=2)
        before = job_of(server, job)
        self.assertEqual((before['phase'], before['eta_s']), ('training', None))
        self.assertGreater(before['progress'], 0)
        self.assertLess(before['progress'], 1)
        self.assertIn(before['current']['epoch'], (len(before['epochs']), len(before['epochs']) + 1))
        listed = client.get(server, '/jobs').json()['jobs'][0]
        self.assertEqual((listed['progress'], listed['current'], listed['begun_at']),
                         (before['progress'], before['current'], before['begun_at']))
        self.resume(server, job)
        program.poll(lambda: len(job_of(server, job)['epochs']) > len(before['epochs']), 'it goes on')
        after = job_of(server, job)
        self.assertEqual(after['begun_at'], before['begun_at'])
        self.assertGreater(after['started_at'], after['begun_at'])
        self.assertGreaterEqual(after['begun_at'], after['created_at'])
        self.end(server, 'kill')  # what is known then is what its last epoch wrote
        server = self.serve(server.state)
        record = job_of(server, job)
        self.assertEqual((record['state'], record['begun_at']), ('interrupted', before['begun_at']))
        self.assertEqual(record['current']['epoch'], len(record['epochs']))
        self.assertGreater(record['progress'], before['progress'])

    def test_a_full_queue_does_not_take_it(self):
        server, job = self.interrupted()
        running = submit(server, {**TRAINING, 'epochs': 1000})
        wait_training(server, running)
        submit(server, QUICK)
        self.assert_problem(client.post(server, f'/jobs/{job}/resume'), 429, running)
        self.assertEqual(job_of(server, job)['state'], 'interrupted')

    def test_it_can_be_deleted_with_its_checkpoint(self):
        server, job = self.interrupted()
        self.assertEqual(client.request(server, 'DELETE', f'/jobs/{job}').status, 204)
        self.assertFalse(os.path.exists(os.path.join(server.state, 'jobs', job)))
