"""The files that the server keeps, and what becomes of them when the disk, the clock or a stranger's hand is against them.

Rows 47 to 54 of docs/security.md that are about the state folder."""
import contextlib
import json
import os
import resource
import shutil
import sqlite3
import unittest

import test_notices
from support import client, dataset, outside, picture, program
from support.case import (LONG, NOTHING, QUICK, Case, import_model, job_of, log_until_now, submit, wait_state,
                          wait_training)



def database(state):
    return sqlite3.connect(os.path.join(state, 'cxrd.db'))


def job_id(i):
    return f'{i:08x}-8688-4a37-8088-e0270140338f'


class Storage(Case):

    def serve(self, *args, **kwargs):
        server = program.Server(*args, **kwargs)
        self.addCleanup(server.stop)
        return server

    def state_of(self, n_jobs, record, version=3):
        """A state folder as a version left it that knew no summaries."""
        state = program.new_folder('state')
        server = program.Server(state=state)
        server.stop()
        with database(state) as db:
            for i in range(n_jobs):
                db.execute("INSERT INTO jobs(id, type, state, created_at, config, record) VALUES"
                           " (?, 'train', 'succeeded', '2026-01-01T00:00:00.000Z', ?, ?)",
                           (job_id(i), json.dumps({'dataset': 'tiny', 'epochs': 100}), json.dumps(record)))
            for table in ('generations', 'replicas', 'epochs', 'model_files', 'job_files', 'leases', 'job_links', 'model_signatures', 'profile_choices',
                          'profiles', 'forgotten', 'feedback', 'shadow_scores', 'scored_models', 'scored', 'captions', 'summaries'):
                db.execute(f'DROP TABLE {table}')
            db.execute('DROP INDEX jobs_by_end')
            db.execute('ALTER TABLE jobs DROP COLUMN ended')
            for table, column in (('jobs', 'begun_at'), ('models', 'name'), ('models', 'note'), ('models', 'own_thresholds'), ('models', 'job'),
                                  ('models', 'imported'), ('settings', 'model')):
                db.execute(f'ALTER TABLE {table} DROP COLUMN {column}')
            db.execute('ALTER TABLE notices DROP COLUMN since')
            db.execute(f'PRAGMA user_version = {version}')
        db.close()
        return state


def bytes_read(server):
    """By the server since it began, wherever they came from."""
    with open(f'/proc/{server.pid}/io', encoding='ascii') as file:
        return int(next(line.split()[1] for line in file if line.startswith('rchar:')))


class Lists(Storage):

    def test_row_47_a_list_reads_what_it_shows(self):
        epochs = [{'epoch': i, 'loss': 0.5, 'val_loss': 0.25} for i in range(1000)]
        state = self.state_of(100, {'epochs': epochs, 'kept_epoch': 7, 'validation_loss': 0.25, 'model': None})
        server = self.serve(state=state)
        before = bytes_read(server)
        jobs = client.get(server, '/jobs?limit=100').json()['jobs']
        read = bytes_read(server) - before
        self.assertEqual([job['id'] for job in jobs], [job_id(i) for i in reversed(range(100))])
        self.assertEqual({job['kept_epoch'] for job in jobs}, {7})
        self.assertNotIn('epochs', jobs[0])
        self.assertLess(read, 100 * len(json.dumps(epochs)) / 10)

    def test_row_47_so_many_jobs_are_kept(self):
        state = self.state_of(5, {'model': None})
        for i in range(5):
            os.makedirs(os.path.join(state, 'jobs', job_id(i)))
            with open(os.path.join(state, 'jobs', job_id(i), 'report.html'), 'w', encoding='ascii') as file:
                file.write('x')
        server = self.serve('--keep-jobs', '3', state=state, datasets=dataset.tiny())

        def kept():
            return [job['id'] for job in client.get(server, '/jobs').json()['jobs']]

        program.poll(lambda: kept() == [job_id(4), job_id(3), job_id(2)], 'the oldest two are deleted')
        trained = submit(server, QUICK)
        wait_state(server, trained, 'succeeded')
        program.poll(lambda: kept() == [trained, job_id(4), job_id(3)], 'one more is deleted')
        others = [submit(server, NOTHING) for _ in range(4)]
        wait_state(server, others[-1], 'succeeded')
        # the model of the one that trained is there
        program.poll(lambda: kept() == [*reversed(others[1:]), trained], 'all but three and the trained one are deleted')
        program.poll(lambda: set(os.listdir(os.path.join(state, 'jobs'))) <= {*others, trained}, 'their files go with them')
        self.assert_problem(client.get(server, f'/jobs/{job_id(0)}'), 404)
        program.poll(lambda: len([line for line in server.log() if line.get('why') == '--keep-jobs']) == 6, 'each is in the log')


