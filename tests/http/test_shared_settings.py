"""A change on one server of a shared store acts on the others, which go on running: thresholds, profiles, a canary, a shadow, a deletion."""
import json
import os
import unittest

from support import client, dataset, picture, postgresql, program
from support.case import QUICK, Case, import_model, submit, wait_state

WHY_NOT = postgresql.why_not() if program.BINARY else None
PNG = {'Content_Type': 'image/png'}


@unittest.skipIf(WHY_NOT, WHY_NOT)
class SharedSettings(Case):

    @classmethod
    def setUpClass(cls):
        cls.cluster = postgresql.Cluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.store, cls.datasets = cls.cluster.database('settings'), dataset.tiny()
        cls.states = [program.new_folder('state') for _ in range(3)]
        cls.servers = [None] * 3
        for i in range(3):
            cls.serve(i)
        cls.first, cls.others = cls.servers[0], cls.servers[1:]

    @classmethod
    def serve(cls, i):
        server = cls.servers[i] = program.Server('--store', cls.store, state=cls.states[i], datasets=cls.datasets)
        cls.addClassCleanup(lambda: server.alive() and server.stop())

    def pair(self):
        """The active model, and another."""
        active = import_model(self.first, dataset.weights(1))['id']
        return active, import_model(self.first, dataset.weights(2), activate=False)['id']

    def change(self, method, target, body=None, server=None):
        reply = client.request(server or self.first, method, target, None if body is None else json.dumps(body).encode(),
                               **({} if body is None else {'Content_Type': 'application/json'}))
        self.assertIn(reply.status, (200, 204), reply)
        return reply

    def ask(self, server, query=''):
        return client.post(server, f'/predict{query}', picture.noise(1), **PNG)

    def on_others(self, look, said):
        """Until all others answer so, without a restart."""
        for server in self.others:
            program.poll(lambda s=server: look(s), said)

    def test_own_thresholds(self):
        active, other = self.pair()
        for server in self.servers:
            self.assert_prediction(self.ask(server, f'?model={other}'))
        for model in (active, other):  # the one that answers, and one that is loaded beside it
            self.change('PATCH', f'/models/{model}', {'own_thresholds': {'Mass': 0.25}})
            query = f'?model={model}&operating_point=own'
            self.on_others(lambda s, q=query: self.ask(s, q).status == 200, 'it has the thresholds')
            self.change('PATCH', f'/models/{model}', {'own_thresholds': None}, self.others[0])
            program.poll(lambda q=query: self.ask(self.first, q).status == 422, 'it has none any more')

    def test_a_profile(self):
        model = wait_state(self.first, submit(self.first, {**QUICK, 'seed': 1}), 'succeeded')
        self.change('POST', f'/models/{model["model"]}/activate')
        profiles = []
        for _ in range(2):
            reply = client.post_json(self.first, f'/models/{model["model"]}/profiles', {'validation': model['id']})
            self.assertEqual(reply.status, 201, reply)
            profiles.append(reply.json()['id'])

        def told(server):
            return self.ask(server).json().get('profile', {}).get('id')
        for profile in profiles:
            self.change('POST', f'/profiles/{profile}/activate')
            self.on_others(lambda s, p=profile: told(s) == p, 'it answers by the profile')
        self.change('POST', f'/models/{model["model"]}/profiles/rollback', server=self.others[0])
        program.poll(lambda: told(self.first) == profiles[0], 'it answers by the one before')
        self.change('POST', f'/profiles/{profiles[0]}/deactivate')
        self.on_others(lambda s: told(s) is None, 'it answers by none')

    def test_a_canary(self):
        active, candidate = self.pair()

        def share(server):
            reply = client.get(server, f'/models/{candidate}/canary')
            return reply.json()['share'] if reply.status == 200 else None
        for part in (0.5, 0.25):
            self.change('PUT', f'/models/{candidate}/canary', {'share': part})
            self.on_others(lambda s, p=part: share(s) == p, 'it has the canary')
        self.assertEqual({self.ask(self.others[0], f'?case=case-{i}').json()['model']['id'] for i in range(40)}, {active, candidate})
        third = import_model(self.others[1], dataset.weights(3), activate=False)['id']
        self.assert_problem(client.request(self.others[1], 'PUT', f'/models/{third}/canary', b'{"share":0.5}',
                                           Content_Type='application/json'), 409, 'end that first')
        self.change('POST', f'/models/{third}/activate', server=self.others[1])
        program.poll(lambda: self.ask(self.others[0]).json()['model']['id'] == third, 'the third answers')
        state = f'/models/{candidate}/canary'
        self.assertEqual(client.get(self.others[0], state).json()['state'], 'taken back')
        program.poll(lambda: client.get(self.first, state).json()['state'] == 'taken back', 'one that nobody asked knows it too')
        self.change('DELETE', state)
        self.on_others(lambda s: share(s) is None, 'it has no canary')

    def test_a_shadow_whose_pictures_are_added_up(self):
        _, candidate = self.pair()
        target = f'/models/{candidate}/shadow'
        self.change('PUT', target)
        self.on_others(lambda s: client.get(s, target).status == 200, 'it has the model in the shadow')
        for server in self.servers:
            before = client.get(server, target).json()['pictures']  # others write theirs every 30 s
            self.assert_prediction(self.ask(server))
            program.poll(lambda s=server, n=before: client.get(s, target).json()['pictures'] > n, 'it has looked at one')
        third = import_model(self.first, dataset.weights(3), activate=False)['id']
        self.assert_problem(client.request(self.others[1], 'PUT', f'/models/{third}/shadow'), 409, 'end that first')
        for i in range(3):  # the end of a server writes what it has counted
            self.servers[i].stop()
            self.serve(i)
        type(self).first, type(self).others = self.servers[0], self.servers[1:]
        self.assertEqual(client.get(self.others[1], target).json()['pictures'], 3)
        self.change('DELETE', target, server=self.others[0])
        program.poll(lambda: client.get(self.first, target).status == 404, 'it is in the shadow no longer')
        self.change('PUT', target, server=self.others[1])
        program.poll(lambda: client.get(self.first, target).status == 200, 'it is in the shadow again')
        self.assertEqual(client.get(self.first, target).json()['pictures'], 0)
        self.change('DELETE', target)

    def test_a_model_that_is_deleted(self):
        _, model = self.pair()
        files = [os.path.join(state, 'models', f'{model}.safetensors') for state in self.states]
        for server in self.servers:
            self.assert_prediction(self.ask(server, f'?model={model}'))
        self.assertEqual([os.path.exists(file) for file in files], [True] * 3)
        self.change('DELETE', f'/models/{model}')
        self.on_others(lambda s: self.ask(s, f'?model={model}').status == 404, 'it does not answer by it')
        for file in files:
            program.poll(lambda f=file: not os.path.exists(f), 'its file is gone')
