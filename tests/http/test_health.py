"""Is it alive, is it ready, what is it; and what every reply carries."""
import re
import unittest

from support import client, dataset, program
from support.case import ServerCase, import_model

UUID = re.compile(r'^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$')


class WithoutAModel(ServerCase):

    def test_livez_is_200(self):
        reply = self.get('/livez')
        self.assertEqual((reply.status, reply.json()), (200, {'status': 'alive'}))
        self.assertEqual(reply.headers['content-type'], 'application/json')

    def test_healthz_is_livez(self):
        self.assertEqual(self.get('/healthz').json(), self.get('/livez').json())

    def test_readyz_is_503_and_says_why(self):
        self.assert_problem(self.get('/readyz'), 503, 'no model')

    def test_version_tells_what_it_is_and_its_limits(self):
        version = self.get('/version').json()
        line = program.run('--version').stdout.split('\n')[0]
        self.assertEqual(line, f'cxrd {version["version"]} ({version["build"]})')
        self.assertEqual(version['limits'], {
            'max_upload_bytes': 64 << 20, 'max_image_side': 8192, 'max_image_pixels': 32 << 20,
            'max_image_bytes': 64 << 20, 'predict_queue': 64, 'job_queue': 8})
        self.assertEqual({key: version['decoder'][key] for key in ('state', 'processes')}, {'state': 'ready', 'processes': 2})
        self.assertIn('Not a medical device', version['intended_use'])

    def test_openapi_yaml_is_there(self):
        reply = self.get('/openapi.yaml')
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.headers['content-type'], 'application/yaml')
        self.assertTrue(reply.body.startswith(b'openapi: 3.1'))

    def test_head_is_get_without_the_body(self):
        for target in ('/livez', '/version', '/openapi.yaml', '/jobs', '/models', '/readyz', '/nothing'):
            with self.subTest(target):
                got, headed = self.get(target), client.request(self.server, 'HEAD', target)
                self.assertEqual(headed.status, got.status)
                self.assertEqual(headed.body, b'')
                self.assertEqual(headed.headers['content-type'], got.headers['content-type'])
                self.assertEqual(headed.headers['content-length'], got.headers['content-length'])


class WithAModel(ServerCase):
    with_model = True

    def test_readyz_is_200_and_names_the_model(self):
        reply = self.get('/readyz')
        self.assertEqual((reply.status, reply.json()), (200, {'status': 'ready', 'model': self.model['id'], 'decoder': 'ready'}))

    def test_an_import_that_is_not_activated_makes_nothing_ready(self):
        server = program.Server()
        self.addCleanup(server.stop)
        import_model(server, dataset.weights(), activate=False)
        self.assert_problem(client.get(server, '/readyz'), 503)


class EveryReply(ServerCase):

    def test_a_request_id_is_echoed(self):
        for own in ('a', 'Trace-7_b.c', 'x' * 128):
            with self.subTest(own):
                self.assertEqual(self.get('/livez', X_Request_Id=own).headers['x-request-id'], own)

    def test_a_missing_request_id_is_made(self):
        first, second = (self.get('/livez').headers['x-request-id'] for _ in range(2))
        self.assertRegex(first, UUID)
        self.assertNotEqual(first, second)

    def test_an_odd_request_id_is_replaced(self):
        for odd in ('x' * 129, 'x' * 300, 'a b', 'a"b', '<script>', 'é', '\x7e{}', ''):
            with self.subTest(odd):
                self.assertRegex(self.get('/livez', X_Request_Id=odd.encode('latin-1')).headers['x-request-id'], UUID)

    def test_a_request_id_is_in_errors_and_in_the_log(self):
        problem = self.assert_problem(self.get('/jobs/00000000-0000', X_Request_Id='find-me-1'), 404)
        self.assertEqual(problem['request_id'], 'find-me-1')
        self.assertEqual(problem['instance'], '/jobs/00000000-0000')
        line = program.poll(lambda: [x for x in self.server.log() if x.get('request_id') == 'find-me-1'], 'its log line')
        self.assertEqual(len(line), 1)
        self.assertEqual((line[0]['method'], line[0]['route'], line[0]['status']), ('GET', '/jobs/{id}', 404))

    def test_content_sniffing_is_refused(self):
        for target in ('/livez', '/nothing', '/openapi.yaml'):
            self.assertEqual(self.get(target).headers['x-content-type-options'], 'nosniff')

    def test_a_reply_has_each_header_once(self):
        for target in ('/livez', '/readyz', '/nothing', '/jobs'):
            with self.subTest(target):
                names = [name for name, _ in self.get(target).header_list]
                self.assertEqual(len(names), len(set(names)), names)


if __name__ == '__main__':
    unittest.main()
