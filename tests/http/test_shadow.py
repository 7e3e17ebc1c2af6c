"""A candidate in the shadow of the model that answers: its figures are those of an offline computation on the same pictures."""
import math
import struct
import unittest

from support import client, dataset, program
from support.case import Case, import_model
from test_feedback import PNG, judge, predict, say
from test_keys import ADMIN, PREDICT, bearer, keys_file
from test_watching import read_metrics

PICTURES = 14


def shadow(server, model):
    reply = client.get(server, f'/models/{model}/shadow')
    if reply.status != 200:
        raise AssertionError(f'shadow: {reply}')
    return reply.json()


def put(server, model, **headers):
    return client.request(server, 'PUT', f'/models/{model}/shadow', **headers)


def figure(value):
    """As the server writes it, so that what is equal is equal to the last digit that is told."""
    return None if value is None or math.isnan(value) else float(f'{value:.9g}')


def float32(told):
    """A model's scores, which the nine digits of an answer stand for."""
    return struct.unpack('f', struct.pack('f', told))[0]


def kappa_of(both, active, candidate, neither):
    """Cohen's, and its interval by Fleiss, Cohen & Everitt (1969), as their paper has it: with weights of 1 and 0."""
    n = both + active + candidate + neither
    p = [[neither / n, candidate / n], [active / n, both / n]]
    row, column = [sum(p[0]), sum(p[1])], [p[0][0] + p[1][0], p[0][1] + p[1][1]]
    observed, chance = p[0][0] + p[1][1], row[0] * column[0] + row[1] * column[1]
    if chance >= 1:
        return None, None, None
    kappa = (observed - chance) / (1 - chance)
    total = 0
    for i in range(2):
        for j in range(2):
            total += p[i][j] * ((i == j) * (1 - chance) - (column[i] + row[j]) * (1 - observed)) ** 2
    error = math.sqrt(max(total - (observed * chance - 2 * chance + observed) ** 2, 0) / n) / (1 - chance) ** 2
    return kappa, max(kappa - 1.959963984540054 * error, -1), min(kappa + 1.959963984540054 * error, 1)


def offline(answers):
    """The findings' figures from pairs of answers: the active model's and the candidate's."""
    found = []
    for label in dataset.LABELS:
        calls, differences = {}, []
        for pair in answers:
            a, c = (next(f for f in one['findings'] if f['label'] == label) for one in pair)
            calls[a['positive'], c['positive']] = calls.get((a['positive'], c['positive']), 0) + 1
            differences.append(float32(c['probability']) - float32(a['probability']))
        n, mean = len(differences), math.fsum(differences) / len(differences)
        spread = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / (n - 1))
        reach = 1.959963984540054 * spread / math.sqrt(n)
        counts = [calls.get(key, 0) for key in ((True, True), (True, False), (False, True), (False, False))]
        kappa = kappa_of(*counts)
        found.append({'label': label, 'both': counts[0], 'only_active': counts[1], 'only_candidate': counts[2], 'neither': counts[3],
                      'discordance': (counts[1] + counts[2]) / n, 'kappa': kappa[0], 'kappa_low': kappa[1], 'kappa_high': kappa[2],
                      'shift': mean, 'shift_low': mean - reach, 'shift_high': mean + reach, 'spread': spread})
    return found


