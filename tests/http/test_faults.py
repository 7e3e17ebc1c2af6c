"""Faults outside the program that a job must live through: rows of the threat model (docs/security.md)."""
import os
import sqlite3

from support import client, dataset, program
from support.case import LONG, NOTHING, Case, job_of, submit, wait_state, wait_training


class FaultCase(Case):

    def serve(self, *arguments, state=None, datasets=None, threads=2):
        server = program.Server('--job-queue', '100', *arguments, state=state, datasets=datasets, threads=threads)
        self.addCleanup(server.stop)
        return server


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
