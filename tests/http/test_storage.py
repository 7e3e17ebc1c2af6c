"""What the server keeps, and what becomes of it when the disk, the clock or a stranger's hand is against it.

Rows 47 to 54 of docs/security.md that are about the state folder."""
import json
import os
import sqlite3
import unittest

from support import client, dataset, program
from support.case import NOTHING, QUICK, Case, submit, wait_state



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
            db.execute('DROP TABLE summaries')
            db.execute('DROP INDEX jobs_by_end')
            db.execute('ALTER TABLE jobs DROP COLUMN ended')
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
        self.assertEqual(len([line for line in server.log() if line.get('why') == '--keep-jobs']), 6)


if __name__ == '__main__':
    unittest.main()
