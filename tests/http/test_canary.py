"""A canary answers a share of the requests, the same cases always, and is taken back by itself."""
import json
import os
import resource
import unittest

from support import client, dataset, picture, program
from support.case import Case, import_model
from test_watching import read_metrics, with_deciles

PNG = {'Content_Type': 'image/png'}


def put(server, model, share=0.5):
    return client.request(server, 'PUT', f'/models/{model}/canary', json.dumps({'share': share}).encode(),
                          Content_Type='application/json')


def canary(server, model):
    reply = client.get(server, f'/models/{model}/canary')
    if reply.status != 200:
        raise AssertionError(f'canary: {reply}')
    return reply.json()


def suspicious(data):
    """A weights file whose input gate warns of every picture."""
    def change(head):
        gate = {'mean': [1e6] * 24, 'factor': [[0.0] * i + [1.0] for i in range(24)], 'threshold': 1.0, 'rows': 1000}
        head['__metadata__']['input_gate'] = json.dumps(gate)
    return dataset.changed(data, change)


class Canary(Case):

    def serve(self, *arguments, state=None):
        server = program.Server(*arguments, state=state)
        self.addCleanup(lambda: server.alive() and server.stop())
        return server

    def pair(self, server, candidate=None):
        active = import_model(server, dataset.weights(1))['id']
        return active, import_model(server, candidate or dataset.weights(2), activate=False)['id']

    def who(self, server, case=None):
        reply = client.post(server, '/predict' + (f'?case={case}' if case else ''), dataset.image(1), **PNG)
        self.assertEqual(reply.status, 200, reply)
        return reply.json()['model']['id']

    def case_of(self, server, model):
        """A case that this model answers."""
        return next(f'case-{i}' for i in range(200) if self.who(server, f'case-{i}') == model)

    def ask(self, server, cases, n):
        with client.Client(server) as one:
            for i in range(n):
                for case in cases:
                    self.assertEqual(one.request('POST', f'/predict?case={case}', picture.noise(i % 7)).status, 200)

    def test_it_answers_its_share_and_the_same_cases_always(self):
        server = self.serve()
        active, candidate = self.pair(server)
        self.assertEqual({self.who(server, f'case-{i}') for i in range(10)}, {active})
        self.assertEqual(put(server, candidate, 0.25).status, 200)
        first = [self.who(server, f'case-{i}') for i in range(60)]
        share = first.count(candidate) / 60
        self.assertTrue(0.05 < share < 0.5, share)  # of 60 drawn at 0.25, beyond these once in 2,000 times
        self.assertEqual([self.who(server, f'case-{i}') for i in range(60)], first)
        put(server, candidate, 0.5)  # a larger share takes none away
        for case, was in enumerate(first[:20]):
            if was == candidate:
                self.assertEqual(self.who(server, f'case-{case}'), candidate)
        self.assertEqual({self.who(server) for _ in range(40)}, {active, candidate})  # without a case it is drawn
        told = canary(server, candidate)
        self.assertEqual((told['state'], told['share'], told['active'], told['reason']), ('answers', 0.5, active, None))
        self.assertGreater(told['answers'], 0)
        self.assertEqual(client.get(server, '/models').json()['canary'], candidate)
        values = read_metrics(client.get(server, '/metrics').body.decode())
        self.assertEqual(values[f'cxrd_canary_share{{model_version="{candidate}"}}'], 0.5)
        case = self.case_of(server, candidate)
        server.stop()
        server = self.serve(state=server.state)
        self.assertEqual(self.who(server, case), candidate, 'it and its cases outlive the server')
        self.assertEqual(client.request(server, 'DELETE', f'/models/{candidate}/canary').status, 204)
        self.assertEqual(self.who(server, case), active)
        self.assert_problem(client.get(server, f'/models/{candidate}/canary'), 404, 'no canary')

    def test_one_that_is_asked_for_by_name_answers(self):
        server = self.serve()
        active, candidate = self.pair(server)
        put(server, candidate)
        case = self.case_of(server, candidate)
        reply = client.post(server, f'/predict?case={case}&model={active}', dataset.image(1), **PNG)
        self.assertEqual(reply.json()['model']['id'], active)

    def test_one_that_lacks_what_is_asked_for_leaves_it_to_the_active_model(self):
        server = self.serve()
        thresholds = {kind: {label: 0.5 for label in dataset.LABELS} for kind in ('youden', 'specificity_90')}
        active = import_model(server, dataset.judging(dataset.weights(1), thresholds))['id']
        del thresholds['specificity_90']
        candidate = import_model(server, dataset.judging(dataset.weights(2), thresholds), activate=False)['id']
        put(server, candidate)
        case = self.case_of(server, candidate)
        reply = client.post(server, f'/predict?case={case}&operating_point=specificity_90', dataset.image(1), **PNG)
        self.assertEqual((reply.status, reply.json()['model']['id']), (200, active), reply)
        self.assertEqual((self.who(server, case), canary(server, candidate)['state']), (candidate, 'answers'))

    def test_what_cannot_be_one_is_refused(self):
        server = self.serve()
        active, candidate = self.pair(server)
        self.assert_problem(put(server, active), 409, 'active')
        self.assert_problem(put(server, '00000000-0000-4000-8000-000000000000'), 404)
        self.assert_wrong_fields(put(server, candidate, 0.6), 'share')
        self.assert_wrong_fields(put(server, candidate, 0), 'share')
        put(server, candidate)
        other = import_model(server, dataset.weights(3), activate=False)['id']
        self.assert_problem(put(server, other), 409, candidate)
        self.assert_problem(client.request(server, 'DELETE', f'/models/{candidate}'), 409, 'canary')

    def events(self, path):
        with open(path, encoding='utf-8') as file:
            return [json.loads(line) for line in file]

    def test_a_share_that_the_disk_does_not_take_changes_nothing(self):
        server = self.serve('--log-level', 'off')
        _, candidate = self.pair(server)
        before = put(server, candidate, 0.2).json()
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        self.assert_problem(put(server, candidate, 0.3), 503)
        self.assertEqual(canary(server, candidate), before)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.assertEqual(put(server, candidate, 0.3).json(), {**before, 'share': 0.3})

    def test_warnings_beyond_chance_take_it_back_and_that_is_audited(self):
        log = os.path.join(program.new_folder('audit'), 'log')
        server = self.serve('--audit', log)
        active, candidate = self.pair(server, suspicious(dataset.weights(2)))
        put(server, candidate)
        cases = self.case_of(server, candidate), self.case_of(server, active)
        self.ask(server, cases, 80)
        self.assertEqual(canary(server, candidate)['state'], 'answers')
        self.ask(server, cases, 30)
        told = canary(server, candidate)
        self.assertEqual((told['state'], told['reason'].split(':')[0], told['failed']), ('taken back', 'warnings', 0))
        self.assertEqual(self.who(server, cases[0]), active)
        event = next(e for e in self.events(log) if e['event'] == 'take_back')
        self.assertEqual((event['model'], event['reason']), (candidate, told['reason']))
        self.assertEqual([e['route'] for e in self.events(log) if e['event'] == 'change'][-1], '/models/{id}/canary')
        server.stop()
        server = self.serve('--audit', log, state=server.state)
        self.assertEqual(canary(server, candidate)['reason'], told['reason'])
        self.assertEqual(put(server, candidate).json()['state'], 'answers')  # it begins anew

    def test_drift_of_its_scores_takes_it_back(self):
        server = self.serve()
        active, candidate = self.pair(server, with_deciles(dataset.weights(2)))
        put(server, candidate)
        case = self.case_of(server, candidate)
        begun = canary(server, candidate)['answers']
        self.ask(server, [case], 499 - begun)
        self.assertEqual(canary(server, candidate)['state'], 'answers')
        self.ask(server, [case], 1)
        told = canary(server, candidate)
        self.assertEqual((told['state'], told['reason'].split(':')[0], told['answers']), ('taken back', 'drift', 500))
        self.assertEqual(self.who(server, case), active)

    def test_it_ends_when_another_model_becomes_active(self):
        server = self.serve()
        active, candidate = self.pair(server)
        put(server, candidate)
        case = self.case_of(server, candidate)
        client.post(server, f'/models/{candidate}/activate')
        self.assertEqual(canary(server, candidate)['reason'], 'another model became active')  # though nobody has predicted since
        self.assertEqual(self.who(server, case), candidate)
        client.post(server, '/models/rollback')
        self.assertEqual(self.who(server, case), active)


if __name__ == '__main__':
    unittest.main()
