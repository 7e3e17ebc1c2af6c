"""kill -9 at random moments, while jobs train, checkpoints and records are written and models are swapped."""
import random
import sqlite3
import os
import threading
import time

import harness
from harness import GONE, TRAINING, TortureCase
from support import client, dataset
from support.case import NOTHING, import_model, job_of, wait_state


class Known:
    """The acknowledged changes, which must be true after any crash."""

    def __init__(self, models):
        self.jobs = {}  # id -> what it must be: None (any state), 'cancelled' or 'deleted'
        self.models = models
        self.active, self.asked = {models[0]}, None  # which may be active

    def activated(self, model):
        self.active = {model}


class Clients:
    """Threads that keep a server busy until it is gone."""

    def __init__(self, server, known, seed):
        self.server, self.known, self.random = server, known, random.Random(seed)
        self.strange = []
        self.threads = [threading.Thread(target=self.until_gone, args=(work,))
                        for work in (self.submit, self.swap, self.change, self.predict)]
        for thread in self.threads:
            thread.start()

    def join(self):
        for thread in self.threads:
            thread.join()

    def until_gone(self, work):
        try:
            while True:
                work()
        except GONE:
            pass

    def expect(self, reply, *statuses):
        if reply.status not in statuses:
            self.strange.append(reply)

    def submit(self):
        job = self.random.choice((TRAINING, TRAINING, NOTHING))
        reply = client.post_json(self.server, '/jobs/train', job)
        self.expect(reply, 202, 429, 503)
        if reply.status == 202:
            self.known.jobs[reply.json()['id']] = None
        time.sleep(self.random.uniform(0, 0.2))

    def swap(self):
        model = self.random.choice(self.known.models)
        self.known.active.add(model)
        reply = client.post(self.server, f'/models/{model}/activate')
        self.expect(reply, 200, 503)
        if reply.status == 200:
            self.known.activated(model)

    def change(self):
        """Resume what was interrupted, cancel and delete what is old, import another model."""
        for state, action in (('interrupted', 'resume'), ('interrupted', 'cancel'), ('queued', 'cancel')):
            jobs = client.get(self.server, f'/jobs?state={state}').json()['jobs']
            for job in jobs[-1:] if action == 'resume' else jobs[3:6]:
                if action == 'resume':
                    self.expect(client.post(self.server, f'/jobs/{job["id"]}/resume'), 202, 409, 503)
                    continue
                reply = client.post_json(self.server, f'/jobs/{job["id"]}/cancel', {'keep_best': True})
                self.expect(reply, 202, 409, 503)
                if reply.status == 202 and reply.json()['state'] == 'cancelled':
                    self.known.jobs[job['id']] = 'cancelled'
        for job in client.get(self.server, '/jobs?state=cancelled').json()['jobs'][5:8]:
            self.known.jobs[job['id']] = 'maybe deleted'
            if client.request(self.server, 'DELETE', f'/jobs/{job["id"]}').status == 204:
                self.known.jobs[job['id']] = 'deleted'
        time.sleep(self.random.uniform(0, 0.3))

    def predict(self):
        reply = client.post(self.server, '/predict', dataset.image(1), Content_Type='image/png')
        self.expect(reply, 200, 503)
        time.sleep(0.01)


class Kill9(TortureCase):

    def check(self, server, known):
        states = self.check_restarted(server)
        for job, fate in known.jobs.items():
            if fate == 'deleted':
                self.assertNotIn(job, states, 'a deleted job came back')
            elif fate != 'maybe deleted':
                self.assertIn(job, states, 'an acknowledged job is gone')
            if fate == 'cancelled':
                self.assertEqual(states[job], 'cancelled')
        active = client.get(server, '/models').json()['active']
        self.assertIn(active, known.active)
        known.activated(active)
        told = self.assert_prediction(client.post(server, '/predict', dataset.image(1), Content_Type='image/png'))
        self.assertEqual(told['model']['id'], active)
        self.assertEqual(told['probabilities'], self.golden[active])

    def test_nothing_acknowledged_is_lost_and_nothing_half_written_is_served(self):
        moment, limit = random.Random(harness.SEED), 1.5 if harness.LONG else 0.8
        server = self.serve()
        state = server.state
        models, self.golden = [], {}
        for seed in (1, 2):
            models.append(import_model(server, dataset.weights(seed))['id'])
            reply = client.post(server, '/predict', dataset.image(1), Content_Type='image/png')
            self.golden[models[-1]] = reply.json()['probabilities']
        known = Known(models[::-1])
        for cycle in range(harness.CYCLES):
            clients = Clients(server, known, (harness.SEED, cycle).__hash__())
            time.sleep(moment.uniform(0, limit))
            server.kill()
            clients.join()
            self.assertEqual(clients.strange, [])
            self.check_files(state)
            server = self.serve(state)
            self.check(server, known)
        self.finish(server, known)

    def finish(self, server, known):
        """All that waits is done or cancelled; then no job is left in between, in the database itself."""
        for job in self.pages(server, 'jobs'):
            if job['state'] in ('queued', 'running'):
                client.post(server, f'/jobs/{job["id"]}/cancel')
        last = client.post_json(server, '/jobs/train', TRAINING).json()['id']
        wait_state(server, last, 'succeeded')
        self.assertEqual(job_of(server, last)['error'], None)
        server.stop()
        with sqlite3.connect(os.path.join(server.state, 'cxrd.db')) as db:
            left = db.execute("SELECT count(*) FROM jobs WHERE state IN ('queued', 'running')").fetchone()
            jobs = db.execute('SELECT count(*) FROM jobs').fetchone()
        db.close()
        self.assertEqual(left, (0,))
        print(f'# {harness.CYCLES} kills, {len(known.jobs)} jobs acknowledged, {jobs[0]} in the end')
