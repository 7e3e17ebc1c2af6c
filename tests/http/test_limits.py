"""A request that is too large is refused early; too many requests wait or are told so at once."""
import concurrent.futures
import os
import socket
import time
import unittest

from support import client, dataset, picture, program
from support.case import Case, NOTHING, ServerCase


class Uploads(ServerCase):
    with_model = True
    with_data = True
    arguments = ('--max-upload', '100K')

    def test_a_body_at_the_limit_is_read(self):
        film = picture.noise(1)
        self.assert_prediction(self.predict(film + bytes((100 << 10) - len(film))))

    def test_a_body_over_the_limit_is_413_by_its_content_length(self):
        problem = self.assert_problem(self.predict(bytes((100 << 10) + 1)), 413, 'limit')
        self.assertIn(str(100 << 10), problem['detail'])

    def test_a_body_over_the_limit_is_413_before_it_is_sent(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', f'Content-Length: {1 << 40}'))
            self.assert_problem(raw.reply('POST', '/predict'), 413, 'limit')
            self.assertTrue(raw.at_end())

    def test_a_refusal_is_heard_by_a_client_that_sends_first_and_listens_then(self):
        for method, target, status in (('POST', '/predict', 413), ('POST', '/predict/', 404), ('PUT', '/predict', 405),
                                       ('POST', '/jobs/train', 413), ('POST', '/livez', 405)):
            with self.subTest((method, target)):
                self.assert_problem(client.request(self.server, method, target, bytes(20 << 20)), status)

    def test_a_chunked_body_over_the_limit_is_413(self):
        chunk = b'%x\r\n' % 50000 + bytes(50000) + b'\r\n'
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', 'Transfer-Encoding: chunked') + chunk * 3 + b'0\r\n\r\n')
            problem = self.assert_problem(raw.reply('POST', '/predict'), 413, 'limit')
            self.assertIn(str(100 << 10), problem['detail'])
            self.assertTrue(raw.at_end())

    def test_a_chunked_body_without_an_end_is_cut_off(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', 'Transfer-Encoding: chunked'))
            with self.assertRaises(OSError):
                for _ in range(10000):  # 500 MB, of which it takes a fraction of 1 MB
                    raw.socket.sendall(b'%x\r\n' % 50000 + bytes(50000) + b'\r\n')
        self.assertEqual(self.get('/livez').status, 200)

    def test_150000_chunks_of_a_byte_are_413(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', 'Transfer-Encoding: chunked') + b'1\r\nx\r\n' * 150000 + b'0\r\n\r\n')
            self.assert_problem(raw.reply('POST', '/predict'), 413)

    def test_a_multipart_body_over_the_limit_is_413(self):
        self.assert_problem(self.predict(bytes(110000), Content_Type='multipart/form-data; boundary=b'), 413)

    def test_a_job_over_64_kib_is_413(self):
        body = b'{"csv":"' + b'x' * (64 << 10) + b'"}'
        problem = self.assert_problem(self.post_json('/jobs/train', body), 413, 'limit')
        self.assertIn(str(64 << 10), problem['detail'])
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/jobs/train', 'Content-Type: application/json', 'Transfer-Encoding: chunked')
                     + b'%x\r\n' % len(body) + body + b'\r\n0\r\n\r\n')
            self.assert_problem(raw.reply('POST', '/jobs/train'), 413)

    def test_a_cancel_or_activate_body_over_64_kib_is_413(self):
        for target in ('/jobs/00000000-0000/cancel', f'/models/{self.model["id"]}/activate', '/models/rollback'):
            self.assert_problem(self.post_json(target, b' ' * (64 << 10) + b'{}'), 413)

    def test_an_import_over_128_mib_is_413(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/models', f'Content-Length: {(128 << 20) + 1}'))
            self.assert_problem(raw.reply('POST', '/models'), 413, f'{128 << 20}')

    def test_the_limits_are_what_version_says(self):
        self.assertEqual(self.get('/version').json()['limits']['max_upload_bytes'], 100 << 10)


class LargeUploads(Case):
    """All bodies together have a limit. Of the largest ones that come at the same time each client has its answer."""

    def test_one_that_finds_no_room_is_heard_when_it_has_sent_all(self):
        server = program.Server('--max-upload', '16M')  # with which the limit is 128 MiB
        self.addCleanup(lambda: server.stop())
        size, rest = 110 << 20, 10 << 20
        with client.Raw(server) as first:
            first.send(client.head('POST', '/models', f'Content-Length: {size}') + bytes(size - rest))
            program.poll(lambda: f'cxrd_http_body_bytes {size - rest}' in client.get(server, '/metrics').body.decode(), 'the first body')
            for _ in range(2):
                refused = client.request(server, 'POST', '/models', bytes(size))
                self.assertIn('as many request bodies', self.assert_problem(refused, 503)['detail'])
                self.assertIn('retry-after', refused.headers)
            first.send(bytes(rest))
            self.assert_problem(first.reply('POST', '/models'), 415)
        self.assert_problem(client.request(server, 'POST', '/models', bytes(size)), 415)

    def test_one_that_may_not_is_heard_when_it_has_sent_all(self):
        keys = os.path.join(program.new_folder('keys'), 'keys')
        with open(keys, 'w', encoding='ascii') as file:
            file.write(program.run('key', 'admin', 'me').stdout)
        server = program.Server('--keys', keys)
        self.addCleanup(lambda: server.stop())
        self.assert_problem(client.request(server, 'POST', '/models', bytes(110 << 20)), 401)


class Heads(ServerCase):

    def test_a_long_path_is_414(self):
        for target in ('/' + 'a' * 4095, '/livez?' + 'a' * 5000, '/' + 'a/' * 5000, '/' + 'a' * 40000):
            with client.Raw(self.server) as raw:
                raw.send(client.head('GET', target))
                self.assert_problem(raw.reply(), 414, 'too long')
                self.assertTrue(raw.at_end())

    def test_a_path_of_4095_bytes_is_only_not_there(self):
        self.assert_problem(self.get('/' + 'a' * 4094), 404)
        self.assert_problem(self.get('/livez?' + 'a' * 4088), 400, 'no parameter')

    def test_a_head_of_more_than_16_kib_is_431(self):
        size = len(client.head('GET', '/livez', 'X: '))
        for lines, status in ((['X: ' + 'a' * 40000], 431), ([f'X-{i}: {"a" * 50}' for i in range(1000)], 431),
                              (['X: ' + 'a' * (16385 - size)], 431), (['X: ' + 'a' * (16384 - size)], 200)):
            with self.subTest(len(lines[0])), client.Raw(self.server) as raw:
                raw.send(client.head('GET', '/livez', *lines))
                self.assertEqual(raw.reply().status, status)

    def test_200_headers_are_fine(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('GET', '/livez', *[f'X-{i}: y' for i in range(200)]))
            self.assertEqual(raw.reply().status, 200)

    def test_500_idle_connections_keep_nobody_out(self):
        idle = [socket.create_connection(self.server.address) for _ in range(500)]
        try:
            self.assertEqual(self.get('/livez').status, 200)
            for one in idle[::50]:
                one.sendall(client.head('GET', '/livez'))
                self.assertTrue(one.recv(4096).startswith(b'HTTP/1.1 200'))
        finally:
            for one in idle:
                one.close()


class Crowd(Case):

    def test_who_comes_behind_a_crowd_is_answered(self):
        """libmicrohttpd can sleep on those behind a full batch of events, see server/http/epoll_wait.c. Without that file one
        in four of these servers answers, if it does, only when it closes the crowd for being idle."""
        for _ in range(12):
            server = program.Server()
            self.addCleanup(server.stop)
            crowd = [socket.create_connection(server.address) for _ in range(500)]
            self.assertEqual(client.get(server, '/livez').status, 200)
            crowd[0].setblocking(False)
            with self.assertRaises(BlockingIOError):  # an end would be read
                crowd[0].recv(1)
            for one in crowd:
                one.close()
            server.stop()


class Overload(ServerCase):
    """A worker and two places to wait: most of a crowd is sent away at once, and no one is forgotten."""

    with_model = True
    threads = 1
    arguments = ('--queue', '2')

    def test_a_full_queue_is_503_at_once_and_nothing_is_lost(self):
        slow = picture.flat(5000, 5000)  # a few hundred kilobytes, 25 million pixels to decode
        expected = dataset.predict_here([slow], dataset.weights_path())[0]['probabilities']

        def one(_):
            reply = self.predict(slow)
            return time.monotonic(), reply

        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            timed = list(pool.map(one, range(40)))
        answered = [reply for _, reply in timed if reply.status == 200]
        refused = [(end, reply) for end, reply in timed if reply.status != 200]
        self.assertGreaterEqual(len(answered), 3)
        self.assertGreaterEqual(len(refused), 1)
        for reply in answered:
            self.assertEqual(self.assert_prediction(reply)['probabilities'], expected)
        for _, reply in refused:
            self.assert_problem(reply, 503, 'queue is full')
        self.assertLess(sorted(end for end, _ in refused)[len(refused) // 2],
                        max(end for end, reply in timed if reply.status == 200), 'whoever is refused waits for nobody')
        self.assertEqual(self.predict(picture.noise(1)).status, 200)

    def test_other_requests_do_not_wait_behind_predictions(self):
        slow = picture.flat(5000, 5000)
        overtaken = False
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            for _ in range(10):  # on a busy machine it may be we who are slow
                waiting = [pool.submit(self.predict, slow) for _ in range(3)]
                self.assertEqual([self.get(t).status for t in ('/livez', '/readyz', '/jobs', '/models')], [200] * 4)
                overtaken = overtaken or not all(w.done() for w in waiting)
                self.assertTrue(all(w.result().status in (200, 503) for w in waiting))
                if overtaken:
                    break
        self.assertTrue(overtaken, 'they were answered before the predictions')


class Options(ServerCase):
    """Limits come from flags and from the environment; the flag wins."""

    def test_the_environment_sets_limits_and_the_flag_wins(self):
        server = program.Server('--queue', '7', env={'CXRD_QUEUE': '5', 'CXRD_JOB_QUEUE': '3', 'CXRD_MAX_UPLOAD': '2M'})
        self.addCleanup(server.stop)
        limits = client.get(server, '/version').json()['limits']
        self.assertEqual((limits['predict_queue'], limits['job_queue'], limits['max_upload_bytes']), (7, 3, 2 << 20))

    def test_without_datasets_every_job_is_refused(self):
        self.assert_wrong_fields(self.post_json('/jobs/train', NOTHING), 'dataset')


if __name__ == '__main__':
    unittest.main()
