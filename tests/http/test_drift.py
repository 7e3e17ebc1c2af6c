"""GET /drift and drift.raised: who is told that scores are not those of validation, and what of whom."""
import json

import test_notices
from support import client, dataset, picture, program
from support.case import Case, import_model, log_until_now
from test_keys import ADMIN, bearer, keys_file, line


def with_strata(data):
    """Weights of a model that was validated on 400 films, half of them AP, with scores spread over all bins alike."""
    def tell(head):
        notes = head['__metadata__']
        notes['score_deciles'] = json.dumps([[0.1 * i for i in range(1, 10)]] * 14)
        notes['score_strata'] = json.dumps({'patients': 400, 'cells': [
            {'view': view, 'sex': 'F', 'age': '40-59', 'rows': 200, 'scores': [[20] * 10] * 14} for view in ('PA', 'AP')]})
    return dataset.changed(data, tell)


class Drift(test_notices.NoticesCase):

    def test_what_has_changed_is_told_to_the_operator(self):
        receiver = self.receiver()
        host = f'127.0.0.1:{receiver.port}'
        server = self.serve('--webhook', receiver.url + '/drift', '--outgoing-private', host)
        self.assertEqual(client.get(server, '/drift').json(), {'model': None, 'reference': False, 'pictures': 0, 'looks': 0, 'raised': [],
                                                               'strata': [], 'mix': []})
        model = import_model(server, with_strata(dataset.weights()))['id']
        film = picture.noise(1)
        with client.Client(server) as one:
            for i in range(1500):
                self.assertNotIn('drift.raised', b''.join(request[3] for request in receiver.requests).decode())
                one.request('POST', '/predict?view=AP&sex=F', film)
        state = client.get(server, '/drift').json()
        self.assertEqual((state['model'], state['reference'], state['pictures'], state['looks']), (model, True, 1500, 3))
        raised = {alert['kind']: alert for alert in state['raised']}
        self.assertTrue(raised['scores']['everywhere'])  # there are no others
        self.assertIn(raised['scores']['column'], dataset.LABELS)
        self.assertEqual([(s['by'], s['name'], s['share_then'], s['share_now']) for s in raised['mix']['strata']], [('view', 'AP', 0.5, 1)])
        self.assertEqual({(s['by'], s['name']) for s in state['strata'] if s['p_adjusted'] is not None},
                         {('all', 'all'), ('view', 'AP'), ('sex', 'F'), ('age', 'unknown'), ('key', '')})
        told = program.poll(lambda: [n for n in map(self.assert_signed, receiver.requests) if n['type'] == 'drift.raised'][1:] and receiver.requests,
                            'two notices')
        notices = [n for n in map(self.assert_signed, told) if n['type'] == 'drift.raised']
        self.assertEqual({n['data']['kind']: n['data'] for n in notices}, raised)
        text = client.get(server, '/metrics').body.decode()
        for line in ('cxrd_drift_raised{kind="scores"} 1', 'cxrd_drift_raised{kind="mix"} 1', 'cxrd_drift_p{by="view",name="AP"} 0'):
            self.assertIn(line, text)
        self.assertEqual(log_until_now(server).count('"drift"'), 2)
        import_model(server, dataset.weights())
        client.post(server, '/predict', film)
        state = client.get(server, '/drift').json()
        self.assertEqual((state['reference'], state['raised']), (False, []))
        self.assertNotIn('cxrd_drift_raised{', client.get(server, '/metrics').body.decode())


class Callers(Case):

    def test_row_82_of_many_callers_eight_are_strata_and_metrics_name_none(self):
        names = [f'ward-{i:02}' for i in range(12)]
        keys = keys_file(line('admin', 'head', ADMIN), *(line('predict', name, f'key of {name}') for name in names))
        server = program.Server('--keys', keys)
        self.addCleanup(server.stop)
        weights = with_strata(dataset.weights())
        model = client.post(server, '/models', weights, Content_Type='application/octet-stream', **bearer(ADMIN)).json()['id']
        self.assertEqual(client.post(server, f'/models/{model}/activate', **bearer(ADMIN)).status, 200)
        for i in range(500):  # one look
            reply = client.post(server, '/predict', picture.noise(1), **bearer(f'key of {names[i % len(names)]}'))
            self.assertEqual(reply.status, 200, reply)
        told = client.get(server, '/drift', **bearer(ADMIN)).json()
        self.assertEqual((told['pictures'], told['looks']), (500, 1))
        strata = {s['name'] for s in told['strata'] if s['by'] == 'key'}
        self.assertEqual(len(strata & set(names)), 8, strata)
        self.assertEqual(len(strata), 9, strata)  # all others are one
        text = client.get(server, '/metrics').body.decode()
        self.assertIn('cxrd_drift_p{', text)
        self.assertNotIn('ward-', text)


class Damaged(Case):

    def test_a_reference_that_is_damaged_is_none(self):
        server = program.Server()
        self.addCleanup(server.stop)
        whole = json.loads(dataset.header(with_strata(dataset.weights()))[0]['__metadata__']['score_strata'])

        def told(change):
            note = json.loads(json.dumps(whole))
            change(note)
            def tell(head):
                head['__metadata__']['score_strata'] = json.dumps(note)
            import_model(server, dataset.changed(with_strata(dataset.weights()), tell))
            client.post(server, '/predict', picture.noise(1))
            return client.get(server, '/drift').json()['reference']

        self.assertTrue(told(lambda note: None))
        for change in (lambda note: note.pop('cells'), lambda note: note.update(patients=0), lambda note: note.update(cells=[1]),
                       lambda note: note['cells'][0].update(rows=-1), lambda note: note['cells'][0].update(view='PP'),
                       lambda note: note['cells'][0]['scores'].pop(), lambda note: note['cells'][0]['scores'][3].append(1),
                       lambda note: note['cells'][0]['scores'][3].__setitem__(2, -1), lambda note: note['cells'][0].update(rows=1 << 40),
                       lambda note: note['cells'][0]['scores'][3].__setitem__(2, 'x'), lambda note: note.update(input_deciles=[3, 2, 1])):
            self.assertFalse(told(change))