class Clock(test_notices.NoticesCase):

    def test_row_48_a_notice_of_a_wrong_future_does_not_wait_for_it(self):
        """It was put off while the clock was ten years ahead, by a server that notes when it did so, or by one before it."""
        years = 10 * 365 * 86400
        nobody = self.receiver([500] * 1000)
        server = self.serve('--webhook', f'{nobody.url}/x', '--outgoing-private', f'127.0.0.1:{nobody.port}', stop=False)
        wait_state(server, submit(server, NOTHING), 'succeeded')
        program.poll(lambda: 'will try again' in server.log_text(), 'it was tried')
        server.stop()
        with contextlib.closing(database(server.state)) as db, db:
            times = {'since', 'due'} & {column[1] for column in db.execute('PRAGMA table_info(notices)')}
            db.execute('UPDATE notices SET ' + ', '.join(f'{name} = {name} + {years}' for name in times))
            [(name, tries)] = db.execute('SELECT id, tries FROM notices')
        self.assertGreater(tries, 0)
        there = self.receiver()
        server = self.serve('--webhook', f'{there.url}/x', '--outgoing-private', f'127.0.0.1:{there.port}', state=server.state)
        program.poll(lambda: there.requests, 'it is delivered', 60)
        self.assertEqual(there.requests[0][2]['webhook-id'], name)


class Damage(Storage):
    """The file of a model is away, or another than it was."""

    def file_of(self, server, model):
        return os.path.join(server.state, 'models', f'{model}.safetensors')

    def damage(self, server, model, how):
        path = self.file_of(server, model)
        if how == 'missing':
            os.unlink(path)
        else:
            with open(path, 'r+b') as file:
                file.seek(-1, os.SEEK_END)
                last = file.read(1)
                file.seek(-1, os.SEEK_END)
                file.write(bytes([last[0] ^ 1]))

    def check_unready(self, server, model, says):
        ready = self.assert_problem(client.get(server, '/readyz'), 503, says)
        self.assertIn(model, ready['detail'])
        self.assert_problem(client.post(server, '/predict', picture.noise(1)), 503, says)
        self.assert_problem(client.post(server, '/predict/heatmap?label=Mass', picture.noise(1)), 503, says)
        self.assertEqual(client.get(server, '/livez').status, 200)
        self.assertEqual(client.get(server, '/models').json()['active'], model)
        self.assertIn('cxrd_model_unusable 1', client.get(server, '/metrics').body.decode())
        log_until_now(server)
        lines = [line for line in server.log() if line['level'] == 'error']
        self.assertEqual([line['model'] for line in lines if 'cannot be loaded' in line['message']], [model])

    def check_mended(self, server, model):
        self.assertEqual(client.get(server, '/readyz').json(), {'status': 'ready', 'model': model, 'decoder': 'ready'})
        self.assertEqual(client.post(server, '/predict', picture.noise(1)).json()['model']['id'], model)
        self.assertIn('cxrd_model_unusable 0', client.get(server, '/metrics').body.decode())

    def test_row_50_without_the_active_model_it_starts_and_is_mended(self):
        for how, says in (('missing', 'is missing'), ('changed', 'digest')):
            with self.subTest(how):
                server = self.serve()
                first, second = (import_model(server, dataset.weights(seed))['id'] for seed in (1, 2))
                server.stop()
                self.damage(server, second, how)
                server = self.serve(state=server.state)
                self.check_unready(server, second, says)
                self.assertEqual(client.post(server, '/models/rollback').json()['id'], first)
                self.check_mended(server, first)
                self.assert_problem(client.post(server, '/models/rollback'), 409, says)
                self.assert_problem(client.post(server, f'/models/{second}/activate'), 409, says)
                self.check_mended(server, first)
                server.stop()
                self.damage(server, first, how)
                server = self.serve(state=server.state)
                self.check_unready(server, first, says)
                self.check_mended(server, import_model(server, dataset.weights(1))['id'])

    def test_row_50_a_job_takes_the_place_only_when_it_is_told_to(self):
        server = self.serve(datasets=dataset.tiny())
        model = import_model(server, dataset.weights())['id']
        server.stop()
        self.damage(server, model, 'missing')
        server = self.serve(state=server.state, datasets=dataset.tiny())
        for promote in ('manual', 'if_better'):
            record = wait_state(server, submit(server, {**QUICK, 'promote': promote}), 'succeeded')
            self.assertFalse(record['promotion']['promoted'], record['promotion'])
        self.check_unready(server, model, 'is missing')
        record = wait_state(server, submit(server, {**QUICK, 'promote': 'always'}), 'succeeded')
        self.check_mended(server, record['model'])


class Full(Storage):

    @contextlib.contextmanager
    def no_room(self, server):
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        yield
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def test_row_51_a_full_disk_is_503_whatever_is_asked(self):
        server = self.serve('--log-level', 'off', datasets=dataset.tiny())
        first, second = (import_model(server, dataset.weights(seed))['id'] for seed in (1, 2))
        job = submit(server, NOTHING)
        wait_state(server, job, 'succeeded')
        with self.no_room(server):
            for method, target in (('POST', f'/models/{first}/activate'), ('GET', f'/models/{first}/onnx'), ('POST', '/models/rollback'),
                                   ('DELETE', f'/models/{first}'), ('DELETE', f'/jobs/{job}')):
                with self.subTest(target):
                    self.assert_problem(client.request(server, method, target), 503)
            self.assertEqual(client.get(server, '/models').json()['active'], second)
        self.assertEqual(client.post(server, '/models/rollback').json()['id'], first)


