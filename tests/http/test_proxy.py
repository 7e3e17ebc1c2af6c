"""Between a client and the server: a prefix, another origin's page, TLS of our own."""
import os
import re
import shutil
import socket
import ssl
import subprocess
import unittest
import urllib.request

from support import client, dataset, program
from support.case import NOTHING, Case, ServerCase
from test_keys import PREDICT, bearer, keys_file

PAGE = 'https://pacs.example'


class BasePath(ServerCase):
    with_data = True
    arguments = ('--base-path', '/x-ray/v1')

    def test_every_path_begins_with_it(self):
        self.assertEqual(self.get('/x-ray/v1/livez').status, 200)
        self.assertEqual(self.get('/x-ray/v1/jobs?limit=5').status, 200)
        for target in ('/livez', '/x-ray/v1', '/x-ray/v1livez', '/x-ray/livez', '/x-ray/v1//livez', '/X-RAY/v1/livez',
                       '/x-ray/v1/x-ray/v1/livez', '//x-ray/v1/livez', '/x-ray/v1/../livez'):
            with self.subTest(target):
                self.assert_problem(self.get(target), 404)

    def test_what_the_server_says_of_places_has_it_too(self):
        reply = self.post_json('/x-ray/v1/jobs/train', NOTHING)
        self.assertEqual(reply.status, 202)
        place = reply.headers['location']
        self.assertTrue(place.startswith('/x-ray/v1/jobs/'))
        self.assertEqual(self.get(place).status, 200)
        for link in reply.json()['links'].values():
            self.assertTrue(link.startswith('/x-ray/v1/'), link)
        reply = self.post('/x-ray/v1/models', dataset.weights(), Content_Type='application/octet-stream')
        self.assertEqual(self.get(reply.headers['location']).json()['id'], reply.json()['id'])

    def test_what_is_no_path_is_refused_at_start(self):
        for base in ('x', '/x/', '/', '/a b', '/%41', '/x?y'):
            done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder(), '--base-path', base)
            self.assertEqual(done.returncode, 2, base)
            self.assertIn('--base-path', done.stderr)


