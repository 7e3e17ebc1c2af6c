"""A server on which no model is active says what to do next: of what is there, not of what might be."""
from support import client, dataset, picture, program
from support.case import LONG, NOTHING, Case, import_model, submit, wait_state, wait_training


class NoneActive(Case):

    def setUp(self):
        self.server = program.Server(datasets=dataset.tiny())
        self.addCleanup(self.server.stop)

    def said(self):
        return self.assert_problem(client.post(self.server, '/predict', picture.noise(1)), 503, 'no model is active yet: ')['detail'].split(': ', 1)[1]

    def test_a_training_that_runs_is_named_then_one_that_waits_then_a_model_that_is_there(self):
        nothing = 'train one, or import one and activate it'
        self.assertEqual(self.said(), nothing)
        wait_state(self.server, submit(self.server, NOTHING), 'succeeded')  # which makes none
        self.assertEqual(self.said(), nothing)
        first = submit(self.server, LONG)
        wait_training(self.server, first)
        self.assertEqual(self.said(), f'job {first} is training one, which answers by itself when it has ended')
        second = submit(self.server, LONG)
        self.assertEqual(self.said(), f'job {first} is training one, which answers by itself when it has ended')
        self.assertEqual(client.post(self.server, f'/jobs/{first}/cancel').status, 202)
        wait_state(self.server, first, 'cancelled')
        wait_training(self.server, second)
        self.assertEqual(self.said(), f'job {second} is training one, which answers by itself when it has ended')
        model = import_model(self.server, dataset.weights(), activate=False)['id']
        self.assertEqual(self.said(), f'activate one that is there: POST /models/{model}/activate')
        self.assertEqual(client.post(self.server, f'/models/{model}/activate').status, 200)
        self.assert_prediction(client.post(self.server, '/predict', picture.noise(1)))

    def test_a_training_that_was_interrupted_is_to_be_resumed(self):
        job = submit(self.server, LONG)
        wait_training(self.server, job)
        self.server.stop()
        again = program.Server(state=self.server.state, datasets=dataset.tiny())
        self.addCleanup(again.stop)
        self.server = again
        self.assertEqual(self.said(), f'job {job}, which trains one, is interrupted: POST /jobs/{job}/resume')