class Paths(Storage):

    def test_row_51_no_path_of_the_server_reaches_a_client(self):
        """Whatever is away, broken or not to be opened. Both folders have a word in their paths that is nowhere else."""
        secret = 'so-secret-a-folder'
        home = program.new_folder(secret)
        datasets, state = os.path.join(home, 'datasets'), os.path.join(home, 'state')
        shutil.copytree(dataset.tiny(), datasets)
        server = self.serve(state=state, datasets=datasets)
        seen = len(client.SEEN)
        ask = lambda method, target, body=b'', **headers: client.request(server, method, target, body, **headers)
        models = [import_model(server, dataset.weights(seed))['id'] for seed in (1, 2, 3)]
        trained = wait_state(server, submit(server, QUICK), 'succeeded')['id']
        interrupted = submit(server, LONG)
        wait_training(server, interrupted)
        server.stop()
        server = self.serve(state=state, datasets=datasets)

        def models_asked():
            for model in models:
                for method, target in (('POST', 'activate'), ('GET', 'weights'), ('GET', 'onnx')):
                    ask(method, f'/models/{model}/{target}')
            ask('POST', '/models/rollback')
            client.post_json(server, '/jobs/train', {**QUICK, 'init': models[0]})

        def jobs_asked():
            for target in ('scores', 'report', 'events'):
                ask('GET', f'/jobs/{trained}/{target}')
            client.post_json(server, f'/jobs/{interrupted}/cancel', {'keep_best': True})

        def data_asked():
            for job in (QUICK, {'epochs': 0}, {**NOTHING, 'dataset': 'other'}, {**NOTHING, 'csv': 'other.csv'}):
                reply = client.post_json(server, '/jobs/train', job)
                if reply.status == 202:
                    program.poll(lambda: job_of(server, reply.json()['id'])['state'] in ('failed', 'interrupted', 'succeeded'), 'it ends')
            ask('GET', '/jobs')

        def away(path):
            os.rename(path, path + '.away')

            def undo():
                if os.path.isdir(path):  # the server has made it anew
                    shutil.rmtree(path)
                os.rename(path + '.away', path)

            return undo

        def folder_instead(path):
            back = away(path)
            os.mkdir(path)
            return back

        def loop_instead(path):
            back = away(path)
            os.symlink(path, path)
            return lambda: (os.unlink(path), back())

        files = {models_asked: [os.path.join(state, 'models', f'{model}.safetensors') for model in models],
                 jobs_asked: [os.path.join(state, 'jobs', trained, 'report.html'), os.path.join(state, 'jobs', trained, 'validation.csv'),
                              os.path.join(state, 'jobs', interrupted, 'checkpoint.safetensors')],
                 data_asked: [datasets, os.path.join(datasets, 'tiny'), os.path.join(datasets, 'tiny', 'Data_Entry_2017.csv'),
                              os.path.join(state, 'jobs'), os.path.join(state, 'models')]}
        for asked, paths in files.items():
            for path in paths:
                for how in (away,) if asked == data_asked else (away, folder_instead, loop_instead):
                    undo = how(path) if os.path.exists(path) else lambda: None
                    asked()
                    undo()
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        for asked in (models_asked, jobs_asked):
            asked()
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        for job in client.get(server, '/jobs?limit=100').json()['jobs']:
            job_of(server, job['id'])
            ask('GET', f'/jobs/{job["id"]}/report')
        ask('GET', '/version')
        self.assertGreater(len([reply for reply in client.SEEN[seen:] if reply.status >= 400]), 30)
        for reply in client.SEEN[seen:]:
            self.assertNotIn(secret, reply.body.decode('latin-1') + str(reply.headers), f'{reply.method} {reply.target}')
        self.assertIn(secret, log_until_now(server))  # the operator is told


class Lock(Storage):

    def refused(self, state):
        done = program.run('serve', '--listen', '127.0.0.1:0', '--state', state)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('another server is using the state folder', done.stderr)

    def test_row_54_one_server_a_state_folder_whatever_is_removed_from_it(self):
        server = self.serve()
        self.refused(server.state)
        for name in os.listdir(server.state):
            path = os.path.join(server.state, name)
            if os.path.isfile(path) and name != 'cxrd.db':
                os.unlink(path)
        self.refused(server.state)
        os.rename(os.path.join(server.state, 'cxrd.db'), os.path.join(server.state, 'elsewhere.db'))
        self.refused(server.state)
        os.rename(os.path.join(server.state, 'elsewhere.db'), os.path.join(server.state, 'cxrd.db'))
        self.assertEqual(client.get(server, '/livez').status, 200)
        server.stop()
        self.serve(state=server.state)


if __name__ == '__main__':
    unittest.main()