class Cors(Case):

    @classmethod
    def setUpClass(cls):
        cls.server = program.Server('--keys', keys_file(), '--cors-origins', f'{PAGE},http://localhost:3000')
        cls.addClassCleanup(cls.server.stop)

    def test_a_page_that_is_configured_may_ask_and_read(self):
        reply = client.get(self.server, '/jobs', Origin=PAGE, **bearer(PREDICT))
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.headers['access-control-allow-origin'], PAGE)
        self.assertIn('Origin', reply.headers['vary'])
        reply = client.get(self.server, '/jobs', Origin=PAGE)  # it may read that it may not
        self.assertEqual((reply.status, reply.headers['access-control-allow-origin']), (401, PAGE))

    def test_a_preflight_needs_no_key(self):
        reply = client.request(self.server, 'OPTIONS', '/predict', Origin=PAGE, Access_Control_Request_Method='POST')
        self.assertEqual(reply.status, 204)
        self.assertIn('POST', reply.headers['access-control-allow-methods'])
        self.assertIn('Authorization', reply.headers['access-control-allow-headers'])
        self.assertNotIn('access-control-allow-credentials', reply.headers)

    def test_row_56_a_preflight_allows_what_pages_send(self):
        reply = client.request(self.server, 'OPTIONS', '/jobs', Origin=PAGE, Access_Control_Request_Method='GET')
        allowed = reply.headers['access-control-allow-headers'].lower().split(', ')
        for name in ('authorization', 'content-type', 'idempotency-key', 'last-event-id', 'traceparent', 'x-request-id'):
            self.assertIn(name, allowed)

    def test_row_56_every_reply_says_that_it_depends_on_the_origin(self):
        for method, target, headers in (('GET', '/livez', {}), ('GET', '/jobs', bearer(PREDICT)), ('GET', '/jobs', {}), ('GET', '/nothing', {}),
                                        ('OPTIONS', '/jobs', bearer(PREDICT)), ('DELETE', '/livez', {}), ('GET', '/jobs', {'Origin': PAGE}),
                                        ('GET', '/jobs', {'Origin': 'https://evil.example'})):
            with self.subTest((method, target, headers)):
                self.assertIn('Origin', client.request(self.server, method, target, **headers).headers.get('vary', ''))

    def test_row_56_a_page_may_read_why_its_head_was_refused(self):
        for lines in (('Content-Length: 1', 'Content-Length: 1'), ('X: ' + 'a' * 20000,), ('X: a\0',), (' folded',), ('Transfer-Encoding: gzip, chunked',),
                      ('Host: x',), ('Authorization: a', 'Authorization: b')):
            with self.subTest(lines[0][:30]):
                replies = client.talk(self.server, client.head('POST', '/predict', f'Origin: {PAGE}', 'X-Request-Id: of-the-page', *lines))
                self.assertEqual(len(replies), 1)
                self.assert_problem(replies[0], replies[0].status)
                self.assertEqual(replies[0].headers.get('access-control-allow-origin'), PAGE)
                self.assertEqual(replies[0].headers['x-request-id'], 'of-the-page')
                self.assertEqual(replies[0].headers['vary'], 'Origin')
        for origins in ((PAGE, PAGE), ('https://evil.example',)):
            lines = [f'Origin: {origin}' for origin in origins] + [' folded']
            reply = client.talk(self.server, client.head('GET', '/jobs', *lines))[0]
            self.assertNotIn('access-control-allow-origin', reply.headers)

    def test_other_pages_get_nothing(self):
        for origin in ('https://evil.example', PAGE + '.evil.example', 'http://pacs.example', 'null', PAGE + ':8443'):
            with self.subTest(origin):
                for method, extra in (('GET', {}), ('OPTIONS', {'Access_Control_Request_Method': 'GET'})):
                    reply = client.request(self.server, method, '/jobs', Origin=origin, **bearer(PREDICT), **extra)
                    self.assertEqual(reply.status, 403)
                    self.assertNotIn('access-control-allow-origin', reply.headers)

    def test_a_request_that_would_change_is_no_preflight(self):
        reply = client.request(self.server, 'POST', '/jobs/train', Origin=PAGE, Access_Control_Request_Method='POST')
        self.assertEqual(reply.status, 401)


