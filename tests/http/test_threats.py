"""The threat model, a test a row: test_row_NN_… (docs/security.md tells what each row is, and which tests go deeper).

After every test the server must be alive, answer, and hold no more descriptors than before.
"""
import concurrent.futures
import contextlib
import hashlib
import http.client
import json
import os
import resource
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest
import zlib

from support import client, dataset, picture, program, proxy
from support.case import (LONG, NOTHING, QUICK, Case, ServerCase, import_model, job_of, log_until_now, submit, wait_state,
                          wait_training)
from test_keys import ADMIN, PREDICT, bearer, keys_file

MIB = 1 << 20
SMUGGLED = client.head('GET', '/livez', 'X-Request-Id: smuggled')


def status_of(pid, name):
    """A number of /proc/PID/status."""
    with open(f'/proc/{pid}/status', encoding='ascii') as file:
        return int(next(line.split()[1] for line in file if line.startswith(name + ':')))


def descriptors(pid):
    return len(os.listdir(f'/proc/{pid}/fd'))


def interlaced_grey16(width, height, rows):
    """Adam7: `rows` are lists of 16-bit values."""
    data = b''
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        for y in range(y0, height, dy):
            values = rows[y][x0::dx]
            if values:
                data += b'\0' + struct.pack(f'>{len(values)}H', *values)
    header = picture.chunk(b'IHDR', struct.pack('>IIBBBBB', width, height, 16, 0, 0, 0, 1))
    return picture.SIGNATURE + header + picture.chunk(b'IDAT', zlib.compress(data)) + picture.chunk(b'IEND', b'')