class Shadow(Case):

    def serve(self, *arguments, state=None):
        server = program.Server(*arguments, state=state)
        self.addCleanup(lambda: server.alive() and server.stop())
        return server

    def pair(self, server):
        """An active model and one that is not, both with verdicts."""
        candidate = judge(server, 2)
        return judge(server, 1), candidate

    def ask(self, server, candidate, pictures=range(PICTURES), query=''):
        """Ask about pictures, one after the other, each when the one before has been looked at."""
        answers = []
        for i in pictures:
            before = shadow(server, candidate)['pictures']
            answers.append(predict(server, i, query))
            program.poll(lambda: shadow(server, candidate)['pictures'] == before + 1, 'the shadow has looked')
        return answers

    def check_equal(self, told, expected):
        for finding, right in zip(told['findings'], expected):
            right = {key: figure(value) if isinstance(value, float) else value for key, value in right.items()}
            self.assertEqual({key: finding[key] for key in right}, right)

    def test_its_figures_are_those_of_an_offline_computation(self):
        server = self.serve()
        active, candidate = self.pair(server)
        self.assertEqual(put(server, candidate).status, 200)
        answers = self.ask(server, candidate, query='?operating_point=sensitivity_90')
        told = shadow(server, candidate)
        self.assertEqual((told['model'], told['active'], told['pictures'], told['failed']), (candidate, active, PICTURES, 0))
        self.assertEqual({one['model']['id'] for one in answers}, {active})
        again = [predict(server, i, f'?model={candidate}&operating_point=sensitivity_90') for i in range(PICTURES)]
        expected = offline(list(zip(answers, again)))
        self.assertGreater(sum(f['only_active'] + f['only_candidate'] for f in expected), 0)
        self.check_equal(told, expected)
        self.assertEqual(shadow(server, candidate)['pictures'], PICTURES, 'what is asked of a model by name is not looked at')
        values = read_metrics(client.get(server, '/metrics').body.decode())
        self.assertEqual(values[f'cxrd_shadow_pictures{{model_version="{candidate}"}}'], PICTURES)

    def test_what_it_counted_outlives_the_server_and_begins_anew_with_another_active_model(self):
        server = self.serve()
        active, candidate = self.pair(server)
        put(server, candidate)
        self.ask(server, candidate, range(3))
        before = shadow(server, candidate)
        server.stop()
        server = self.serve(state=server.state)
        self.assertEqual(shadow(server, candidate), {**before, 'shed': {'queue': 0, 'memory': 0}})
        self.ask(server, candidate, range(3, 5))
        self.assertEqual(shadow(server, candidate)['pictures'], 5)
        import_model(server, dataset.weights(3))
        predict(server)
        program.poll(lambda: shadow(server, candidate)['pictures'] == 1, 'it counts anew')
        self.assertNotEqual(shadow(server, candidate)['active'], active)

    def test_it_ends(self):
        server = self.serve()
        active, candidate = self.pair(server)
        self.assert_problem(client.get(server, f'/models/{candidate}/shadow'), 404, 'not in the shadow')
        put(server, candidate)
        self.assertEqual(put(server, candidate).status, 200)
        self.assertEqual(client.get(server, '/models').json()['shadow'], candidate)
        self.assert_problem(client.request(server, 'DELETE', f'/models/{candidate}'), 409, 'in the shadow')
        self.assertEqual(client.request(server, 'DELETE', f'/models/{candidate}/shadow').status, 204)
        self.assert_problem(client.request(server, 'DELETE', f'/models/{candidate}/shadow'), 404)
        self.assertIsNone(client.get(server, '/models').json()['shadow'])
        put(server, candidate)
        client.post(server, f'/models/{candidate}/activate')
        self.assertIsNone(client.get(server, '/models').json()['shadow'])  # though nobody has predicted since
        self.assert_problem(client.get(server, f'/models/{candidate}/shadow'), 404, 'not in the shadow')
        self.assertEqual(put(server, active).status, 200)

    def test_what_cannot_be_one_is_refused(self):
        server = self.serve()
        active, candidate = self.pair(server)
        self.assert_problem(put(server, active), 409, 'active')
        self.assert_problem(put(server, '00000000-0000-4000-8000-000000000000'), 404)
        put(server, candidate)
        other = import_model(server, dataset.weights(3), activate=False)['id']
        self.assert_problem(put(server, other), 409, candidate)

    def test_an_activation_may_ask_for_it(self):
        server = self.serve()
        _, candidate = self.pair(server)
        activate = f'/models/{candidate}/activate?require_shadow='
        self.assert_problem(client.post(server, activate + '2'), 409, 'not in the shadow')
        put(server, candidate)
        self.ask(server, candidate, range(1))
        self.assert_problem(client.post(server, activate + '2'), 409, 'of 1 pictures, not yet of 2')
        self.ask(server, candidate, range(1, 2))
        self.assert_problem(client.post(server, activate + '0'), 422, 'require_shadow')
        self.assertEqual(client.post(server, activate + '2').status, 200)

    def test_with_feedback_the_two_are_held_against_each_other(self):
        """McNemar by hand; the AUROCs by counting pairs."""
        server = self.serve('--keep-scores', '30')
        _, candidate = self.pair(server)
        put(server, candidate)
        self.assertIsNone(shadow(server, candidate)['feedback'])
        answers = self.ask(server, candidate)
        again = [predict(server, i, f'?model={candidate}') for i in range(PICTURES)]
        truth = [i % 3 == 0 for i in range(PICTURES)]
        for answer, there in zip(answers, truth):
            self.assertEqual(say(server, answer['prediction_id'], Mass='present' if there else 'absent').status, 201)
        # the candidate's scores are written half a second after they are there
        told = program.poll(lambda: (f := shadow(server, candidate)['feedback']) and f['pictures'] == PICTURES and f, 'all are joined')
        mass = next(f for f in told['findings'] if f['label'] == 'Mass')

        def of(answer):
            return next(f for f in answer['findings'] if f['label'] == 'Mass')

        for kind, value in (('sensitivity', True), ('specificity', False)):
            pairs = [(of(a)['positive'] == value, of(c)['positive'] == value) for a, c, there in zip(answers, again, truth) if there == value]
            b, c = sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs)
            p = min(1, 2 * sum(math.comb(b + c, i) for i in range(min(b, c) + 1)) / 2 ** (b + c))
            self.assertEqual((mass[kind]['pictures'], mass[kind]['only_active'], mass[kind]['only_candidate']), (len(pairs), b, c))
            self.assertAlmostEqual(mass[kind]['p'], p, delta=1e-8)
            self.assertAlmostEqual(mass[kind]['gain'], (c - b) / len(pairs), delta=1e-8)
        for which, of_whom in (('active', answers), ('candidate', again)):
            there, not_there = ([of(a)['probability'] for a, t in zip(of_whom, truth) if t == value] for value in (True, False))
            auroc = sum((x > y) + (x == y) / 2 for x in there for y in not_there) / (len(there) * len(not_there))
            self.assertAlmostEqual(mass['auroc'][which], auroc, delta=1e-8)
        self.assertEqual(told['candidate_is'], 'not told apart')

    def test_a_role_that_predicts_may_only_look(self):
        server = self.serve('--keys', keys_file())
        card = client.post(server, '/models', dataset.weights(), Content_Type='application/octet-stream', **bearer(ADMIN)).json()
        self.assert_problem(put(server, card['id'], **bearer(PREDICT)), 403)
        self.assert_problem(client.get(server, f'/models/{card["id"]}/shadow', **bearer(PREDICT)), 404)


if __name__ == '__main__':
    unittest.main()