@unittest.skipUnless(shutil.which('openssl'), 'openssl makes the certificate')
class Tls(Case):

    @classmethod
    def setUpClass(cls):
        folder = program.new_folder('tls')
        cls.certificate, cls.key = os.path.join(folder, 'cert.pem'), os.path.join(folder, 'key.pem')
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days',
                        '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', cls.key,
                        '-out', cls.certificate], check=True, capture_output=True)

    def serve(self, *arguments):
        server = program.Server('--tls-cert', self.certificate, '--tls-key', self.key, *arguments)
        self.addCleanup(server.stop)
        return server

    def ask(self, server, target, data=None, **options):
        context = ssl.create_default_context(cafile=self.certificate)
        for name, value in options.items():
            setattr(context, name, value)
        request = urllib.request.Request(server.url + target, data, {'Content-Type': 'application/octet-stream'})
        with urllib.request.urlopen(request, context=context, timeout=client.SECONDS) as reply:
            return reply.status, reply.read()

    def test_it_predicts_over_tls(self):
        server = self.serve()
        self.assertTrue(server.url.startswith('https://'))
        self.assertEqual(self.ask(server, '/livez')[0], 200)
        self.assertEqual(self.ask(server, '/models', dataset.weights())[0], 201)
        self.assertGreater(len(self.ask(server, '/openapi.yaml')[1]), 50000)

    def test_versions_before_1_2_are_refused(self):
        server = self.serve()
        with self.assertRaises(OSError):
            self.ask(server, '/livez', maximum_version=ssl.TLSVersion.TLSv1_1)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertEqual(self.ask(server, '/livez', minimum_version=version, maximum_version=version)[0], 200)

    def records(self, server, *pieces, farewell=False, end=False):
        """The statuses of what is answered to these pieces, each a record of its own. Behind them comes TLS's own end, or the end of
        our half of the connection, as from a client that has no more to say."""
        context = ssl.create_default_context(cafile=self.certificate)
        come, go = ssl.MemoryBIO(), ssl.MemoryBIO()
        session = context.wrap_bio(come, go, server_hostname='localhost')
        answers, ended = b'', False

        def flush():
            data = go.read()
            if data and not ended:
                raw.sendall(data)

        def more():
            """Send what is to go, and wait for what comes; false: nothing comes any more."""
            flush()
            data = raw.recv(1 << 16)
            come.write(data)
            return data

        def may(step, *arguments):
            """The result of a step of the session; None: more must come before it."""
            try:
                return step(*arguments) or b''
            except ssl.SSLWantReadError:
                return None
            except ssl.SSLZeroReturnError:
                return b''

        with socket.create_connection(server.address, timeout=client.SECONDS) as raw:
            while may(session.do_handshake) is None:
                self.assertTrue(more())
            for piece in pieces:
                session.write(piece)
            if farewell:
                may(session.unwrap)
            flush()
            ended = farewell or end
            if end:
                raw.shutdown(socket.SHUT_WR)
            while more():
                while part := may(session.read, 1 << 16):
                    answers += part
        return [int(status) for status in re.findall(rb'HTTP/1.1 (\d+) ', answers)]

    def test_every_byte_is_read_as_strictly_as_without(self):
        server = self.serve()
        get, last = client.head('GET', '/livez'), client.head('GET', '/livez', 'Connection: close')
        job = client.head('POST', '/jobs/train', 'Content-Length: 2000')
        chunked = client.head('POST', '/jobs/train', 'Transfer-Encoding: chunked')
        fold = client.head('POST', '/jobs/train', f'Content-Length:\r\n {len(get)}')
        film = b'x' * 2000
        for pieces, statuses in (((get + last,), [200, 200]), ((get, get, last), [200] * 3), ((get * 40 + last,), [200] * 41),
                                 (tuple(bytes([c]) for c in get + last), [200, 200]),
                                 ((job, film[:7], film[7:1900], film[1900:] + get, last), [415, 200, 200]),
                                 ((job + film[:1], film[1:] + last), [415, 200]),
                                 ((chunked, b'3\r', b'\nab', b'c\r\n0\r\n', b'\r\n' + last), [415, 200]),
                                 ((chunked + b'3\nabc\r\n0\r\n\r\n' + last,), [400]), ((fold + get + last,), [400]),
                                 ((get + fold + get + last,), [200, 400]), ((b'GET /a b HTTP/1.1\r\n\r\n' + last,), [400])):
            with self.subTest((len(pieces), pieces[0][-60:])):
                self.assertEqual(self.records(server, *pieces), statuses)
        self.assertEqual(self.ask(server, '/models', dataset.weights())[0], 201)  # many records

    def test_a_client_that_has_no_more_to_say_gets_its_replies(self):
        server = self.serve()
        get, job = client.head('GET', '/livez'), client.head('POST', '/jobs/train', 'Content-Length: 3')
        for pieces, statuses in (((get,), [200]), ((get * 5,), [200] * 5), ((get, get), [200] * 2), ((job + b'abc',), [415]),
                                 ((get, job, b'ab'), [200]), ((get + b'GET /li',), [200]), ((), [])):
            for farewell, end in ((True, False), (True, True), (False, True)):
                with self.subTest((pieces, farewell, end)):
                    self.assertEqual(self.records(server, *pieces, farewell=farewell, end=end), statuses)

    def test_plain_http_gets_nothing(self):
        server = self.serve()
        self.assertNotIn(b'alive', client.everything(server, client.head('GET', '/livez', 'Connection: close')))
        self.assertEqual(self.ask(server, '/livez')[0], 200)

    def test_files_that_do_not_fit_are_refused_at_start(self):
        for arguments in (('--tls-cert', self.certificate), ('--tls-key', self.key),
                          ('--tls-cert', self.key, '--tls-key', self.certificate),
                          ('--tls-cert', '/nonexistent', '--tls-key', self.key)):
            done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder(), *arguments)
            self.assertEqual(done.returncode, 1, arguments)


if __name__ == '__main__':
    unittest.main()