class Rows(ServerCase):
    with_model = True
    with_data = True

    def setUp(self):
        self.assertEqual(self.get('/healthz').status, 200)
        self.before = descriptors(self.server.pid)
        self.addCleanup(self.still_well)

    def still_well(self):
        self.assertTrue(self.server.alive())
        self.assertEqual(self.get('/healthz').status, 200)
        program.poll(lambda: descriptors(self.server.pid) <= self.before + 2, 'descriptors are closed')

    # ---- pictures ----

    def test_row_01_a_bomb_is_refused_by_its_header(self):
        bomb = picture.flat(4096, 4096, depth=16, colour=picture.RGBA)
        self.assertLess(len(bomb), MIB)
        self.predict(picture.noise(1))
        before = status_of(self.server.pid, 'VmHWM')
        self.assert_problem(self.predict(bomb), 422)
        self.assertLess(status_of(self.server.pid, 'VmHWM') - before, 32 << 10)

    def test_row_02_sides_beyond_limits(self):
        self.assert_problem(self.predict(picture.flat(60000, 60000, depth=1)), 422)
        for width, height, status in ((0, 1, 400), (1, 0, 400), (8193, 1, 422), (2**31 - 1, 2**31 - 1, 422), (2**32 - 1, 1, 422)):
            data = (picture.SIGNATURE + picture.header(width, height) + picture.chunk(b'IDAT', zlib.compress(b'\0\0')) +
                    picture.chunk(b'IEND', b''))
            self.assert_problem(self.predict(data), status)

    def test_row_03_broken_files_are_400(self):
        whole = picture.noise(1)
        at = whole.index(b'IDAT')
        for name, data in (('cut', whole[:-20]), ('crc', whole[:at + 10] + bytes([whole[at + 10] ^ 1]) + whole[at + 11:]),
                           ('no end', whole[:-12]), ('two headers', whole[:33] + whole[8:33] + whole[33:]),
                           ('huge chunk', whole[:33] + struct.pack('>I', 2**31 - 1) + whole[37:])):
            with self.subTest(name):
                self.assert_problem(self.predict(data), 400)
        texts = b''.join(picture.chunk(b'zTXt', b'k\0\0' + zlib.compress(bytes(1000))) for _ in range(1000))
        self.assertIn(self.predict(picture.noise(1, extra=texts)).status, (200, 400))

    def test_row_04_every_kind_of_png_is_read(self):
        for colour, depths in ((picture.GREY, (1, 2, 4, 8, 16)), (picture.RGB, (8, 16)), (picture.RGBA, (8, 16)),
                               (picture.GREY_ALPHA, (8, 16))):
            for depth in depths:
                with self.subTest((colour, depth)):
                    self.assert_prediction(self.predict(picture.noise(1, depth=depth, colour=colour)))
        rows = [[(x * 997 + y * 131) % 65536 for x in range(37)] for y in range(29)]
        plain = picture.png(37, 29, b''.join(b'\0' + struct.pack('>37H', *row) for row in rows), depth=16)
        answers = [self.assert_prediction(self.predict(p)) for p in (plain, interlaced_grey16(37, 29, rows))]
        self.assertEqual(answers[0]['probabilities'], answers[1]['probabilities'])

    def test_row_05_other_formats_are_415_and_a_type_is_no_proof(self):
        self.assert_problem(self.predict(b'GIF89a' + bytes(100)), 415, 'GIF')
        self.assert_problem(self.predict(b'hello'), 415)
        self.assert_prediction(self.predict(picture.noise(1) + bytes(1000)))
        self.assert_prediction(self.predict(picture.noise(1), Content_Type='image/jpeg'))
        self.assert_problem(self.predict(picture.noise(1), Content_Encoding='gzip'), 415)

    def test_row_06_bodies_without_exactly_one_picture(self):
        part = b'--b\r\nContent-Disposition: form-data; name="i"; filename="x"\r\n\r\n%s\r\n'
        film = picture.noise(1)
        for name, body in (('empty', b''), ('no part', b'--b--\r\n'), ('no name', b'--b\r\n\r\nx\r\n--b--\r\n'),
                           ('no file', b'--b\r\nContent-Disposition: form-data; name="i"\r\n\r\nx\r\n--b--\r\n'),
                           ('empty file', part % b'' + b'--b--\r\n'), ('two files', part % film + part % film + b'--b--\r\n'),
                           ('no end', part % film)):
            with self.subTest(name):
                self.assert_problem(self.predict(body, Content_Type='multipart/form-data; boundary=b'), 400)
        self.assert_problem(self.predict(b''), 400)

    # ---- HTTP ----

    def test_row_07_memory_follows_bytes_and_never_a_header(self):
        self.predict(picture.noise(1))
        before = status_of(self.server.pid, 'VmHWM')
        for length in (1 << 30, 2**64 - 1):
            with client.Raw(self.server) as raw:
                raw.send(client.head('POST', '/predict', f'Content-Length: {length}'))
                self.assert_problem(raw.reply('POST', '/predict'), 413)
        half = [client.Raw(self.server) for _ in range(64)]
        for one in half:
            one.send(client.head('POST', '/predict', f'Content-Length: {16 * MIB}') + b'x')
        self.assertEqual(self.get('/healthz').status, 200)
        for one in half:
            one.close()
        chunk = b'%x\r\n' % MIB + bytes(MIB) + b'\r\n'
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', 'Transfer-Encoding: chunked') + chunk * 65 + b'0\r\n\r\n')
            self.assert_problem(raw.reply('POST', '/predict'), 413)
        self.assertLess(status_of(self.server.pid, 'VmHWM') - before, program.SHADOW * 256 << 10)  # 64 MiB in growing steps, not 1 GiB

    def test_row_08_expect_is_refused_without_the_body(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/predict', f'Content-Length: {1 << 30}', 'Expect: 100-continue'))
            self.assert_problem(raw.reply('POST', '/predict'), 413)
            self.assertTrue(raw.at_end())

    def test_row_09_odd_chunks(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/jobs/train', 'Transfer-Encoding: chunked') + b'1\r\nx\r\n' * 300000 + b'0\r\n\r\n')
            self.assert_problem(raw.reply('POST', '/jobs/train'), 413)
        for chunk in (b'1;' + b'x' * 100000 + b'\r\na\r\n', b'zz\r\n'):
            replies = client.talk(self.server, client.head('POST', '/jobs/train', 'Transfer-Encoding: chunked') + chunk)
            self.assertEqual(len(replies), 1)
            self.assert_problem(replies[0], 400, 'chunk')

    def test_row_11_large_heads(self):
        for head, code in ((client.head('GET', '/livez', *[f'X-{i}: y' for i in range(5000)]), 431),
                           (client.head('GET', '/livez', 'X: ' + 'a' * 40000), 431),
                           (client.head('GET', '/' + 'a' * 40000), 414)):
            replies = client.talk(self.server, head)
            self.assertEqual(len(replies), 1)
            self.assert_problem(replies[0], code)

    FRAMING = (
        ('Content-Length: 0', f'Content-Length: {len(SMUGGLED)}'), ('Content-Length: 5', 'Transfer-Encoding: chunked'),
        ('Transfer-Encoding: chunked', 'Content-Length: 5'), ('Transfer-Encoding: gzip, chunked',),
        ('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'), ('Transfer-Encoding : chunked',),
        ('Transfer-Encoding: xchunked',), ('Host: other.example',), ('X: a\x01b',), ('X: a\rTransfer-Encoding: chunked',),
        ('X: a\0b',), ('Bad Name: x',), ('Content-Length: -1',), ('Content-Length: +5',), ('Content-Length: 5, 5',),
        ('Transfer-Encoding: chunked\n\nGET /livez HTTP/1.1\nHost: x\nX-Request-Id: smuggled',),
    )

    def smuggled(self, address_of, lines):
        """The bytes that come back, once the server has had its say."""
        data = client.head('POST', '/predict', *lines) + b'0\r\n\r\n' + SMUGGLED
        with socket.create_connection(address_of.address, timeout=20) as one:
            one.sendall(data)
            one.shutdown(socket.SHUT_WR)
            answer = b''
            try:
                while part := one.recv(65536):
                    answer += part
            except OSError:
                pass
        return answer

    def test_row_13_nothing_is_smuggled(self):
        for lines in self.FRAMING:
            with self.subTest(lines):
                answer = self.smuggled(self.server, lines)
                self.assertNotIn(b'"alive"', answer)
                self.assertTrue(answer[9:12] in (b'400', b'501'), answer[:60])
        self.assertNotIn('smuggled', log_until_now(self.server))

    @unittest.skipUnless(proxy.NGINX, 'nginx is not installed')
    def test_row_13_nor_through_nginx(self):
        front = proxy.Proxy(self.server.address)
        self.addCleanup(front.stop)
        self.assertEqual(client.get(front, '/livez').status, 200)
        for lines in self.FRAMING:
            with self.subTest(lines):
                self.assertNotIn(b'"alive"', self.smuggled(front, lines))
        self.assertNotIn('smuggled', log_until_now(self.server))

    def test_row_14_methods(self):
        reply = client.request(self.server, 'HEAD', '/livez')
        self.assertEqual((reply.status, reply.body), (200, b''))
        reply = client.request(self.server, 'OPTIONS', '/predict')
        self.assertEqual((reply.status, reply.headers['allow']), (204, 'POST, OPTIONS'))
        for method, status in (('TRACE', 405), ('post', 405), ('FOO', 405), ('CONNECT', 400)):
            with client.Raw(self.server) as raw:
                raw.send(client.head(method, '/predict'))
                self.assertEqual(raw.reply(method).status, status)

    PATHS = (('/jobs/..%2f..%2fetc', 404), ('/jobs/..%5c..%5cetc', 404), ('/models/%2e%2e/weights', 404), ('/livez%00', 400),
             ('/p%00q', 400), ('/jobs/' + 'a' * 37, 404), ('/jobs/0000000G', 404), ('/jobs/../livez', 404))

    def test_row_15_paths_are_taken_raw(self):
        for target, status in self.PATHS:
            with self.subTest(target), client.Raw(self.server) as raw:
                raw.send(client.head('GET', target))
                self.assert_problem(raw.reply(), status)

    @unittest.skipUnless(proxy.NGINX, 'nginx is not installed')
    def test_row_15_nor_does_nginx_make_others_of_them(self):
        front = proxy.Proxy(self.server.address)
        self.addCleanup(front.stop)
        for target, _ in self.PATHS[:-1]:  # nginx itself makes /livez of the last, which is its right: it asks for that
            with self.subTest(target), client.Raw(front) as raw:
                raw.send(client.head('GET', target))
                self.assertIn(raw.reply().status, (400, 404))

    # ---- words ----

    def test_row_17_no_address_of_a_job_is_asked(self):
        for url in ('http://169.254.169.254/latest', 'http://localhost:1/', 'file:///etc/passwd', 'http://[::ffff:127.0.0.1]/',
                    'https://127.0.0.1/', 'gopher://x/', 'http://0x7f000001/', 'https://internal.example@127.0.0.1/'):
            with self.subTest(url):
                self.assert_wrong_fields(self.post_json('/jobs/train', {**NOTHING, 'webhook': url}), 'webhook')

    def test_row_18_json_bombs(self):
        for body, status in (('[' * 30000, 400), ('{"a":' * 10000, 400), ('{"dataset":"tiny","dataset":"tiny"}', 400),
                             (b'{"dataset":"\xff"}', 400), ('{"dataset":"tiny"}x', 400), ('{"dataset":"a\\u0000b"}', 400),
                             ('{"x":"' + 'y' * (1 << 20) + '"}', 413)):
            with self.subTest(body[:20]):
                self.assert_problem(self.post_json('/jobs/train', body), status)

    def test_row_19_numbers_that_are_none(self):
        for field, values in (('learning_rate', ('1e300', '-1', '0', '"3"', '1e39')), ('epochs', ('-1', '2147483648', '1.5', '"3"')),
                              ('batch_size', ('0', '-1', '4294967297', '9223372036854775807'))):
            for value in values:
                with self.subTest((field, value)):
                    self.assert_wrong_fields(self.post_json('/jobs/train', f'{{"dataset":"tiny","{field}":{value}}}'), field)
        for value in ('NaN', 'Infinity', '1e999', '9223372036854775808'):
            self.assert_problem(self.post_json('/jobs/train', f'{{"dataset":"tiny","epochs":{value}}}'), 400)

    def test_row_20_fields_that_are_not_known(self):
        self.assert_wrong_fields(self.post_json('/jobs/train', {**NOTHING, 'lr': 1, '__proto__': {}}), '__proto__', 'lr')
        self.assert_wrong_fields(self.post_json('/jobs/train', {**NOTHING, 'recipe': ['standard']}), 'recipe')

    # ---- models ----

    def test_row_26_weights_that_are_wrong(self):
        good = dataset.weights()
        size, = struct.unpack('<Q', good[:8])
        for name, data in (('cut', good[:-1]), ('length', struct.pack('<Q', 2**63) + good[8:]),
                           ('header', good[:8] + b'x' * size + good[8 + size:]),
                           ('not a number', good[:-4] + struct.pack('<f', float('nan'))),
                           ('dims', good.replace(b'[32,3,3,3]', b'[99,3,3,3]', 1)), ('architecture', good.replace(b'cnn4', b'cnn9', 1))):
            with self.subTest(name):
                self.assert_problem(self.post('/models', data, Content_Type='application/octet-stream'), 422)
        self.assert_prediction(self.predict(picture.noise(1)))

    def test_row_27_a_swap_under_load_is_never_seen_half(self):
        film = picture.noise(3)
        cards = [import_model(self.server, dataset.weights(seed)) for seed in (1, 2)]
        expected = {card['id']: dataset.predict_here([film], dataset.weights_path(seed))[0]['probabilities']
                    for card, seed in zip(cards, (1, 2))}
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            replies = [pool.submit(self.predict, film) for _ in range(60)]
            for i in range(10):
                self.assertEqual(self.post(f'/models/{cards[i % 2]["id"]}/activate').status, 200)
        for reply in replies:
            prediction = self.assert_prediction(reply.result())
            self.assertEqual(prediction['probabilities'], expected[prediction['model']['id']])

    # ---- logs ----

    def test_row_33_log_lines_cannot_be_made(self):
        for text in ('a\x1b[31mb', 'a\u2028b', 'x' * 5000, '{"level":"forged"}', '%0d%0aforged'):
            raw = text.encode()
            client.everything(self.server, b'GET /livez HTTP/1.1\r\nHost: x\r\nUser-Agent: ' + raw + b'\r\nConnection: close\r\n\r\n')
            self.post_json('/jobs/train', {'dataset': text})
            self.predict(picture.noise(1), Content_Type='multipart/form-data; boundary=b', X_Request_Id=text[:1])
        self.get('/jobs?state=%0a%7b%22forged%22%7d')
        text = log_until_now(self.server)
        self.assertNotIn('forged', text)
        for line in text.splitlines():
            self.assertLess(len(line), 2000)
            self.assertIsInstance(json.loads(line), dict)

    def test_row_34_nothing_of_a_patient_stays(self):
        canary = 'ROW34-CANARY'
        self.assert_prediction(self.predict(picture.noise(1, extra=picture.text(canary.encode()))))
        self.post(f'/predict?name={canary}', picture.noise(1))
        self.post(f'/predict?{canary}=1', picture.noise(1), User_Agent=canary)
        self.assertNotIn(canary, log_until_now(self.server))
        done = subprocess.run(['grep', '-r', canary, self.server.state], capture_output=True, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, b''))


@unittest.skipUnless(proxy.NGINX, 'nginx is not installed')
class ThroughNginx(ServerCase):
    """The rows of the network once more, with the nginx in front that is shipped: it may refuse in its own words, but
    nothing gets further than without it, and it stays up."""

    with_model = True
    with_data = True

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.front = proxy.Proxy(cls.server.address)
        cls.addClassCleanup(cls.front.stop)

    def setUp(self):
        self.addCleanup(self.still_well)

    def still_well(self):
        self.assertTrue(self.server.alive())
        self.assertEqual(client.get(self.front, '/healthz').status, 200)
        self.assert_prediction(client.post(self.front, '/predict', picture.noise(1), Content_Type='image/png'))

    def status(self, data, method='POST'):
        """Of the first reply to these bytes; None: the connection ended without one."""
        with client.Raw(self.front) as raw:
            raw.send(data)
            reply = raw.reply(method)
            return reply and reply.status

    def test_row_07_lengths_that_are_too_large(self):
        before = status_of(self.server.pid, 'VmHWM')
        for length in (1 << 30, 2**63 - 1, 2**64 - 1, 2**80):
            with self.subTest(length):
                self.assertIn(self.status(client.head('POST', '/predict', f'Content-Length: {length}')), (400, 413))
        chunk = b'%x\r\n' % MIB + bytes(MIB) + b'\r\n'
        self.assertEqual(self.status(client.head('POST', '/predict', 'Transfer-Encoding: chunked') + chunk * 65 + b'0\r\n\r\n'), 413)
        self.assertLess(status_of(self.server.pid, 'VmHWM') - before, program.SHADOW * 256 << 10)

    def test_row_08_expect_and_a_body_that_is_too_large(self):
        self.assertEqual(self.status(client.head('POST', '/predict', f'Content-Length: {1 << 30}', 'Expect: 100-continue')), 413)

    def test_row_09_odd_chunks(self):
        chunked = client.head('POST', '/jobs/train', 'Transfer-Encoding: chunked')
        self.assertEqual(self.status(chunked + b'1\r\nx\r\n' * 300000 + b'0\r\n\r\n'), 413)
        for chunk in (b'zz\r\n', b'-1\r\n', b'0x5\r\nabcde\r\n0\r\n\r\n', b'fffffffffffffffff\r\n'):
            with self.subTest(chunk):
                self.assertIn(self.status(chunked + chunk), (400, 413))

    def test_row_10_slow_heads_are_not_passed_on(self):
        """nginx holds what has no end yet: twenty that never end cost the server not one connection."""
        before = descriptors(self.server.pid)
        with contextlib.ExitStack() as held:
            slow = [held.enter_context(client.Raw(self.front)) for _ in range(20)]
            for raw in slow:
                raw.send(b'POST /predict HTTP/1.1\r\nHost: x\r\nX: ')
            for _ in range(10):
                time.sleep(0.1)
                for raw in slow:
                    raw.send(b'a')
            self.assertLess(descriptors(self.server.pid), before + 10)

    def test_row_11_large_heads(self):
        for head in (client.head('GET', '/livez', *[f'X-{i}: y' for i in range(5000)]),
                     client.head('GET', '/livez', 'X: ' + 'a' * 40000), client.head('GET', '/' + 'a' * 40000)):
            self.assertIn(self.status(head, 'GET'), (400, 414, 431, 494))

    def test_row_14_methods(self):
        self.assertEqual(client.request(self.front, 'HEAD', '/livez').status, 200)
        self.assertEqual(client.request(self.front, 'OPTIONS', '/predict').headers['allow'], 'POST, OPTIONS')
        for method in ('TRACE', 'post', 'FOO', 'CONNECT'):
            with self.subTest(method):
                self.assertIn(self.status(client.head(method, '/predict'), method), (400, 405))

    def test_row_36_other_ways_to_write_a_path(self):
        guarded = program.Server('--keys', keys_file(), '--hosts', '127.0.0.1')
        self.addCleanup(guarded.stop)
        front = proxy.Proxy(guarded.address)
        self.addCleanup(front.stop)
        for target in ('/predict', '//predict', '/PREDICT', '/predict/', '/./predict', '/%70redict', '/livez/../predict', '/predict;x',
                       '/livez%2f..%2fpredict', '/livez?/../predict', '/livez/..;/predict', '/livez%3f/../predict'):
            with self.subTest(target):
                self.assertIn(client.post(front, target, picture.noise(1)).status, (400, 401, 404, 405))


class Slow(ServerCase):
    """Row 10, at two seconds instead of thirty."""

    arguments = ('--request-timeout', '2')
    with_model = True

    def cut_after(self, data, drip=b''):
        """Seconds until the server ends a connection that got `data`, and a byte now and then."""
        begun = time.monotonic()
        with client.Raw(self.server) as raw:
            raw.send(data)
            raw.socket.settimeout(0.3)
            while time.monotonic() - begun < 120:  # four times what any of them is given
                try:
                    if drip:
                        raw.socket.sendall(drip)
                    if raw.socket.recv(1) == b'':
                        return time.monotonic() - begun
                except socket.timeout:
                    pass
                except OSError:
                    return time.monotonic() - begun
        self.fail('it was never cut off')

    def test_row_10_slow_clients_are_cut_off(self):
        film = picture.noise(1)
        cases = (('idle', b'', b''), ('head', b'GET /livez HTTP/1.1\r\nHost: x\r\nX: ', b'a'),
                 ('body', client.head('POST', '/predict', 'Content-Length: 100000'), b'x'),
                 ('chunks', client.head('POST', '/predict', 'Transfer-Encoding: chunked'), b'1\r\nx\r\n'),
                 ('half a picture', client.head('POST', '/predict', f'Content-Length: {len(film)}') + film[:100], b''))
        with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
            took = list(pool.map(lambda c: self.cut_after(*c[1:]), cases))
        for (name, _, _), seconds in zip(cases, took):
            self.assertGreater(seconds, 1, name)

    def test_row_10_so_is_one_that_does_not_read(self):
        with client.Raw(self.server) as raw:
            raw.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            before = self.metric('cxrd_http_connections_cut_total')
            with contextlib.suppress(OSError):  # it may be cut before all are sent
                for _ in range(200):  # replies of 200 kB that nobody takes; from 480 kB on the kernel is earlier than the limit
                    raw.send(client.head('GET', '/ui/chart.min.js'))
            program.poll(lambda: self.metric('cxrd_http_connections_cut_total') > before, 'it is cut')

    def metric(self, name):
        return float(next(line.split()[1] for line in self.get('/metrics').body.decode().splitlines()
                          if line.startswith(name + ' ')))

    def test_row_10_a_keep_alive_that_is_used_stays(self):
        with client.Client(self.server) as one:
            begun = time.monotonic()
            while time.monotonic() - begun < 5:
                self.assertEqual(one.request('GET', '/livez').status, 200)
                time.sleep(0.2)


class Limits(Case):
    """Servers whose descriptors, memory, threads or disk run out."""

    def serve(self, *arguments, **options):
        server = program.Server(*arguments, **options)
        self.addCleanup(server.stop)
        return server

    def test_row_12_without_descriptors_newcomers_wait(self):
        server = self.serve()
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (descriptors(server.pid) + 20, resource.prlimit(
            server.pid, resource.RLIMIT_NOFILE)[1]))
        held = [socket.create_connection(server.address) for _ in range(60)]
        late = client.Raw(server)
        late.send(client.head('GET', '/livez'))
        time.sleep(0.5)

        def cpu():
            with open(f'/proc/{server.pid}/stat', encoding='ascii') as stat:
                return sum(int(x) for x in stat.read().rsplit(')', 1)[1].split()[11:13]) / os.sysconf('SC_CLK_TCK')

        before = cpu()
        time.sleep(2)
        self.assertLess(cpu() - before, 0.5)  # it does not spin
        for one in held:
            one.close()
        self.assertEqual(late.reply().status, 200)
        late.close()

    def test_row_16_tables_outside_and_rows_that_point_there(self):
        datasets, outside = program.new_folder('datasets'), program.new_folder('outside')
        folder = os.path.join(datasets, 'x')
        dataset.write_images(folder, range(6))
        images = os.path.join(folder, 'images_001', 'images')
        with open(os.path.join(outside, 'secret.png'), 'wb') as file:
            file.write(dataset.image(1))
        os.symlink(os.path.join(outside, 'secret.png'), os.path.join(images, '00000090_000.png'))
        os.mkfifo(os.path.join(images, '00000091_000.png'))
        os.symlink('/dev/zero', os.path.join(images, '00000092_000.png'))
        hostile = ('../../../../outside/secret.png', os.path.join(outside, 'secret.png'), '/proc/self/environ', '/dev/zero',
                   '00000090_000.png', '00000091_000.png', '00000092_000.png', 'images/../../../secret.png')
        rows = [dataset.line(i) for i in range(6)]
        rows += [f'{name},Mass,0,{90 + i},40,M,PA,64,64,0.1,0.1,' for i, name in enumerate(hostile)]
        dataset.write_table(folder, rows)
        server = self.serve(datasets=datasets)
        for field in ('csv', 'dataset'):
            for value in ('/etc/passwd', '../x/Data_Entry_2017.csv', 'a/../../x', '/proc/self/environ', '/dev/zero', ''):
                reply = client.post_json(server, '/jobs/train', {'dataset': 'x', 'epochs': 0, field: value})
                self.assert_wrong_fields(reply, field)
        record = wait_state(server, submit(server, {'dataset': 'x', 'epochs': 0}), 'succeeded', 'failed')
        self.assertTrue(record['state'] == 'failed' or record['dataset']['usable'] <= 5, record['dataset'])

    def test_row_21_a_full_disk_interrupts_the_job_and_nothing_else(self):
        server = self.serve('--log-level', 'off', datasets=dataset.tiny())
        import_model(server, dataset.weights())
        job = submit(server, LONG)
        wait_training(server, job)
        most = os.path.getsize(os.path.join(server.state, 'cxrd.db')) + (100 << 10)  # of a file: the database goes on,
        self.assertLess(most, len(dataset.weights()))  # and weights and checkpoints do not fit
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        client.post(server, f'/jobs/{job}/cancel')
        wait_state(server, job, 'cancelled')
        full = submit(server, QUICK)
        self.assertRegex(wait_state(server, full, 'interrupted')['error'], '^storage: ')
        self.assertEqual([name for name in os.listdir(os.path.join(server.state, 'models')) if name.endswith('.part')], [])
        self.assert_prediction(client.post(server, '/predict', picture.noise(1)))
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_state(server, submit(server, QUICK), 'succeeded')
        self.assertEqual(client.post(server, f'/jobs/{full}/resume').status, 202)
        wait_state(server, full, 'succeeded')

    def test_row_21_without_a_record_nothing_is_promised(self):
        """Neither the database nor the audit log can be written: no job is taken, no prediction leaves unrecorded; what is
        only read is answered."""
        audit = os.path.join(program.new_folder('audit'), 'log')
        server = self.serve('--log-level', 'off', '--audit', audit, datasets=dataset.tiny())
        import_model(server, dataset.weights())
        before = client.get(server, '/jobs').json()['jobs']
        with open(audit, 'rb') as file:
            recorded = file.read()
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
        self.assert_problem(client.post_json(server, '/jobs/train', QUICK), 503)
        self.assert_problem(client.post(server, '/predict', picture.noise(1)), 503)
        self.assert_problem(client.post(server, '/models', dataset.weights(), Content_Type='application/octet-stream'), 503)
        self.assertEqual(client.get(server, '/jobs').json()['jobs'], before)
        self.assertEqual(client.get(server, '/livez').status, 200)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        self.assert_prediction(client.post(server, '/predict', picture.noise(1)))
        wait_state(server, submit(server, QUICK), 'succeeded')
        with open(audit, 'rb') as file:
            self.assertEqual(file.read(len(recorded)), recorded)
        self.assertEqual(program.run('audit', audit).returncode, 0)  # the chain holds over what could not be written

    def test_row_29_without_memory_it_refuses_and_goes_on(self):
        """Once it has begun, one allocation in so many fails, wherever it is: a reply is right, or a 503, or there is none."""
        library = os.path.join(os.path.dirname(os.path.realpath(program.BINARY)), 'tests', 'torture', 'libfailing_malloc.so')
        if not os.path.exists(library):  # a sanitizer's build has none: it puts an allocator of its own before ours
            self.skipTest('this build has no library that makes allocations fail')
        for every in ('97', '499'):
            with self.subTest(every):
                self.without_memory({'LD_PRELOAD': library, 'CXRD_FAIL_AT': '40000', 'CXRD_FAIL_EVERY': every})

    def without_memory(self, env):
        server = self.serve(datasets=dataset.tiny(), env=env)
        model, film = import_model(server, dataset.weights())['id'], picture.noise(1)
        expected = self.assert_prediction(client.post(server, '/predict', film))['probabilities']
        requests = ((200, 'POST', '/predict', film), (200, 'POST', '/predict/heatmap?label=Mass', film), (200, 'GET', '/jobs', b''),
                    (200, 'GET', '/metrics', b''), (200, 'POST', f'/models/{model}/activate', b''),
                    (400, 'POST', '/predict', film[:-20]), (201, 'POST', '/models', dataset.weights()),
                    (202, 'POST', '/jobs/train', json.dumps(NOTHING).encode()))
        refused, seen = 0, len(client.SEEN)
        for _ in range(300):
            for status, method, target, body in requests:
                kind = 'application/json' if target == '/jobs/train' else 'application/octet-stream'
                try:
                    reply = client.request(server, method, target, body, Content_Type=kind)
                except (OSError, http.client.HTTPException):
                    refused += 1  # the connection ended: allowed
                    continue
                if b'syntactically incorrect' in reply.body:  # the library's own word where it lacks memory: see docs/internals/http.md
                    refused += 1
                    continue
                self.assertIn(reply.status, (status, 503) if target != '/jobs/train' else (status, 429, 503), (target, reply))
                refused += reply.status == 503
                kind = reply.headers['content-type']
                self.assertEqual('problem' in kind, reply.status >= 400, (target, reply, kind))
                if status == 200 and target == '/predict' and reply.status == 200:
                    self.assertEqual(reply.json()['probabilities'], expected)
            self.assertTrue(server.alive())
            if refused >= 40:
                break
        del client.SEEN[seen:]  # without memory the status line must do: not what openapi.yaml promises otherwise
        self.assertGreaterEqual(refused, 40, 'there was memory for nearly everything')
        server.stop()
        again = self.serve(state=server.state, datasets=dataset.tiny())
        self.assertEqual(self.assert_prediction(client.post(again, '/predict', film))['probabilities'], expected)

    def test_row_30_without_threads_it_does_not_start(self):
        if program.SANITIZED:
            self.skipTest('a sanitizer needs the address space')
        done = subprocess.run(['prlimit', f'--as={1 << 30}', program.BINARY, 'serve', '--listen', '127.0.0.1:0', '--threads', '256',
                               '--state', program.new_folder()], env=program.environment(OPENBLAS_NUM_THREADS='1'),
                              capture_output=True, text=True, timeout=program.END_SECONDS, check=False)
        self.assertEqual((done.returncode, done.stdout), (1, ''), done)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_row_31_jobs_are_bounded_and_a_key_makes_one(self):
        server = self.serve('--job-queue', '2', datasets=dataset.tiny())
        running = submit(server, LONG)
        wait_training(server, running)
        once = [client.post_json(server, '/jobs/train', NOTHING, Idempotency_Key='k') for _ in range(2)]
        self.assertEqual([r.status for r in once], [202, 202])
        self.assertEqual(once[0].json()['id'], once[1].json()['id'])
        submit(server, NOTHING)
        self.assert_problem(client.post_json(server, '/jobs/train', NOTHING), 429)
        client.post(server, f'/jobs/{running}/cancel')
        wait_state(server, once[0].json()['id'], 'succeeded')

    def test_row_32_overload_is_told_at_once(self):
        server = self.serve('--queue', '1', threads=1)
        import_model(server, dataset.weights())
        slow = picture.flat(5000, 5000)
        request = client.head('POST', '/predict', f'Content-Length: {len(slow)}') + slow
        enough, took, computed = threading.Event(), [], []

        def keep_busy():
            with client.Raw(server) as one:
                while not enough.is_set():
                    begun = time.monotonic()
                    one.send(request)
                    if one.reply('POST', '/predict').status == 200:
                        computed.append(time.monotonic() - begun)
                    else:
                        time.sleep(0.01)  # the place in the queue is taken, by another of these or by the one below

        busy = [threading.Thread(target=keep_busy) for _ in range(4)]
        for one in busy:
            one.start()
        try:
            with client.Raw(server) as last:
                for _ in range(50):  # one that finds a place waits for its answer, as it should
                    begun = time.monotonic()
                    last.send(request)
                    reply = last.reply('POST', '/predict')
                    if reply.status == 503:
                        took.append(time.monotonic() - begun)
                        self.assert_problem(reply, 503, 'busy')
                        if len(took) == 5:
                            break
        finally:
            enough.set()
            for one in busy:
                one.join()
        self.assertEqual(len(took), 5, 'it was never full')
        self.assertLess(min(took), min(computed), 'a refusal waits for no prediction')

    def test_row_32_nobody_computes_for_clients_that_have_gone(self):
        server = self.serve('--queue', '64', threads=1)
        import_model(server, dataset.weights())
        slow = picture.flat(5000, 5000)
        head = client.head('POST', '/predict', f'Content-Length: {len(slow)}')
        ones = [client.Raw(server) for _ in range(40)]
        for one in ones:
            one.send(head + slow)
        program.poll(lambda: b'cxrd_inference_queue_depth 0\n' not in client.get(server, '/metrics').body, 'they wait')
        for one in ones:
            one.close()
        self.assertEqual(client.post(server, '/predict', picture.noise(1)).status, 200)
        program.poll(lambda: any(x['status'] == 499 for x in server.log() if x.get('route') == '/predict'), 'it is told')


