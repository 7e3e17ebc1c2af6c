"""cxrd store copy into a folder, killed just before each single call that changes a file, or with a disk that is full from there on: there is
nothing in the target after it, or everything, and the next try makes it whole."""
import collections
import os
import sqlite3
import sys

import harness
from harness import Faults, TortureCase
from support import client, dataset, program
from support.case import QUICK, import_model, submit, wait_state

CALLS = ('open', 'write', 'pwrite', 'ftruncate', 'fsync', 'rename', 'unlink', 'mkdir')
SAMPLE = 6  # points in the short form


class StoreCopy(TortureCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.source = program.new_folder('source')
        server = program.Server(state=cls.source, datasets=dataset.tiny(), threads=2)
        job = submit(server, QUICK)
        wait_state(server, job, 'succeeded')
        client.post(server, f'/models/{import_model(server, dataset.weights())["id"]}/activate')
        server.stop()

    def setUp(self):
        self.faults = Faults()

    def copy(self, target):
        return program.run('store', 'copy', '--from', self.source, '--to', target, env=self.faults.environment)

    def target(self):
        return os.path.join(program.new_folder('x'), 'state-')  # fault.c counts what is below such a name

    def rows(self, target):
        path = os.path.join(target, 'cxrd.db')
        if not os.path.exists(path):
            return 0
        with sqlite3.connect(path) as db:  # which plays the journal back
            self.assertEqual(db.execute('PRAGMA integrity_check').fetchall(), [('ok',)])
            tables = [name for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
            found = sum(db.execute(f'SELECT count(*) FROM {name}').fetchone()[0] for name in tables)
        db.close()
        return found

    def files(self, target):
        return {os.path.relpath(path, target): held for part in ('models', 'jobs')
                for path, held in program.contents_below(os.path.join(target, part))}

    def test_there_is_all_or_nothing(self):
        target = self.target()
        whole = self.copy(target)
        self.assertEqual(whole.returncode, 0, whole.stderr)
        all_rows, all_files = self.rows(target), self.files(target)
        self.assertGreater(len(all_files), 4)
        counts = collections.Counter(line[0] for line in self.faults.log())
        points = harness.all_points(CALLS, counts)
        self.assertGreater(len(points), 40, counts)
        print(f'store copy: {len(points)} calls', file=sys.stderr)
        ended = 0
        for call, k in harness.chosen(points, SAMPLE):
            for action, mode in (('KILL', 'one'), ('ENOSPC', 'from')):
                with self.subTest(f'{action} at {call} {k}'):
                    ended += self.fault(call, k, action, mode, whole.stdout, all_rows, all_files)
        self.assertGreater(ended, 0)

    def fault(self, call, k, action, mode, printed, all_rows, all_files):
        target = self.target()
        self.faults.order(call, 'state-', k, action, mode)
        done = self.copy(target)
        self.faults.clear()
        there = self.rows(target)
        self.assertIn(there, (0, all_rows))
        if there:
            self.assertEqual(self.files(target), all_files)
            return done.returncode != 0
        self.assertNotEqual(done.returncode, 0)
        again = self.copy(target)
        self.assertEqual((again.returncode, again.stdout), (0, printed), again.stderr)
        self.assertEqual((self.rows(target), self.files(target)), (all_rows, all_files))
        return True
