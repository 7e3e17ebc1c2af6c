"""Killed just before each single call that changes a file while profiles are made, chosen and left, models are activated and tried, readers say how
predictions were, and thresholds are set: what was acknowledged is there after it, and what was not may be there whole, or not at all."""
import collections
import json
import os
import sys

import harness
from harness import GONE, Faults, TortureCase
from support import client, dataset, program
from support.case import import_model
from support.program import poll

CALLS = ('open', 'write', 'pwrite', 'ftruncate', 'fsync', 'rename', 'unlink', 'mkdir')
SAMPLE = 6  # points in the short form
OPTIONS = ('--keep-scores', '30')


class Client:
    """Walks through the requests and remembers, of each thing, what was acknowledged last and what was asked for since."""

    def __init__(self, server, models, document):
        self.server, self.models, self.document = server, models, document
        self.known, self.asked = {}, {}

    def ask(self, thing, value, method, path, *statuses, body=None):
        """`value` is what `thing` is when this is done."""
        self.asked[thing] = value
        headers = {'Content_Type': 'application/json'} if body is not None else {}
        reply = client.request(self.server, method, path, body=json.dumps(body).encode() if body is not None else b'', **headers)
        if reply.status not in statuses:
            raise AssertionError(reply)
        if callable(value):
            value = value(reply)
        self.known[thing] = value
        self.asked.pop(thing)
        return reply

    def profile(self, name):
        reply = self.ask(f'profile {name}', lambda r: r.json()['id'], 'POST', f'/models/{self.models[0]}/profiles', 201,
                         body={'profile': self.document, 'name': name})
        return reply.json()['id']

    def profiles(self):
        first, second = self.profile('first'), self.profile('second')
        self.ask('choice', first, 'POST', f'/profiles/{first}/activate', 200)
        self.ask('choice', second, 'POST', f'/profiles/{second}/activate', 200)
        self.ask('choice', first, 'POST', f'/models/{self.models[0]}/profiles/rollback', 200)
        self.ask('choice', None, 'POST', f'/profiles/{first}/deactivate', 200)
        self.ask('profile second', 'deleted', 'DELETE', f'/profiles/{second}', 204)
        self.ask('choice', first, 'POST', f'/profiles/{first}/activate', 200)

    def trials(self):
        self.ask('shadow', self.models[1], 'PUT', f'/models/{self.models[1]}/shadow', 200)
        self.ask('canary', self.models[1], 'PUT', f'/models/{self.models[1]}/canary', 200, body={'share': 0.25})
        self.ask('shadow', None, 'DELETE', f'/models/{self.models[1]}/shadow', 204)
        self.ask('canary', None, 'DELETE', f'/models/{self.models[1]}/canary', 204)

    def activations(self):
        self.ask('own', 0.375, 'PATCH', f'/models/{self.models[0]}', 200, body={'own_thresholds': {'Mass': 0.375}})
        self.ask('active', self.models[1], 'POST', f'/models/{self.models[1]}/activate', 200)
        self.ask('active', self.models[0], 'POST', '/models/rollback', 200)

    def feedback(self):
        reply = client.post(self.server, '/predict', dataset.image(0), Content_Type='image/png')
        answer = reply.json()['prediction_id']
        for says in ('present', 'unsure'):
            self.ask(f'feedback {answer}', says, 'POST', f'/predictions/{answer}/feedback', 200, 201,
                     body={'reader': 'a', 'findings': {'Mass': says}})

    def walk(self):
        self.profiles()
        self.trials()
        self.activations()
        self.feedback()


class SiteKept(TortureCase):
    deaths = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.state = program.new_folder('state')
        server = program.Server('--job-queue', '100', *OPTIONS, state=cls.state, datasets=dataset.tiny(), threads=2)
        cls.models = [import_model(server, dataset.weights(seed), activate=False)['id'] for seed in (1, 2)]
        client.post(server, f'/models/{cls.models[0]}/activate')
        job = client.post_json(server, '/jobs/validate', {'dataset': 'tiny'}).json()['id']
        harness.wait_state(server, job, 'succeeded')
        made = client.post_json(server, f'/models/{cls.models[0]}/profiles', {'validation': job})
        assert made.status == 201, made
        cls.document = made.json()['profile']
        server.stop()

    def copied(self):
        state = os.path.join(program.new_folder('state'), 'state-')  # fault.c counts what is below such a name
        harness.shutil.copytree(self.state, state)
        return state

    def live(self, faults, state):
        try:
            server = self.serve(state, faults, options=OPTIONS)
        except AssertionError:  # it died before it listened
            self.deaths += 1
            return Client(None, self.models, self.document)
        told = Client(server, self.models, self.document)
        try:
            told.walk()
            server.stop()
        except GONE:
            poll(lambda: not server.alive(), 'it is dead, since it does not answer as it should', 20)
            self.deaths += 1
        return told

    def look(self, server):
        """The state of the server, by the names that the client gave things."""
        listed = client.get(server, '/models').json()
        profiles = client.get(server, f'/models/{self.models[0]}/profiles').json()['profiles']
        found = {'active': listed['active'], 'choice': next((p['id'] for p in profiles if p['active']), None)}
        for profile in profiles:
            found[f'profile {profile["name"]}'] = profile['id']
            if profile['name']:
                self.assertEqual(profile['profile'], self.document)
        card = next(m for m in listed['models'] if m['id'] == self.models[0])
        found['own'] = (card['own_thresholds'] or {}).get('Mass')
        for trial in ('shadow', 'canary'):
            there = client.get(server, f'/models/{self.models[1]}/{trial}').status == 200
            found[trial] = self.models[1] if there else None
        for line in client.get(server, '/feedback').body.decode().splitlines()[1:]:
            cells = line.split(',')
            found[f'feedback {cells[0]}'] = cells[7]
        return found

    def check(self, state, told):
        self.check_files(state)
        server = self.serve(state, options=OPTIONS)
        self.check_restarted(server)
        found = self.look(server)
        for case in 'abcdefgh':  # a canary answers some of them in place of the active model, and has no profile
            answer = client.post(server, f'/predict?case={case}', dataset.image(0), Content_Type='image/png')
            self.assertEqual(answer.status, 200, answer)
            model = answer.json()['model']['id']
            self.assertIn(model, (found['active'], found['canary']))
            self.assertEqual((answer.json().get('profile') or {}).get('id'), found['choice'] if model == self.models[0] else None)
        for thing, value in told.known.items():
            there = found.get(thing, 'deleted' if thing.startswith('profile') else None)
            if thing in told.asked:  # what was on its way may have come to be
                wanted = told.asked[thing]
                self.assertIn(there, (value, wanted), thing)
            else:
                self.assertEqual(there, value, thing)
        server.stop()

    def test_killed_before_any_call_nothing_acknowledged_is_lost(self):
        faults = Faults()
        state = self.copied()
        told = self.live(faults, state)
        self.assertEqual((self.deaths, told.asked), (0, {}))
        self.check(state, told)
        counts = collections.Counter(line[0] for line in faults.log() if line[0] in CALLS and state in line[1])
        points = harness.all_points(CALLS, counts)
        self.assertGreater(len(points), 100, counts)
        points = harness.chosen(points, SAMPLE)
        for call, k in points:
            with self.subTest(call=call, k=k):
                faults = Faults()
                state = self.copied()
                faults.order(call, '/state-', k, 'KILL')
                self.check(state, self.live(faults, state))
        self.assertGreater(self.deaths, 0, 'it was never killed')
        print(f'# killed before {len(points)} calls of {dict(counts)}, died {self.deaths} times', file=sys.stdout)