class Ends(Case):
    """Signals, crashes, clocks."""

    def serve(self, *arguments, **options):
        server = program.Server(*arguments, **options)
        self.addCleanup(server.stop)
        return server

    @unittest.skipUnless(shutil.which('strace'), 'strace is not installed')
    def test_row_22_a_sync_that_fails_is_not_tried_again(self):
        state, out = program.new_folder('state'), os.path.join(program.new_folder('trained'), 'out')
        trace = os.path.join(state, 'trace')
        done = subprocess.run(['strace', '-f', '-qq', '-y', '-o', trace, '-e', 'trace=fsync,rename', '-e', 'inject=fsync:error=EIO',
                               program.BINARY, 'train', '--datasets', dataset.tiny(), '--dataset', 'tiny', '--out', out, '--set',
                               'epochs=1', '--set', 'steps_per_epoch=1', '--set', 'image_size=64', '--set', 'batch_size=8'],
                              env=program.environment(ASAN_OPTIONS='detect_leaks=0'),  # which does not work under strace
                              capture_output=True, text=True, timeout=300, check=False)
        with open(trace, encoding='utf-8', errors='replace') as file:
            lines = file.read().splitlines()
        if done.returncode != 0 and not any('fsync' in line for line in lines):
            self.skipTest(f'strace cannot trace here: {done.stderr[-200:]}')
        self.assertEqual(done.returncode, 1, done)
        synced = [line.split('fsync(')[1].split('>')[0] for line in lines if 'fsync(' in line and 'weights' in line]
        self.assertEqual(len(synced), len(set(synced)), lines)
        self.assertFalse(os.path.exists(os.path.join(out, 'weights.safetensors')))

    def test_row_23_kill_9_loses_nothing_that_was_acknowledged(self):
        state, accepted = program.new_folder('state'), []
        for _ in range(3):
            server = program.Server(state=state, datasets=dataset.tiny())
            accepted.append(submit(server, LONG))
            wait_training(server, accepted[-1]) if len(accepted) == 1 else None
            accepted.append(submit(server, NOTHING))
            server.kill()
        server = self.serve(state=state, datasets=dataset.tiny())
        states = {job: job_of(server, job)['state'] for job in accepted}
        self.assertEqual(states[accepted[0]], 'interrupted')
        for job in accepted:
            client.post(server, f'/jobs/{job}/cancel')

    @unittest.skipUnless(shutil.which('strace'), 'strace is not installed')
    def test_row_24_what_is_renamed_was_synced_before(self):
        out = os.path.join(program.new_folder('trained'), 'out')
        trace = os.path.join(program.new_folder(), 'trace')
        done = subprocess.run(['strace', '-f', '-qq', '-y', '-o', trace, '-e', 'trace=fsync,rename', program.BINARY, 'train', '--datasets',
                               dataset.tiny(), '--dataset', 'tiny', '--out', out, '--set', 'epochs=1', '--set', 'steps_per_epoch=1',
                               '--set', 'image_size=64', '--set', 'batch_size=8'],
                              env=program.environment(ASAN_OPTIONS='detect_leaks=0'),  # which does not work under strace
                              capture_output=True, text=True, timeout=300, check=False)
        with open(trace, encoding='utf-8', errors='replace') as file:
            lines = file.read().splitlines()
        if done.returncode != 0 and not lines:
            self.skipTest(f'strace cannot trace here: {done.stderr[-200:]}')
        self.assertEqual(done.returncode, 0, done)
        renamed = [(i, line.split('rename("')[1].split('"')[0]) for i, line in enumerate(lines) if 'rename("' in line]
        self.assertTrue([path for _, path in renamed if 'weights' in path])
        for i, path in renamed:
            synced = [n for n, line in enumerate(lines) if 'fsync(' in line and os.path.basename(path) in line]
            self.assertTrue(synced and synced[0] < i, (path, lines))
            self.assertTrue(any('fsync(' in line for line in lines[i:]), 'the folder is synced after it')

    def test_row_25_sigterm_answers_everyone(self):
        server = self.serve('--queue', '128', datasets=dataset.tiny())
        import_model(server, dataset.weights())
        job = submit(server, LONG)
        wait_training(server, job)
        film = picture.noise(1, 500, 500)
        head = client.head('POST', '/predict', f'Content-Length: {len(film)}')
        ones = [client.Raw(server) for _ in range(100)]
        for one in ones:
            self.addCleanup(one.close)
            one.send(head + film)
        server.terminate()
        server.terminate()
        statuses = [one.reply('POST', '/predict') for one in ones]
        self.assertEqual(server.wait(), 0, server.log_text()[-2000:])
        self.assertEqual({reply.status if reply else None for reply in statuses} - {200, 503}, set())
        self.assertEqual([x['state'] for x in server.log() if x['message'] == 'job ended'], ['interrupted'])

    def test_row_28_the_wall_clock_decides_nothing(self):
        if program.SANITIZED:
            self.skipTest('a sanitizer must be the first library')
        library = next((path for path in ('/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1',
                                          '/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1') if os.path.exists(path)), None)
        if not library:
            self.skipTest('faketime is not installed')
        clock = os.path.join(program.new_folder(), 'clock')
        with open(clock, 'w', encoding='ascii') as file:
            file.write('+0')
        server = self.serve(datasets=dataset.tiny(), env={
            'LD_PRELOAD': library, 'FAKETIME_TIMESTAMP_FILE': clock, 'FAKETIME_NO_CACHE': '1', 'FAKETIME_DONT_FAKE_MONOTONIC': '1'})
        import_model(server, dataset.weights())
        with client.Client(server) as one:
            for jump in ('-86400', '+315360000', '+0', '-3600'):
                with open(clock, 'w', encoding='ascii') as file:
                    file.write(jump)
                self.assertEqual(one.request('POST', '/predict', picture.noise(1)).status, 200)
        wait_state(server, submit(server, QUICK), 'succeeded')


