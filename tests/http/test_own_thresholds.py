"""Thresholds that an operator sets for a model, as an operating point of predictions."""
import json
import os
import unittest

from support import client, dataset, program
from support.case import ServerCase, import_model

FILM = dataset.image(1)


class OwnThresholds(ServerCase):

    def setUp(self):
        self.card = import_model(self.server, dataset.weights())

    def patch(self, value, model=None, server=None):
        return client.request(server or self.server, 'PATCH', f'/models/{model or self.card["id"]}', json.dumps(value).encode(),
                              Content_Type='application/json')

    def ask(self, query='?operating_point=own', server=None):
        return client.post(server or self.server, f'/predict{query}', FILM, Content_Type='image/png')

    def verdicts(self, **how):
        answer = self.assert_prediction(self.ask(**how))
        self.assertEqual(answer['operating_point'], 'own')
        for finding in answer['findings']:
            threshold = finding['threshold']
            self.assertEqual(finding['positive'], None if threshold is None else finding['probability'] >= threshold)
        return {finding['label']: finding['threshold'] for finding in answer['findings'] if finding['threshold'] is not None}

    def test_are_those_that_findings_are_held_against(self):
        self.assertIsNone(self.card['own_thresholds'])
        self.assert_problem(self.ask(), 422, 'nobody has set own_thresholds')
        changed = self.patch({'own_thresholds': {'effusion': 0, 'Mass': 1, 'Edema': 0.125, 'Hernia': None}})
        own = {'Effusion': 0, 'Mass': 1, 'Edema': 0.125}
        self.assertEqual((changed.status, changed.json()), (200, {**self.card, 'own_thresholds': own}))
        self.assertEqual(self.verdicts(), own)
        verdict = {finding['label']: finding['positive'] for finding in self.ask().json()['findings']}
        self.assertEqual((verdict['Effusion'], verdict['Mass'], verdict['Hernia']), (True, False, None))
        self.assertNotIn('operating_point', self.ask(query='').json())
        self.assertEqual(self.patch({'name': 'ward 3'}).json()['own_thresholds'], own)  # what is left out stays
        self.assertEqual(self.patch({'own_thresholds': {'Nodule': 0.5}}).json()['own_thresholds'], {'Nodule': 0.5})
        self.assertEqual(self.verdicts(), {'Nodule': 0.5})
        for nothing in (None, {}, {'Mass': None}):
            self.patch({'own_thresholds': {'Nodule': 0.5}})
            self.assertIsNone(self.patch({'own_thresholds': nothing}).json()['own_thresholds'])
            self.assert_problem(self.ask(), 422, 'nobody')

    def test_are_a_verdict_where_too_few_rows_would_bear_one_out(self):
        def few(head):
            points = json.loads(head['__metadata__']['operating_points'])
            for point in points.values():
                point.update(positives=3, negatives=500)
            head['__metadata__']['operating_points'] = json.dumps(points)
        self.card = import_model(self.server, dataset.changed(dataset.verdicts(dataset.weights()), few))
        self.patch({'own_thresholds': {label: 0.25 for label in dataset.LABELS}})
        self.assertEqual({finding['positive'] for finding in self.ask(query='').json()['findings']}, {None})
        self.assertEqual(self.verdicts(), {label: 0.25 for label in dataset.LABELS})

    def test_belong_to_a_model_whether_it_is_active_or_named(self):
        other = import_model(self.server, dataset.weights(), activate=False)
        self.patch({'own_thresholds': {'Mass': 0.25}})
        self.ask(query=f'?model={other["id"]}')  # so that it is loaded
        self.patch({'own_thresholds': {'Mass': 0.75}}, other['id'])
        self.assertEqual(self.verdicts(), {'Mass': 0.25})
        self.assertEqual(self.verdicts(query=f'?operating_point=own&model={other["id"]}'), {'Mass': 0.75})
        client.post(self.server, f'/models/{other["id"]}/activate')
        self.assertEqual(self.verdicts(), {'Mass': 0.75})
        client.post(self.server, '/models/rollback')
        self.assertEqual(self.verdicts(), {'Mass': 0.25})

    def test_that_cannot_be_are_422_and_change_nothing(self):
        self.patch({'own_thresholds': {'Mass': 0.25}})
        for own in ({'Elbow': 0.5}, {'Mass': 1.5}, {'Mass': -0.1}, {'Mass': '0.5'}, {'Mass': True}, [0.5], 0.5, 'Mass', {'': 0.5}):
            with self.subTest(own):
                self.assert_wrong_fields(self.patch({'own_thresholds': own, 'name': 'x'}), 'own_thresholds')
        card = self.get(f'/models/{self.card["id"]}').json()
        self.assertEqual((card['own_thresholds'], card['name']), ({'Mass': 0.25}, None))
        self.assert_problem(self.patch({'own_thresholds': None}, '00000000-0000'), 404, 'no model')

    def test_are_there_after_a_restart(self):
        server = program.Server()
        model = import_model(server, dataset.weights())['id']
        self.patch({'own_thresholds': {'Mass': 0.25}}, model, server)
        server.stop()
        server = program.Server(state=server.state)
        self.addCleanup(server.stop)
        self.assertEqual(self.verdicts(server=server), {'Mass': 0.25})


class TheCommand(ServerCase):

    def test_asks_for_any_operating_point(self):
        card = import_model(self.server, dataset.verdicts(dataset.weights()))
        other = import_model(self.server, dataset.weights(), activate=False)
        client.request(self.server, 'PATCH', f'/models/{other["id"]}', b'{"own_thresholds": {"Mass": 0.25}}', Content_Type='application/json')
        path = os.path.join(program.new_folder('film'), 'film.png')
        weights = os.path.join(os.path.dirname(path), 'w.safetensors')
        for name, data in ((path, FILM), (weights, dataset.verdicts(dataset.weights()))):
            with open(name, 'wb') as file:
                file.write(data)

        def thresholds(*arguments):
            done = program.run('predict', '--json', *arguments, path)
            self.assertEqual((done.returncode, done.stderr), (0, ''))
            answer = json.loads(done.stdout)
            return answer['operating_point'], {finding['label']: finding['threshold'] for finding in answer['findings']}

        wanted = ('sensitivity_90', {label: points['sensitivity_90'] for label, points in card['operating_points'].items()})
        for source in (('--weights', weights), ('--url', self.server.url)):
            self.assertEqual(thresholds(*source, '--operating-point', 'sensitivity_90'), wanted)
        kind, own = thresholds('--url', self.server.url, '--operating-point', 'own', '--model', other['id'])
        self.assertEqual((kind, own['Mass'], own['Hernia']), ('own', 0.25, None))

    def test_says_what_cannot_be(self):
        weights, film = dataset.weights_path(), dataset.weights_path()
        for arguments, status, says in ((('--weights', weights, '--operating-point', 'own', film), 2, "is a server's"),
                                        (('--weights', weights, '--operating-point', 'best', film), 2, 'youden, sensitivity_90, specificity_90 or own'),
                                        (('--weights', weights, '--model', 'x', film), 2, '--model goes with --url')):
            with self.subTest(arguments):
                done = program.run('predict', *arguments)
                self.assertEqual((done.returncode, done.stdout), (status, ''))
                self.assertIn(says, done.stderr)


if __name__ == '__main__':
    unittest.main()
