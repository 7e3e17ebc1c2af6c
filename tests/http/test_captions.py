"""Names that people give jobs and models, and their notes; and lists that are filtered by them."""
import json
import unittest

from support import client, dataset, program
from support.case import NOTHING, QUICK, ServerCase, import_model, job_of, submit, wait_state


class Captions(ServerCase):

    with_data = True

    def patch(self, target, value, **headers):
        return client.request(self.server, 'PATCH', target, json.dumps(value).encode(),
                              **{'Content_Type': 'application/json', **headers})

    def test_a_job_begins_with_its_name_and_so_does_its_model(self):
        job = submit(self.server, {**QUICK, 'name': 'Wider head', 'note': 'first\nsecond'})
        record = wait_state(self.server, job, 'succeeded')
        self.assertEqual((record['name'], record['note'], record['dataset_name']), ('Wider head', 'first\nsecond', 'tiny'))
        self.assertNotIn('name', record['config'])
        self.assertEqual(record['macro_auroc'], record['evaluation']['test']['macro_auroc'])
        listed = next(one for one in self.get('/jobs').json()['jobs'] if one['id'] == job)
        for member in ('name', 'note', 'dataset_name', 'macro_auroc'):
            self.assertEqual(listed[member], record[member])
        card = self.get(f'/models/{record["model"]}').json()
        self.assertEqual((card['name'], card['note']), ('Wider head', None))

    def test_a_job_is_named_anew(self):
        job = submit(self.server, NOTHING)
        record = wait_state(self.server, job, 'succeeded')
        self.assertEqual((record['name'], record['note']), (None, None))
        changed = self.patch(f'/jobs/{job}', {'name': 'Montag', 'note': 'äöü'})
        self.assertEqual(changed.status, 200)
        self.assertEqual(changed.json(), {**record, 'name': 'Montag', 'note': 'äöü'})
        self.assertEqual(self.patch(f'/jobs/{job}', {'name': None}).json()['name'], None)
        self.assertEqual(job_of(self.server, job)['note'], 'äöü')
        self.assertEqual(self.patch(f'/jobs/{job}', {}).json(), {**record, 'note': 'äöü'})

    def test_a_model_is_named_anew_and_keeps_it(self):
        server = program.Server()
        card = import_model(server, dataset.weights())
        changed = client.request(server, 'PATCH', f'/models/{card["id"]}', b'{"name": "the good one"}', Content_Type='application/json')
        self.assertEqual((changed.status, changed.json()), (200, {**card, 'name': 'the good one'}))
        self.assertEqual(client.post(server, f'/models/{card["id"]}/activate').json(), changed.json())
        server.stop()
        server = program.Server(state=server.state)
        self.addCleanup(server.stop)
        self.assertEqual(client.get(server, '/models').json()['models'], [changed.json()])

    def test_what_cannot_be_a_name_is_422(self):
        card = import_model(self.server, dataset.weights(), activate=False)
        for name in ('x' * 121, 'two\nlines', 'a\u202eb', 'a\x07', 5, ['x']):
            self.assert_wrong_fields(self.patch(f'/models/{card["id"]}', {'name': name}), 'name')
            self.assert_wrong_fields(self.post_json('/jobs/train', {**NOTHING, 'name': name}), 'name')
        self.assert_wrong_fields(self.patch(f'/models/{card["id"]}', {'note': 'ä' * 2001, 'state': 'x'}), 'note', 'state')
        for target in (f'/models/{card["id"]}', f'/jobs/{submit(self.server, NOTHING)}'):
            self.assert_problem(self.patch(target, ['x']), 422, 'object')
        self.assertEqual(self.get(f'/models/{card["id"]}').json(), card)

    def test_what_is_not_there_is_404(self):
        for target in ('/jobs/00000000-0000', '/models/00000000-0000'):
            self.assert_problem(self.patch(target, {'name': 'x'}), 404, '00000000-0000')

    def test_a_body_that_is_no_json_is_refused(self):
        card = import_model(self.server, dataset.weights(), activate=False)
        for target in (f'/models/{card["id"]}', f'/jobs/{submit(self.server, NOTHING)}'):
            self.assert_problem(client.request(self.server, 'PATCH', target, b'{', Content_Type='application/json'), 400)
            for body in (b'{"name": "a\\u0000b"}', b'{"na\\u0000me": "a"}'):
                reply = client.request(self.server, 'PATCH', target, body, Content_Type='application/json')
                self.assertNotIn('JSON_', self.assert_problem(reply, 400, 'a string has a NUL')['detail'])
            self.assert_problem(client.request(self.server, 'PATCH', target, b'{}', Content_Type='text/plain'), 415)
            self.assert_problem(client.request(self.server, 'PATCH', target, b' ' * 70000, Content_Type='application/json'), 413)

    def test_lists_are_filtered(self):
        server = program.Server(datasets=dataset.tiny())
        self.addCleanup(server.stop)
        jobs = [submit(server, {**NOTHING, 'name': name}) for name in ('Alpha 1', 'beta', 'alpha 2', '100 %')]
        for job in jobs:
            wait_state(server, job, 'succeeded')

        def found(query):
            return [one['id'] for one in client.get(server, f'/jobs?{query}').json()['jobs']]
        self.assertEqual(found('q=ALPHA'), [jobs[2], jobs[0]])
        self.assertEqual(found('q=%25'), [jobs[3]])
        self.assertEqual(found('q=tin'), jobs[::-1])
        self.assertEqual(found(f'q={jobs[1][:13]}'), [jobs[1]])
        self.assertEqual(found('type=fetch'), [])
        self.assertEqual(found('type=train&state=succeeded&q=beta'), [jobs[1]])
        page = client.get(server, '/jobs?q=alpha&limit=1').json()
        self.assertEqual([one['id'] for one in page['jobs']], [jobs[2]])
        page = client.get(server, f'/jobs?q=alpha&limit=1&cursor={page["next_cursor"]}').json()
        self.assertEqual(([one['id'] for one in page['jobs']], page['next_cursor']), ([jobs[0]], None))
        self.assert_problem(client.get(server, '/jobs?type=x'), 422, "'x'")

    def test_models_are_filtered(self):
        server = program.Server()
        self.addCleanup(server.stop)
        cards = [import_model(server, dataset.weights(), activate=False) for _ in range(2)]
        client.request(server, 'PATCH', f'/models/{cards[0]["id"]}', b'{"name": "Ward A"}', Content_Type='application/json')
        self.assertEqual([one['id'] for one in client.get(server, '/models?q=ward').json()['models']], [cards[0]['id']])
        self.assertEqual([one['id'] for one in client.get(server, f'/models?q={cards[1]["id"]}').json()['models']], [cards[1]['id']])


if __name__ == '__main__':
    unittest.main()
