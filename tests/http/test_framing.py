"""The edges of HTTP itself over a bare socket: what two servers in a row could read differently is refused, and what
follows a refused request on its connection is never run."""
import socket
import unittest

from support import client, picture, program
from support.case import ServerCase, log_until_now

SMUGGLED = client.head('GET', '/livez', 'X-Request-Id: smuggled')


class Framing(ServerCase):
    with_model = True

    def setUp(self):
        self.lines = len(self.server.log())

    def assert_refused(self, data, status=400, says=None, target='/predict', method=None):
        """One refusal, then the end of the connection: what came behind it was not run."""
        replies = client.talk(self.server, data, method or data.split(b' ')[0].decode(), target)
        self.assertEqual([r.status for r in replies], [status], replies)
        self.assert_problem(replies[0], status, says)
        self.assertEqual(replies[0].headers['connection'].lower(), 'close')
        self.assert_nothing_smuggled()

    def assert_nothing_smuggled(self):
        log_until_now(self.server)
        ids = [line.get('request_id') for line in self.server.log()[self.lines:]]
        self.assertNotIn('smuggled', ids)


class Refused(Framing):

    def refuse_post(self, *lines, body=b'', says=None, status=400):
        self.assert_refused(client.head('POST', '/predict', *lines) + body + SMUGGLED, status, says)

    def test_two_content_lengths(self):
        for first, second in ((3, 3), (3, 30), (0, len(SMUGGLED)), (len(SMUGGLED), 0)):
            with self.subTest((first, second)):
                self.refuse_post(f'Content-Length: {first}', f'Content-Length: {second}', body=b'abc',
                                 says='more than one Content-Length')

    def test_a_content_length_with_a_transfer_encoding(self):
        chunked = b'3\r\nabc\r\n0\r\n\r\n'
        for lines in (('Content-Length: 3', 'Transfer-Encoding: chunked'),
                      ('Transfer-Encoding: chunked', 'Content-Length: 0'),
                      ('Content-Length: 13', 'transfer-encoding: CHUNKED')):
            with self.subTest(lines):
                self.refuse_post(*lines, body=chunked, says='both')

    def test_a_transfer_encoding_other_than_chunked(self):
        for value, status in (('identity', 400), ('gzip', 400), ('gzip, chunked', 501), ('chunked, gzip', 400), ('chunked, chunked', 400),
                              ('xchunked', 400), ('chunked;q=1', 400), ('"chunked"', 400), ('', 400)):
            with self.subTest(value):
                self.refuse_post(f'Transfer-Encoding: {value}', body=b'0\r\n\r\n', says='Transfer-Encoding', status=status)

    def test_two_transfer_encodings(self):
        self.refuse_post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked', body=b'0\r\n\r\n',
                         says='Transfer-Encoding')
        self.refuse_post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity', body=b'0\r\n\r\n',
                         says='Transfer-Encoding')

    def test_a_space_before_the_colon(self):
        self.refuse_post('Transfer-Encoding : chunked', body=b'0\r\n\r\n', says='broken name')
        self.refuse_post('Content-Length : 3', body=b'abc', says='broken name')

    def test_content_lengths_that_are_no_number(self):
        for value in ('-1', '+3', '3x', '0x3', '3, 3', '', '3 3', '1e1'):
            with self.subTest(value):
                self.refuse_post(f'Content-Length: {value}', body=b'abc')

    def test_content_lengths_that_are_too_large(self):
        self.refuse_post('Content-Length: 18446744073709551616', status=413)  # 2^64
        self.refuse_post('Content-Length: 18446744073709551615', status=413, says='limit')
        self.refuse_post('Content-Length: 9223372036854775808', status=413, says='limit')

    def test_chunks_that_are_none(self):
        for chunks in (b'zz\r\nabc\r\n', b'-1\r\nabc\r\n', b'3\r\nabcX\r\n0\r\n\r\n', b'\r\n0\r\n\r\n'):
            with self.subTest(chunks):
                self.refuse_post('Transfer-Encoding: chunked', body=chunks, says='chunk')

    def test_a_chunk_too_large_to_count(self):
        self.refuse_post('Transfer-Encoding: chunked', body=b'fffffffffffffffffff\r\nabc\r\n', status=413)

    def test_two_hosts(self):
        for lines in (('Host: 127.0.0.1',), ('Host: other.example',), ('HOST: x',)):
            self.assert_refused(client.head('GET', '/livez', *lines) + SMUGGLED, says='Host', target='/livez')

    def test_no_host(self):
        self.assert_refused(client.head('GET', '/livez', host=False) + SMUGGLED, says='Host', target='/livez')

    def test_header_names_that_are_no_token(self):
        for line in ('Bad Name: x', 'Bad(Name: x', 'Bäd: x', 'Bad\t: x', '"Bad": x', 'B@d: x'):
            with self.subTest(line):
                self.assert_refused(client.head('GET', '/livez', line) + SMUGGLED, says='broken name', target='/livez')

    def test_a_header_without_a_colon(self):
        self.assert_refused(client.head('GET', '/livez', 'nothing') + SMUGGLED, says='colon', target='/livez')

    def test_control_characters_in_a_value(self):
        for character in '\0\x01\x08\x1b\x7f':
            with self.subTest(hex(ord(character))):
                self.assert_refused(client.head('GET', '/livez', f'X: a{character}b') + SMUGGLED,
                                    says='control character', target='/livez')

    def test_a_bare_carriage_return_in_a_value(self):
        self.assert_refused(client.head('GET', '/livez', 'X: a\rTransfer-Encoding: chunked') + SMUGGLED,
                            says='CR LF', target='/livez')

    def test_a_transfer_encoding_in_http_1_0(self):
        self.assert_refused(b'POST /predict HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n' + SMUGGLED,
                            says='HTTP/1.0')

    def test_a_body_where_none_is_taken(self):
        self.assert_refused(client.head('GET', '/livez', f'Content-Length: {len(SMUGGLED)}') + SMUGGLED,
                            says='takes no body', target='/livez')
        chunk = b'%x\r\n' % len(SMUGGLED) + SMUGGLED + b'\r\n0\r\n\r\n'
        self.assert_refused(client.head('GET', '/jobs', 'Transfer-Encoding: chunked') + chunk, says='takes no body',
                            target='/jobs')

    def test_the_body_of_a_404_or_405_is_a_body(self):
        for method, target, status in (('POST', '/nothing', 404), ('POST', '/livez', 405), ('PUT', '/predict', 405)):
            for head, body in ((f'Content-Length: {len(SMUGGLED)}', SMUGGLED),
                               ('Transfer-Encoding: chunked', b'%x\r\n%s\r\n0\r\n\r\n' % (len(SMUGGLED), SMUGGLED))):
                with self.subTest((target, head)), client.Raw(self.server) as raw:
                    raw.send(client.head(method, target, head) + body + client.head('GET', '/version'))
                    self.assert_problem(raw.reply(method, target), status)
                    self.assertEqual(raw.reply().json()['name'], 'cxrd')
                    self.assert_nothing_smuggled()

    def test_what_follows_a_body_that_is_too_large(self):
        self.assert_refused(client.head('POST', '/predict', 'Content-Length: 199999999') + SMUGGLED, 413, 'the limit is')

    def test_versions_that_are_none(self):
        for line, status in ((b'GET /livez HTTP/2.0', 505), (b'PRI * HTTP/2.0', 505), (b'GET /livez JUNK', 400), (b'GET /livez', 400),
                             (b'GET /livez http/1.1', 400), (b'GET /a b HTTP/1.1', 400)):
            with self.subTest(line):
                self.assert_refused(line + b'\r\nHost: x\r\n\r\n' + SMUGGLED, status, 'HTTP/1.1', '/livez')

    def test_what_is_no_http_at_all(self):
        for data in (b'\x16\x03\x01\x02\0\1\0\1\xfc\3\3\r\n\r\n', b'hello\r\n\r\n', b'SSH-2.0-OpenSSH_9\r\n\r\n'):
            with self.subTest(data):
                self.assert_refused(data + SMUGGLED, target='/nothing', method='GET')


