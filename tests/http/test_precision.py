"""--precision int12: what it changes of an answer, and models of which it would change too much."""
import array
import os
import unittest

from support import client, dataset, picture, program
from support.case import QUICK, Case, ServerCase, import_model, submit, wait_state
from support.dataset import header


def uneven():
    """Weights that integers cannot follow: nobody reads the first channel, and beside it all others are next to nothing."""
    data = bytearray(dataset.weights())
    head, end = header(data)

    def put(tensor, first, numbers):
        begin = end + head[tensor]['data_offsets'][0] + 4 * first
        data[begin:begin + 4 * len(numbers)] = array.array('f', numbers).tobytes()

    put('conv1.bias', 0, [1e6])
    for result in range(64):
        put('conv2.weight', result * 32 * 9, [0] * 9)
    return bytes(data)


class Int12(ServerCase):
    with_model = True
    arguments = ('--precision', 'int12')

    def test_an_answer_is_nearly_that_of_float32_and_says_so(self):
        plain = program.Server()
        self.addCleanup(plain.stop)
        import_model(plain, dataset.weights())
        self.assertEqual(self.get('/version').json()['precision'], 'int12')
        self.assertEqual(client.get(plain, '/version').json()['precision'], 'float32')
        moved = 0
        for i in range(4):
            narrow = self.assert_prediction(self.predict(dataset.image(i)))
            wide = self.assert_prediction(client.post(plain, '/predict', dataset.image(i), Content_Type='image/png'))
            self.assertEqual(narrow['model'].pop('precision'), 'int12')
            self.assertNotIn('precision', wide['model'])
            self.assertEqual(narrow['model'].keys(), wide['model'].keys())
            moved = max([moved, *(abs(narrow['probabilities'][k] - wide['probabilities'][k]) for k in dataset.LABELS)])
        self.assertLess(0, moved)
        self.assertLess(moved, 1e-3)

    def test_an_explanation_still_adds_up(self):
        reply = self.post('/predict?explain=Mass', dataset.image(1), Content_Type='image/png').json()['explanation']
        total = reply['bias'] + reply.get('inputs', 0) + sum(map(sum, reply['grid']))
        self.assertAlmostEqual(total, reply['logit'], places=4)

    def test_a_model_that_it_would_change_is_stored_and_not_activated(self):
        card = import_model(self.server, uneven(), activate=False)
        self.assert_problem(self.post(f'/models/{card["id"]}/activate'), 409, 'in int12 a probability of this model moves by')
        self.assertEqual(self.get('/readyz').json()['model'], self.model['id'])


class Refused(Case):

    def serve(self, *arguments, **options):
        server = program.Server(*arguments, **options)
        self.addCleanup(server.stop)
        return server

    def test_the_active_model_is_not_served_by_a_server_that_would_change_it(self):
        server = self.serve()
        import_model(server, uneven())
        server.stop()
        server = self.serve('--precision', 'int12', state=server.state)
        self.assert_problem(client.get(server, '/readyz'), 503, 'serve it in float32')

    def test_a_training_keeps_a_model_that_it_cannot_activate(self):
        server = self.serve('--precision', 'int12', datasets=dataset.tiny())
        card = import_model(server, uneven(), activate=False)
        job = submit(server, {**QUICK, 'init': card['id'], 'learning_rate': 1e-7})
        record = wait_state(server, job, 'succeeded')
        self.assertFalse(record['promotion']['promoted'])
        self.assertIn('in int12 a probability of this model moves by', record['promotion']['reason'])
        self.assertEqual(client.get(server, f'/models/{record["model"]}').status, 200)

    def test_the_command_line_does_as_a_server(self):
        folder = program.new_folder('precision')
        bad, film = os.path.join(folder, 'bad'), os.path.join(folder, 'film.png')
        for path, data in ((bad, uneven()), (film, picture.noise(1, 64, 64))):
            with open(path, 'wb') as file:
                file.write(data)
        done = program.run('predict', '--weights', dataset.weights_path(), '--precision', 'int12', '--json', film)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('"precision":"int12"', done.stdout)
        done = program.run('predict', '--weights', bad, '--precision', 'int12', film)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('more than 0.001: serve it in float32', done.stderr)
        done = program.run('predict', '--weights', bad, '--precision', 'int8', film)
        self.assertEqual(done.returncode, 2)
        self.assertIn("--precision must be float32 or int12, not 'int8'", done.stderr)


if __name__ == '__main__':
    unittest.main()
