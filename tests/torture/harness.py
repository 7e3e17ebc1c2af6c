"""Shared by the torture tests: servers whose disk fails on order, and what must be true of a state folder after any
crash."""
import hashlib
import http.client
import itertools
import os
import random
import shutil
import sqlite3

from support import client, dataset, program
from support.case import QUICK, Case, job_of, wait_state

LONG, SEED, CYCLES = False, 1, 5  # set by torture.py
PART, PARTS = 0, 1  # which of how many equal parts of the points are this process's; set by torture.py

# a training of a moment, with three checkpoints
TRAINING = {**QUICK, 'epochs': 3, 'steps_per_epoch': 2, 'patience': 0, 'learning_rate': 0.003}

GONE = (OSError, http.client.HTTPException, AssertionError)  # what a client sees of a server that died

_words = itertools.count()


def all_points(calls, counts):
    """Each of these calls, of which there are so many, and which one of its kind it is."""
    return [(call, k) for call in calls for k in range(1, counts[call] + 1)]


def chosen(points, sample):
    """This process's part of the points; in the short form, of so many that the seed draws."""
    if not LONG:
        points = random.Random(SEED).sample(points, sample)
    return points[PART::PARTS]


class Faults:
    """The order that the server's disk has, and what it did."""

    def __init__(self, in_place=False):
        folder = program.new_folder('faults')
        self.order_path, self.log_path = os.path.join(folder, 'order'), os.path.join(folder, 'log')
        self.environment = {'LD_PRELOAD': os.environ['CXRD_FAULT_LIB'], 'CXRD_FAULT_ORDER': self.order_path,
                            'CXRD_FAULT_LOG': self.log_path,
                            'ASAN_OPTIONS': os.environ.get('ASAN_OPTIONS', '') + ':verify_asan_link_order=0'}
        if in_place:
            self.environment['CXRD_FAULT_IN_PLACE'] = '1'

    def order(self, calls, part, k, action, mode='one'):
        """The k-th of these calls on a path that holds `part` (mode "from": and all after it) fails or kills."""
        with open(self.order_path + '.new', 'w', encoding='ascii') as file:
            file.write(f'w{next(_words)} {calls} {part} {k} {action} {mode}\n')
        os.rename(self.order_path + '.new', self.order_path)

    def clear(self):
        if os.path.exists(self.order_path):
            os.remove(self.order_path)

    def log(self):
        """The calls so far, as lists of words; paths hold no spaces here."""
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path, encoding='ascii') as file:
            return [line.split() for line in file]

    def forget(self):
        if os.path.exists(self.log_path):
            os.remove(self.log_path)

    def hits(self):
        return sum(line[0] == 'failed' for line in self.log())


class TortureCase(Case):

    def serve(self, state=None, faults=None, threads=2, options=()):
        """A server; raises AssertionError when it dies before it listens."""
        server = program.Server('--job-queue', '100', *options, state=state, datasets=dataset.tiny(), threads=threads,
                                env=faults.environment if faults else None)
        self.addCleanup(lambda: server.alive() and server.stop())
        return server

    def check_files(self, state):
        """Offline, on a copy, as a crash left it: the database is whole once its journal is played back."""
        copy = program.new_folder('copy')
        for name in os.listdir(state):
            if name.startswith('cxrd.db'):
                shutil.copy(os.path.join(state, name), copy)
        with sqlite3.connect(os.path.join(copy, 'cxrd.db')) as db:
            self.assertEqual(db.execute('PRAGMA integrity_check').fetchall(), [('ok',)])
        db.close()
        shutil.rmtree(copy)

    def check_restarted(self, server):
        """Check what holds of every server that has just started, whatever happened to the one before. Returns the state of
        every job."""
        jobs, models = self.pages(server, 'jobs'), self.pages(server, 'models')
        running = [j for j in jobs if j['state'] == 'running']
        self.assertLessEqual(len(running), 1)
        self.assertTrue(all(j['phase'] for j in running), 'called running, but nothing runs')
        folder = os.path.join(server.state, 'models')
        self.assertTrue(all(self.digest(os.path.join(folder, m['id'] + '.safetensors')) == m['sha256'] for m in models),
                        'a weight file is not what its card says')
        known = {m['id'] + '.safetensors' for m in models}
        if not running:  # or it may be saving right now
            self.assertEqual({n for n in os.listdir(folder) if n not in known}, set(), 'files that nobody knows')
            for place, _, names in os.walk(server.state):
                self.assertEqual([n for n in names if n.endswith('.part')], [], place)
        return {j['id']: j['state'] for j in jobs}

    def pages(self, server, what):
        found, cursor = [], ''
        while cursor is not None:
            page = client.get(server, f'/{what}?limit=100{cursor and "&cursor=" + cursor}').json()
            found += page[what]
            cursor = page['next_cursor']
        return found

    @staticmethod
    def digest(path):
        with open(path, 'rb') as file:
            return hashlib.sha256(file.read()).hexdigest()

    def check_resumable(self, server, job, golden):
        """Whatever the crash made of it, the job can be brought to the end that it would have had, from where it was: no
        crash damages a checkpoint."""
        if job_of(server, job)['state'] == 'interrupted':
            self.assertEqual(client.post(server, f'/jobs/{job}/resume').status, 202)
        record = wait_state(server, job, 'succeeded')
        self.assertEqual(tensors(server, record), golden)
        self.assertNotIn('began_again', [warning['code'] for warning in record['warnings']])


def tensors(server, record):
    """The model's weights as bytes, without the metadata, which name the job."""
    body = client.get(server, f'/models/{record["model"]}/weights').body
    return body[8 + int.from_bytes(body[:8], 'little'):]
