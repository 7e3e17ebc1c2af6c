"""Test cases with a server of their own, and the checks that many of them share."""
import os
import unittest
import uuid

from . import client, dataset, program

needs_data = unittest.skipUnless(program.TEST_DATA and os.path.isdir(program.TEST_DATA),
                                 'CXRD_TEST_DATA names no folder with real data')


class Case(unittest.TestCase):
    """Checks."""

    def assert_problem(self, reply, status, says=None):
        """An error as the contract wants it: RFC 9457, with the request's id, and a sentence."""
        self.assertEqual(reply.status, status, reply)
        self.assertEqual(reply.headers.get('content-type'), 'application/problem+json')
        problem = reply.json()
        self.assertEqual(problem['status'], status)
        self.assertEqual(problem['type'], 'about:blank')
        self.assertTrue(problem['title'])
        self.assertTrue(problem['detail'])
        self.assertEqual(problem['request_id'], reply.headers['x-request-id'])
        if says:
            self.assertIn(says.lower(), problem['detail'].lower())
        if status in (429, 503):
            self.assertRegex(reply.headers.get('retry-after', ''), r'^[1-9][0-9]*$')
        return problem

    def assert_wrong_fields(self, reply, *fields):
        """A 422 that names exactly these fields."""
        problem = self.assert_problem(reply, 422)
        self.assertEqual(sorted(error['field'] for error in problem['errors']), sorted(fields), problem)
        for error in problem['errors']:
            self.assertTrue(error['detail'])
        return problem

    def assert_prediction(self, reply):
        """A 200 of /predict in the contract's shape; returns it."""
        self.assertEqual(reply.status, 200, reply)
        prediction = reply.json()
        self.assertEqual(list(prediction['probabilities']), list(dataset.LABELS))
        self.assertTrue(all(0 <= p <= 1 for p in prediction['probabilities'].values()))
        return prediction


class ServerCase(Case):
    """A class of tests with one server, which must end well after them."""

    arguments = ()
    threads = 2
    with_model = False  # import the small weights and activate them
    with_data = False   # with the tiny data set

    @classmethod
    def setUpClass(cls):
        cls.server = program.Server(*cls.arguments, datasets=dataset.tiny() if cls.with_data else None,
                                    threads=cls.threads)
        cls.addClassCleanup(cls.server.stop)
        if cls.with_model:
            cls.model = import_model(cls.server, dataset.weights())

    def get(self, target, **headers):
        return client.get(self.server, target, **headers)

    def post(self, target, body=b'', **headers):
        return client.post(self.server, target, body, **headers)

    def post_json(self, target, value, **headers):
        return client.post_json(self.server, target, value, **headers)

    def predict(self, picture, **headers):
        return self.post('/predict', picture, **(headers or {'Content_Type': 'image/png'}))


def import_model(server, weights, activate=True):
    """Import a weights file; returns its card."""
    reply = client.post(server, '/models', weights, Content_Type='application/octet-stream')
    if reply.status != 201:
        raise AssertionError(f'import: {reply}')
    card = reply.json()
    if activate:
        reply = client.post(server, f'/models/{card["id"]}/activate')
        if reply.status != 200:
            raise AssertionError(f'activate: {reply}')
    return card


def log_until_now(server):
    """The log, as text, with a line of a request that is made now in it: a thread of its own writes it, later."""
    mark = f'mark-{uuid.uuid4()}'
    client.get(server, '/livez', X_Request_Id=mark)
    return program.poll(lambda: mark in (text := server.log_text()) and text, 'a request is logged')


# ---- jobs ----

QUICK = {'dataset': 'tiny', 'image_size': dataset.SIZE, 'epochs': 1, 'steps_per_epoch': 1, 'batch_size': 8}
LONG = {'dataset': 'tiny', 'image_size': dataset.SIZE, 'epochs': 1000, 'patience': 0, 'steps_per_epoch': 1000000}
NOTHING = {'dataset': 'tiny', 'epochs': 0}  # reads the table, makes no model
ENDED = ('succeeded', 'failed', 'cancelled', 'interrupted')


def submit(server, job, **headers):
    """Start a job that must be accepted; returns its id."""
    reply = client.post_json(server, '/jobs/train', job, **headers)
    if reply.status != 202:
        raise AssertionError(f'job refused: {reply}')
    return reply.json()['id']


def job_of(server, job):
    reply = client.get(server, f'/jobs/{job}')
    if reply.status != 200:
        raise AssertionError(f'job {job}: {reply}')
    return reply.json()


def wait_state(server, job, *states, seconds=900):
    """Ask until the job is in one of the states; returns its record."""
    def there():
        record = job_of(server, job)
        if record['state'] in ENDED and record['state'] not in states:
            raise AssertionError(f'job {job} is {record["state"]}, not {states}: {record.get("error")}')
        return record if record['state'] in states else None

    return program.poll(there, f'job {job} in {states}', seconds)


def wait_training(server, job, seconds=900):
    """Ask until the job has done a step of training."""
    def there():
        record = job_of(server, job)
        if record['state'] in ENDED:
            raise AssertionError(f'job {job} is {record["state"]}: {record.get("error")}')
        return record if record['dataset'] and record.get('current', {}).get('step', 0) > 0 else None

    return program.poll(there, f'job {job} trains', seconds)
