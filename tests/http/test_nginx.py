"""nginx with the configuration of docker/ in front of the server: what passes, what streams, what is forwarded."""
import http.server
import os
import re
import shutil
import ssl
import subprocess
import threading
import unittest
import zlib

from support import client, dataset, picture, program, proxy
from support.case import ServerCase, Case, import_model, submit, wait_state

needs_nginx = unittest.skipUnless(proxy.NGINX, 'nginx is not installed')

MIB = 1 << 20


def big_picture(size):
    """A PNG of at least so many bytes: what zlib cannot make smaller."""
    side = int(size ** 0.5) + 1
    rows = bytearray()
    for _ in range(side):
        rows.append(0)
        rows += os.urandom(side)
    return (picture.SIGNATURE + picture.header(side, side) + picture.chunk(b'IDAT', zlib.compress(bytes(rows), 1)) +
            picture.chunk(b'IEND', b''))


class Echo(http.server.BaseHTTPRequestHandler):
    """Remembers what it was asked."""

    seen = []

    def do_GET(self):
        Echo.seen.append((self.path, dict(self.headers)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@needs_nginx
class OfSeveral(Case):
    """docker/nginx-scale.conf: two servers, of which one stops to answer."""

    def test_a_request_that_one_cannot_answer_is_answered_by_the_other(self):
        servers = [program.Server() for _ in range(2)]
        front = proxy.Proxy(servers[0].address, server='nginx-scale.conf', others=[servers[1].address])
        self.addCleanup(front.stop)
        self.addCleanup(servers[0].stop)
        import_model(servers[0], dataset.weights())  # the other one has no model, and answers 503
        film = picture.noise(1)
        for _ in range(6):
            self.assert_prediction(client.post(front, '/predict', film, Content_Type='image/png'))
            self.assertEqual(client.get(front, '/readyz').status, 200)
        servers[1].kill()
        for _ in range(6):
            self.assert_prediction(client.post(front, '/predict', film, Content_Type='image/png'))
            self.assertEqual(client.get(front, '/models').status, 200)


@needs_nginx
class InFront(ServerCase):
    with_model = True
    with_data = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        prefix = 'location /chest/ { proxy_pass http://cxrd/; }'
        cls.proxy = proxy.Proxy(cls.server.address, extra=prefix)
        cls.addClassCleanup(cls.proxy.stop)

    def predict_through(self, body, **headers):
        return client.post(self.proxy, '/predict', body, Content_Type='image/png', **headers)

    def test_a_picture_of_10_mb_passes(self):
        body = big_picture(10 * MIB)
        self.assertGreater(len(body), 10 * MIB)
        prediction = self.assert_prediction(self.predict_through(body))
        direct = self.assert_prediction(self.predict(body))
        self.assertEqual(prediction['probabilities'], direct['probabilities'])

    def test_a_picture_beyond_our_limit_is_refused_by_us(self):
        problem = self.assert_problem(self.predict_through(bytes(64 * MIB + 1)), 413)
        self.assertIn('67108864', problem['detail'])

    def test_weights_pass(self):
        body = dataset.weights()
        reply = client.post(self.proxy, '/models', body, Content_Type='application/octet-stream')
        self.assertEqual(reply.status, 201)
        card = reply.json()['id']
        self.assertEqual(client.get(self.proxy, f'/models/{card}/weights').body, body)

    def test_a_request_id_goes_both_ways(self):
        reply = self.predict_through(picture.noise(1), X_Request_Id='film-7')
        self.assertEqual(reply.headers['x-request-id'], 'film-7')

    def test_both_logs_have_the_request_id(self):
        made = client.get(self.proxy, '/nothing').headers['x-request-id']
        program.poll(lambda: [x for x in self.server.log() if x.get('request_id') == made], 'it is in ours')
        line = program.poll(lambda: re.search(f'(.*) {made}\n', self.proxy.text('access.log')), 'it is in that of nginx')
        self.assertTrue(line[1].startswith('127.0.0.1 ['))

    def test_a_prefix_is_one_location_more(self):
        self.assertEqual(client.get(self.proxy, '/chest/livez').json(), {'status': 'alive'})

    def test_no_picture_is_left_in_a_file_and_no_query_in_the_log(self):
        self.predict_through(big_picture(2 * MIB))
        client.get(self.proxy, '/version?age=77&sex=F')
        kept = [os.path.join(folder, file) for folder, _, files in os.walk(self.proxy.folder) for file in files]
        self.assertEqual([path for path in kept if os.path.getsize(path) > MIB], [])
        log = program.poll(lambda: self.proxy.text('access.log'), 'a line in the log')
        line = program.poll(lambda: re.search(r'.*GET /version.*', self.proxy.text('access.log')), 'the line')
        self.assertNotIn('77', line.group(0).split('"')[1])
        self.assertTrue(log.startswith('127.0.0.1 ['))

    def test_a_server_that_is_gone_is_502(self):
        lost = proxy.Proxy(('127.0.0.1', proxy.free_port()))
        self.addCleanup(lost.stop)
        self.assertEqual(client.get(lost, '/nothing-of-ours').status, 502)

    def test_events_stream(self):
        job = submit(self.server, {'dataset': 'tiny', 'epochs': 0})
        wait_state(self.server, job, 'succeeded')
        reply = client.get(self.proxy, f'/jobs/{job}/events')
        if reply.status == 404:
            self.skipTest('this version has no events')
        self.assertEqual(reply.headers['content-type'], 'text/event-stream')
        self.assertIn('succeeded', reply.body.decode())


@needs_nginx
class BelowAPrefix(Case):
    """With the very lines of docs/operating.md: where the server says that a thing is, it is."""

    def places(self, is_stripped, *arguments):
        """A client's view of a job that it starts through the proxy: it and the path of each of its links."""
        with open(os.path.join(proxy.DOCKER, '..', 'docs', 'operating.md'), encoding='utf-8') as file:
            lines = re.findall(r'^location /cxrd/ .*}', file.read(), re.M)
        line, = [line for line in lines if ('8080/' in line) == is_stripped]
        server = program.Server(*arguments, datasets=dataset.tiny())
        self.addCleanup(server.stop)
        front = proxy.Proxy(server.address, extra=line.replace('127.0.0.1:8080', 'cxrd'))
        self.addCleanup(front.stop)
        reply = client.post_json(front, '/cxrd/jobs/train', {'dataset': 'tiny', 'epochs': 0})
        self.assertEqual(reply.status, 202, reply)
        job = reply.json()
        self.assertEqual(reply.headers['location'], f'/cxrd/jobs/{job["id"]}')
        self.assertEqual(client.get(front, reply.headers['location']).json()['id'], job['id'])
        self.assertIn(b'<title>', client.get(front, '/cxrd/').body)
        return job

    def test_that_is_passed_on(self):
        job = self.places(False, '--base-path', '/cxrd')
        self.assertEqual(job['links']['self'], f'/cxrd/jobs/{job["id"]}')

    def test_that_is_stripped(self):
        job = self.places(True)
        self.assertEqual(job['links']['self'], f'/jobs/{job["id"]}', 'as the documents say')


@needs_nginx
class Forwarded(Case):
    """The headers that reach the server behind it."""

    def setUp(self):
        Echo.seen.clear()
        self.backend = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Echo)
        threading.Thread(target=self.backend.serve_forever, daemon=True).start()
        self.addCleanup(self.backend.server_close)
        self.addCleanup(self.backend.shutdown)

    def test_the_clients_address_and_not_what_it_claims(self):
        front = proxy.Proxy(self.backend.server_address)
        self.addCleanup(front.stop)
        client.get(front, '/nothing-of-ours?x=1', X_Forwarded_For='203.0.113.9', X_Real_Ip='203.0.113.9',
                   Authorization='Bearer k', X_Request_Id='r1')
        path, headers = Echo.seen[-1]
        self.assertEqual(path, '/nothing-of-ours?x=1')
        self.assertEqual(headers['X-Forwarded-For'], '127.0.0.1')
        self.assertEqual(headers['X-Real-IP'], '127.0.0.1')
        self.assertEqual(headers['X-Forwarded-Proto'], 'http')
        self.assertEqual(headers['Host'], '%s:%d' % front.address)
        self.assertEqual(headers['Authorization'], 'Bearer k')
        self.assertEqual(headers['X-Request-Id'], 'r1')

    @unittest.skipUnless(shutil.which('openssl'), 'openssl is not installed')
    def test_the_same_with_tls(self):
        tls = program.new_folder('tls')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj',
                        '/CN=localhost', '-keyout', f'{tls}/privkey.pem', '-out', f'{tls}/fullchain.pem'],
                       check=True, capture_output=True)
        front = proxy.Proxy(self.backend.server_address, 'nginx-https.conf', tls=tls)
        self.addCleanup(front.stop)
        self.assertEqual(client.get(front, '/nothing-of-ours').status, 308)
        trust = ssl.create_default_context(cafile=f'{tls}/fullchain.pem')
        trust.check_hostname = False
        connection = http.client.HTTPSConnection(*front.tls_address, context=trust, timeout=client.SECONDS)
        self.addCleanup(connection.close)
        connection.request('GET', '/nothing-of-ours')
        reply = connection.getresponse()
        self.assertEqual(reply.status, 204)
        self.assertIn('max-age', reply.getheader('Strict-Transport-Security'))
        self.assertEqual(Echo.seen[-1][1]['X-Forwarded-Proto'], 'https')


if __name__ == '__main__':
    unittest.main()