class Strangers(Case):

    @classmethod
    def setUpClass(cls):
        cls.server = program.Server('--keys', keys_file(), datasets=dataset.tiny())
        cls.addClassCleanup(cls.server.stop)
        cls.open = program.Server(datasets=dataset.tiny())
        cls.addClassCleanup(cls.open.stop)

    def test_row_35_keys_are_not_guessed(self):
        for key in ('', 'x', ADMIN[:-1], ADMIN + 'x', PREDICT.upper()):
            self.assert_problem(client.post_json(self.server, '/jobs/train', NOTHING, **bearer(key)), 401)
        digest = hashlib.sha256(ADMIN.encode()).hexdigest()
        for authorization in (f'Bearer {digest}', f'Basic {ADMIN}', ADMIN, f'Bearer{ADMIN}', f'Bearer {ADMIN} {ADMIN}', f'Bearer {ADMIN},'):
            with self.subTest(authorization):
                self.assert_problem(client.post_json(self.server, '/jobs/train', NOTHING, Authorization=authorization), 401)
        self.assert_problem(client.post_json(self.server, f'/jobs/train?key={ADMIN}&access_token={ADMIN}', NOTHING), 401)
        self.assert_problem(client.post_json(self.server, '/jobs/train', NOTHING, **bearer(PREDICT)), 403)
        self.assertEqual(client.get(self.server, '/jobs', **bearer(PREDICT)).json()['jobs'], [])
        text = log_until_now(self.server)
        for secret in (ADMIN, PREDICT, digest):
            self.assertNotIn(secret, text)

    def test_row_35_no_key_is_no_way_in(self):
        for address in ('0.0.0.0:0', '[::]:0', '192.0.2.1:80'):
            done = program.run('serve', '--listen', address, '--state', program.new_folder())
            self.assertEqual(done.returncode, 1)
            self.assertIn('--keys', done.stderr)

    def test_row_36_other_ways_to_write_a_path_lead_nowhere(self):
        for target in ('//predict', '/PREDICT', '/predict/', '/./predict', '/%70redict', '/livez/../predict', '/predict;x', '/predict%20',
                       '/jobs//train', '/livez%2f..%2fpredict', '/livez?/../predict'):
            with self.subTest(target):
                self.assertIn(client.post(self.server, target, picture.noise(1)).status, (401, 404, 405))
                self.assertIn(client.post(self.server, target, picture.noise(1), **bearer(PREDICT)).status, (404, 405))

    def test_row_37_a_page_in_the_operators_browser_gets_nowhere(self):
        page = {'Origin': 'https://evil.example', 'Content_Type': 'text/plain'}
        for target, body in (('/jobs/train', json.dumps(NOTHING)), ('/models', dataset.weights()), ('/predict', picture.noise(1))):
            self.assert_problem(client.post(self.open, target, body, **page), 403)
            self.assert_problem(client.post(self.open, target, body, Host='evil.example'), 403)
        self.assert_problem(client.post(self.open, '/jobs/train', json.dumps(NOTHING), Content_Type='text/plain'), 415)
        self.assertEqual(client.get(self.open, '/jobs').json()['jobs'], [])

    def reachable(self, *arguments):
        """A server without keys that other machines can reach, as README's container is one."""
        server = program.Server('--listen', '0.0.0.0:0', *arguments, env={'CXRD_INSECURE': '1'})
        self.addCleanup(server.stop)
        server.address = ('127.0.0.1', server.address[1])
        return server

    def test_row_37_a_name_that_was_pointed_here_gets_nowhere_on_any_address(self):
        server = self.reachable()
        names = ('evil.example', 'evil.example:8080', '192.0.2.1.evil.example', '192.0.2', '192.0.2.256', '192.0.2.1x', 'cxrd')
        odd = ('[2001:db8::1', '[evil]', '[]', '[', '[192.0.2.1]', '[::2]evil', '2001:db8::1', ':80', '[' + '1:' * 100 + ']')
        for host in names + odd:
            with self.subTest(host):
                status, says = (403, '--hosts') if host in names else (400, 'Host')
                page = {'Host': host, 'Origin': f'http://{host}', 'Content_Type': 'application/octet-stream'}
                self.assert_problem(client.post(server, '/models', dataset.weights(), **page), status, says)
                self.assert_problem(client.get(server, '/jobs', Host=host), status, says)
        self.assertEqual(client.get(server, '/models').json()['models'], [])
        for host in ('127.0.0.1:8080', 'localhost:8080', '[::1]', '192.0.2.1', '192.0.2.1:8080', '[2001:db8::1]:8080'):
            with self.subTest(host):
                self.assertEqual(client.get(server, '/jobs', Host=host, Origin=f'http://{host}').status, 200)
        for public in ('/livez', '/metrics'):
            self.assertEqual(client.get(server, public, Host='cxrd').status, 200)

    def test_row_37_names_that_are_given_are_the_only_ones(self):
        server = self.reachable('--hosts', 'cxrd')
        self.assertEqual(client.get(server, '/jobs', Host='cxrd:8080').status, 200)
        for host in ('evil.example', '192.0.2.1'):
            self.assert_problem(client.get(server, '/jobs', Host=host), 403, '--hosts')


if __name__ == '__main__':
    unittest.main()