class Accepted(Framing):

    def test_http_1_0_without_a_host(self):
        replies = client.talk(self.server, b'GET /livez HTTP/1.0\r\n\r\n')
        self.assertEqual([(r.status, r.body) for r in replies], [(200, b'{"status":"alive"}\n')])

    def test_http_1_0_that_keeps_the_connection(self):
        with client.Raw(self.server) as raw:
            for _ in range(3):
                raw.send(b'GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
                self.assertEqual(raw.reply().status, 200)

    def test_a_tab_in_a_value(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('GET', '/livez', 'X: a\tb'))
            self.assertEqual(raw.reply().status, 200)

    def test_chunk_extensions_and_trailers(self):
        data = picture.noise(1)
        chunks = b'%x;a=b;c="d"\r\n' % len(data) + data + b'\r\n0\r\nX-Trailer: 1\r\n\r\n'
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', 'Transfer-Encoding: chunked') + chunks)
            self.assert_prediction(raw.reply(target='/predict', method='POST'))

    def test_a_head_that_comes_byte_by_byte(self):
        with client.Raw(self.server) as raw:
            for byte in client.head('GET', '/livez', 'X-Request-Id: slow'):
                raw.send(bytes([byte]))
            self.assertEqual(raw.reply().headers['x-request-id'], 'slow')


class Connections(Framing):

    def test_one_connection_serves_many_requests(self):
        film = picture.noise(1)
        with client.Client(self.server) as one:
            one.connection.connect()
            port = one.connection.sock.getsockname()[1]
            for _ in range(20):
                self.assertEqual(one.request('GET', '/livez').status, 200)
                self.assertEqual(one.request('POST', '/predict', film).status, 200)
                self.assertEqual(one.request('POST', '/predict', b'no picture').status, 415)
                self.assertEqual(one.request('GET', '/jobs/00000000-0000').status, 404)
                self.assertEqual(one.request('GET', '/jobs').status, 200)
            self.assertEqual(one.connection.sock.getsockname()[1], port)  # http.client would have connected anew

    def test_connection_close_is_obeyed(self):
        replies = client.talk(self.server, client.head('GET', '/livez', 'Connection: close') + SMUGGLED)
        self.assertEqual([r.status for r in replies], [200])

    def test_pipelined_requests_are_answered_in_order(self):
        film = picture.noise(1)
        data = b''
        for i in range(10):
            data += client.head('POST', '/predict', f'Content-Length: {len(film)}', f'X-Request-Id: p{i}') + film
            data += client.head('GET', '/livez', f'X-Request-Id: l{i}')
        with client.Raw(self.server) as raw:
            raw.send(data)
            for i in range(10):
                for name in (f'p{i}', f'l{i}'):
                    reply = raw.reply()
                    self.assertEqual((reply.status, reply.headers['x-request-id']), (200, name))

    def test_expect_100_continue_is_answered_before_the_body(self):
        film = picture.noise(1)
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', f'Content-Length: {len(film)}', 'Expect: 100-continue'))
            self.assertEqual(raw.reply().status, 100)
            raw.send(film)
            self.assert_prediction(raw.reply())

    def test_expect_100_continue_is_refused_without_the_body(self):
        for method, target, length, status in (('POST', '/predict', 1 << 30, 413), ('POST', '/nothing', 100, 404),
                                               ('PUT', '/predict', 100, 405)):
            with self.subTest(target):
                self.assert_refused(client.head(method, target, f'Content-Length: {length}', 'Expect: 100-continue'),
                                    status, target=target)

    def test_what_the_head_alone_decides_is_said_instead_of_continue(self):
        form, octets = 'Content-Type: multipart/form-data', 'Content-Type: application/octet-stream'
        text, value = 'Content-Type: text/plain', 'Content-Type: application/json'
        for method, target, length, status, *lines in (
                ('POST', '/predict?explain=Nothing', 100, 422), ('POST', '/predict?age=old', 100, 422), ('POST', '/predict', 100, 400, form),
                ('POST', '/predict', 100, 415, 'Content-Encoding: gzip'), ('POST', '/predict', 100, 403, 'Origin: http://evil.example'),
                ('POST', '/predict?age=1&age=2', 100, 400), ('POST', '/predict', 100, 400, 'Idempotency-Key:'),
                ('POST', '/predict/heatmap', 100, 422), ('POST', '/predict/heatmap?label=Nothing', 100, 422),
                ('POST', '/predict/heatmap?label=Mass', 100, 400, form),
                ('POST', '/models', 100, 415, text), ('POST', '/models', 100, 415), ('POST', '/models', 1 << 30, 413, octets),
                ('POST', '/jobs/train', 100, 415, text), ('POST', '/jobs/train', 100, 415), ('POST', '/jobs/train', 100, 415, octets),
                ('POST', '/jobs/train', 1 << 20, 413, value), ('POST', '/jobs/00000000-0000/cancel', 100, 415, text),
                ('POST', '/datasets', 100, 403, value), ('GET', '/jobs', 100, 400), ('DELETE', '/models/00000000-0000', 100, 400)):
            with self.subTest((method, target, lines)):
                self.assert_refused(client.head(method, target, f'Content-Length: {length}', 'Expect: 100-continue', *lines), status,
                                    target=target.split('?')[0])

    def test_what_the_head_does_not_decide_is_waited_for(self):
        film = picture.noise(1)
        for target, body, status, *lines in (('/predict?explain=Mass&age=50', film, 200), ('/predict/heatmap?label=Mass', film, 200),
                                             ('/jobs/train', b'{', 400, 'Content-Type: application/json; charset=utf-8'),
                                             ('/models', b'x', 422, 'Content-Type: application/octet-stream')):
            with self.subTest(target), client.Raw(self.server) as raw:
                raw.send(client.head('POST', target, f'Content-Length: {len(body)}', 'Expect: 100-continue', *lines))
                self.assertEqual(raw.reply().status, 100)
                raw.send(body)
                reply = raw.reply()
                self.assertEqual(reply.status, status)
                self.assertLessEqual([name for name, _ in reply.header_list].count('cache-control'), 1)

    def test_clients_that_leave_early_do_no_harm(self):
        film = picture.noise(1, 500, 500)
        whole = client.head('POST', '/predict', f'Content-Length: {len(film)}') + film
        for n in (0, 1, 10, len(whole) // 2, len(whole) - 1, len(whole)):
            with client.Raw(self.server) as raw:
                raw.send(whole[:n])
        self.assert_prediction(self.predict(film))


class Methods(Framing):

    def test_methods_that_a_path_does_not_have_are_405_with_those_that_it_has(self):
        rows = (('TRACE', '/predict', 'POST, OPTIONS'), ('FOO', '/predict', 'POST, OPTIONS'),
                ('post', '/predict', 'POST, OPTIONS'), ('Post', '/predict', 'POST, OPTIONS'),
                ('GET', '/predict', 'POST, OPTIONS'), ('HEAD', '/predict', 'POST, OPTIONS'),
                ('DELETE', '/models', 'GET, HEAD, POST, OPTIONS'), ('get', '/livez', 'GET, HEAD, OPTIONS'),
                ('GETGETGETGETGETGETGET', '/livez', 'GET, HEAD, OPTIONS'), ('PATCH', '/livez', 'GET, HEAD, OPTIONS'),
                ('head', '/livez', 'GET, HEAD, OPTIONS'), ('options', '/livez', 'GET, HEAD, OPTIONS'))
        for method, target, allow in rows:
            with self.subTest((method, target)), client.Raw(self.server) as raw:
                raw.send(client.head(method, target))
                reply = raw.reply(method)
                self.assertEqual((reply.status, reply.headers['allow']), (405, allow))

    def test_connect_is_nothing(self):
        replies = client.talk(self.server, client.head('CONNECT', '127.0.0.1:443') + SMUGGLED)
        self.assertEqual([r.status for r in replies], [400])

    def test_a_method_that_is_no_token_is_400_and_in_the_log(self):
        for i, (method, kept) in enumerate(((b'P\xffST', 'P?ST'), ('F\u00d6\u00d6'.encode(), 'F????'), (b'GET/', 'GET/'),
                                            (b'(GET)', '(GET)'), (14 * b'A' + '\u00d6'.encode(), 14 * 'A' + '?'))):
            with self.subTest(method), client.Raw(self.server) as raw:
                name = f'method-{i}'
                raw.send(method + f' /predict HTTP/1.1\r\nHost: x\r\nX-Request-Id: {name}\r\n\r\n'.encode())
                problem = self.assert_problem(raw.reply(), 400, 'method')
                self.assertEqual(problem['request_id'], name)
                self.assertTrue(raw.at_end())
                line = program.poll(lambda name=name: [x for x in self.server.log() if x.get('request_id') == name], 'it is logged')
                self.assertEqual((line[0]['method'], line[0]['status']), (kept, 400))

    def test_options_is_204_with_the_methods(self):
        for target, allow in (('/predict', 'POST, OPTIONS'), ('/models', 'GET, HEAD, POST, OPTIONS'),
                              ('/jobs/00000000-0000', 'GET, HEAD, PATCH, DELETE, OPTIONS'), ('/livez', 'GET, HEAD, OPTIONS')):
            with self.subTest(target):
                reply = client.request(self.server, 'OPTIONS', target)
                self.assertEqual((reply.status, reply.headers['allow'], reply.body), (204, allow, b''))
        self.assert_problem(client.request(self.server, 'OPTIONS', '/nothing'), 404)


class Targets(Framing):
    """The four forms of a request's target (RFC 9112, section 3.2)."""

    def test_row_55_long_targets_are_414(self):
        for target in ('/' + 'a' * 4095, '/livez?' + '&' * 5000, 'http://h/' + 'a' * 4095, '/' + 'a' * 20000):
            with self.subTest(len(target)):
                self.assert_refused(client.head('GET', target) + SMUGGLED, 414, 'the limit is 4095 bytes', '/nothing')

    def test_row_55_a_whole_uri_names_the_host_that_counts(self):
        for uri, status in (('http://127.0.0.1/jobs', 200), ('HTTP://localhost:80/jobs?limit=1', 200), ('https://[::1]/jobs', 200),
                            ('http://evil.example/jobs', 403), ('http://127.0.0.1?', 200), ('http://127.0.0.1', 200),
                            ('http://127.0.0.1/livez?' + '&' * 4000, 200)):
            for host in ('127.0.0.1', 'evil.example'):
                with self.subTest((uri, host)), client.Raw(self.server) as raw:
                    raw.send(f'GET {uri} HTTP/1.1\r\nHost: {host}\r\n\r\n'.encode())
                    self.assertEqual(raw.reply().status, status)
        for uri in ('http://', 'http:///jobs', 'http://u:p@127.0.0.1/jobs', 'http://127.0.0.1:x/jobs', 'http://127.0.0.1#/jobs', 'ftp://127.0.0.1/jobs'):
            with self.subTest(uri):
                self.assert_refused(client.head('GET', uri) + SMUGGLED, 400, 'target', '/nothing')
        self.assert_refused(client.head('GET', 'http://127.0.0.1/jobs', host=False) + SMUGGLED, 400, 'Host', '/jobs')

    def test_row_55_options_of_the_server_itself(self):
        for target in ('*', 'http://127.0.0.1'):
            with self.subTest(target), client.Raw(self.server) as raw:
                raw.send(client.head('OPTIONS', target))
                reply = raw.reply('OPTIONS')
                self.assertEqual(reply.status, 204)
                self.assertEqual(set(reply.headers['allow'].split(', ')), {'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'})
        for method in ('GET', 'POST', 'options'):
            self.assert_refused(client.head(method, '*') + SMUGGLED, 400, 'target', '/nothing')

    def test_row_55_a_blank_in_the_target_is_told_so(self):
        self.assert_refused(b'GET /a b HTTP/1.1\r\nHost: x\r\n\r\n' + SMUGGLED, 400, 'METHOD TARGET HTTP/1.1', '/nothing')

    def test_row_55_two_idempotency_keys(self):
        for second in ('a', 'b'):
            self.assert_refused(client.head('POST', '/jobs/train', 'Idempotency-Key: a', f'idempotency-key: {second}') + SMUGGLED, 400,
                                'more than one Idempotency-Key', '/jobs/train')
        self.assertEqual(self.get('/jobs').json()['jobs'], [])

    def test_a_method_that_is_too_long_is_501(self):
        self.assert_refused(client.head('A' * 32, '/livez') + SMUGGLED, 501, 'method', '/nothing')


class Ends(Framing):
    """A client that has said all it will say closes its half together with its last byte."""

    def setUp(self):
        """One that says nothing came before: what ends only at a time limit, as it does, ends after it."""
        super().setUp()
        self.idle = socket.create_connection(self.server.address)
        self.addCleanup(self.idle.close)
        self.idle.setblocking(False)

    def assert_no_time_limit(self):
        with self.assertRaises(BlockingIOError):  # an end would be read
            self.idle.recv(1)

    def left(self):
        """How many sockets of the server's the other side of which has ended: CLOSE-WAIT is 08."""
        with open('/proc/net/tcp', encoding='ascii') as file:
            rows = [line.split() for line in file.readlines()[1:]]
        return sum(int(row[1].split(':')[1], 16) == self.server.address[1] and row[3] == '08' for row in rows)

    def answers(self, data):
        with client.Raw(self.server) as raw:
            raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # until the end, which so goes with the last byte
            raw.send(data)
            raw.socket.shutdown(socket.SHUT_WR)
            statuses = []
            while reply := raw.reply():
                statuses.append(reply.status)
            return statuses

    def test_row_57_an_end_that_comes_with_the_request_is_the_end(self):
        get, job = client.head('GET', '/livez'), client.head('POST', '/jobs/train', 'Content-Length: 3') + b'abc'
        chunked = client.head('POST', '/jobs/train', 'Transfer-Encoding: chunked') + b'3\r\nabc\r\n0\r\n\r\n'
        for data, statuses in ((get, [200]), (get * 5, [200] * 5), (client.head('GET', '/jobs') * 3, [200] * 3), (job, [415]), (chunked, [415]),
                               (get + job + get, [200, 415, 200]), (get + b'GET /li', [200]), (get + job[:-1], [200]), (b'', []), (b'GET', []),
                               (chunked[:-1], []), (b'GET /a b HTTP/1.1\r\n\r\n', [400]), (client.head('GET', '/nothing') * 3, [404] * 3)):
            with self.subTest(data[-60:]):
                self.assertEqual(self.answers(data), statuses)
        film = picture.noise(1, 64, 64)
        predicted, alive = self.answers(client.head('POST', '/predict', f'Content-Length: {len(film)}') + film + get)
        self.assertIn(predicted, (200, 499))  # whether it began before the end was there
        self.assertEqual(alive, 200)
        self.assert_no_time_limit()

    def test_row_57_a_reply_is_heard_beside_others_that_have_waited_longer(self):
        """The library looks first at the connection that has been idle for longest: on each of its threads that is another one."""
        idle = [client.Raw(self.server) for _ in range(4)]
        for one in idle:
            self.addCleanup(one.close)
        job = client.head('POST', '/jobs/train', 'Content-Length: 3') + b'abc'
        for _ in range(4):
            self.assertEqual(self.answers(client.head('GET', '/jobs')), [200])
            self.assertEqual(self.answers(job), [415])
        self.assert_no_time_limit()

    def test_row_57_nothing_is_left_of_clients_that_have_gone(self):
        for _ in range(30):
            one = client.Raw(self.server)
            self.addCleanup(one.close)
            one.send(client.head('GET', '/livez'))
            one.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(one.reply().status, 200)
        program.poll(lambda: self.left() == 0, 'they are closed')
        self.assert_no_time_limit()


class Codings(Framing):

    def test_row_59_a_content_encoding_is_415_wherever_a_body_is_taken(self):
        for method, target in (('POST', '/predict'), ('POST', '/jobs/train'), ('POST', '/models'), ('POST', '/jobs/00000000-0000/cancel'),
                               ('POST', f'/models/{self.model["id"]}/activate'), ('POST', '/models/rollback')):
            for coding in ('gzip', 'br', 'identity, gzip', 'x'):
                with self.subTest((target, coding)):
                    reply = client.request(self.server, method, target, b'{}', Content_Encoding=coding, Content_Type='application/json')
                    self.assert_problem(reply, 415, 'Content-Encoding')
        for coding in ('identity', 'IDENTITY', ''):
            reply = client.request(self.server, 'POST', '/models/rollback', b'{', Content_Encoding=coding, Content_Type='application/json')
            self.assertNotEqual(reply.status, 415)
        self.assertEqual(self.get('/livez', Content_Encoding='gzip').status, 200)

    def test_row_59_where_no_body_comes_its_coding_does_not_matter(self):
        """Known from the head, or when the last chunk has come; nor does its type."""
        target = f'/models/{self.model["id"]}/activate'
        for coding in ('gzip', 'br', 'identity'):
            for how, body, status in ((b'', b'', 200), (b'Content-Length: 0\r\n', b'', 200),
                                      (b'Transfer-Encoding: chunked\r\n', b'0\r\n\r\n', 200),
                                      (b'Transfer-Encoding: chunked\r\n', b'2\r\n{}\r\n0\r\n\r\n', None)):
                with self.subTest((coding, how, body)), client.Raw(self.server) as raw:
                    raw.send(b'POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: %s\r\n%s\r\n%s'
                             % (target.encode(), coding.encode(), how, body))
                    reply = raw.reply()
                    if status is None and coding != 'identity':
                        self.assert_problem(reply, 415, 'Content-Encoding')
                    else:
                        self.assertEqual(reply.status, 200, reply)


class Paths(Framing):

    def test_paths_that_are_not_there_are_404(self):
        for target in ('/nothing', '/predict/', '//predict', '/PREDICT', '/%70redict', '/predict%20', '/predict;x',
                       '/jobs/', '/jobs//', '/jobs/x', '/jobs/0000000', '/jobs/0000000g', '/jobs/' + '0' * 37,
                       '/jobs/00000000-0000/', '/jobs/00000000-0000/cancel/x', '/jobs/..%2f..%2fetc', '/jobs/../livez',
                       '/./livez', '/%2e%2e/livez', '/../livez', '/livez%2f', '/models/00000000-0000/weights/',
                       '/models/DEADBEEF', '/openapi.yml', '/livez\\', '/é'.encode().decode('latin-1'), '/\xff'):
            with self.subTest(target), client.Raw(self.server) as raw:
                raw.send(client.head('GET', target))
                self.assert_problem(raw.reply(), 404)

    def test_a_file_that_the_page_does_not_have_is_404(self):
        self.assert_problem(client.request(self.server, 'GET', '/ui/nothing.js'), 404)

    def test_a_nul_in_a_path_is_400(self):
        for target in ('/livez%00', '/%00', '/livez?x=%00', '/jobs/%00'):
            with self.subTest(target), client.Raw(self.server) as raw:
                raw.send(client.head('GET', target))
                self.assert_problem(raw.reply(), 400)

    def test_a_target_that_is_no_path_is_400(self):
        for target in ('*', 'livez', 'http:/livez', '?x'):
            with self.subTest(target), client.Raw(self.server) as raw:
                raw.send(client.head('GET', target))
                self.assert_problem(raw.reply(), 400)

    def test_a_query_does_not_change_the_path(self):
        for target in ('/livez?', '/livez?&&', '/livez?=&=&&', '/livez?=/predict'):
            with self.subTest(target):
                self.assertEqual(self.get(target).status, 200)
        for target in ('/livez?x=1', '/livez?/predict', '/livez??', '/livez?%25', '/livez?%C3%A9=%f0%9f%98%80&=&&', '/livez?x=' + '%41' * 1250,
                       '/livez?x=' + 'a' * 2047):
            with self.subTest(target):
                self.assert_problem(self.get(target), 400, 'no parameter')


if __name__ == '__main__':
    unittest.main()
