"""The most that the server holds at a time, descriptors, memory and connections, and that nobody can take it all."""
import gzip
import http.client
import json
import os
import resource
import socket
import subprocess

from support import client, dataset, picture, program
from support.case import LONG, QUICK, Case, import_model, job_of, submit, wait_training
from test_keys import ADMIN, PREDICT, bearer, keys_file
from test_notices import secret_file

PAGES = ('/', '/docs', '/openapi.yaml', '/ui/markdown-it.js')


def value_of(server, name):
    """A number of GET /metrics."""
    for line in client.get(server, '/metrics').body.decode().splitlines():
        if line.startswith(name + ' '):
            return float(line.split()[1])
    raise AssertionError(f'{name} is not there')


def resident(pid):
    with open(f'/proc/{pid}/statm', encoding='ascii') as statm:
        return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def close_all(sockets):
    for one in sockets:
        one.close()


def ask(server, target, source, method='GET', body=None, **headers):
    """The status and the body that a client at another address of this machine gets; fails where nothing comes for long."""
    connection = http.client.HTTPConnection(*server.address, timeout=client.SECONDS, source_address=(source, 0))
    try:
        connection.request(method, target, body=body, headers={n.replace('_', '-'): v for n, v in headers.items()})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def crowd_of(server, n, data):
    """So many connections that say something, or nothing, and then read nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < n + 1000:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(n + 1000, hard), hard))
    crowd = []
    for _ in range(n):
        one = socket.create_connection(server.address, timeout=client.SECONDS)
        one.setblocking(False)
        crowd.append(one)
        try:
            one.send(data)
        except OSError:
            pass  # told to go already
    return crowd


class Descriptors(Case):

    def test_row_39_no_number_of_readers_takes_a_descriptor_from_a_job(self):
        owner = '127.0.0.2'
        for limit in (92, 128, 1024):  # the first leaves few for connections: 86 are spoken for
            with self.subTest(limit):
                audit = os.path.join(program.new_folder('audit'), 'audit')
                server = program.Server('--keys', keys_file(), '--audit', audit, '--webhook-hosts', 'example.org',
                                        '--webhook-secret', secret_file(), '--log-level', 'off', datasets=dataset.tiny(),
                                        descriptors=limit)
                self.addCleanup(server.stop)
                status, card = ask(server, '/models', owner, 'POST', dataset.weights(), **bearer(ADMIN),
                                   Content_Type='application/octet-stream')
                self.assertEqual(status, 201)
                status, job = ask(server, '/jobs/train', owner, 'POST', json.dumps(QUICK | {'epochs': 3}), **bearer(ADMIN),
                                  Content_Type='application/json')
                self.assertEqual(status, 202)
                asked = client.head('GET', f'/models/{json.loads(card)["id"]}/weights', f'Authorization: Bearer {PREDICT}')
                crowd = crowd_of(server, limit + 100, asked * 4)

                def ended():
                    status, record = ask(server, f'/jobs/{json.loads(job)["id"]}', owner, **bearer(ADMIN))
                    record = json.loads(record) if status == 200 else {'state': 'queued'}  # 503: those readers fill the queue
                    return record if record['state'] not in ('queued', 'running') else None

                record = program.poll(ended, 'the job ends')
                self.assertEqual(record['state'], 'succeeded', record.get('error'))
                close_all(crowd)

    def test_too_few_are_refused_with_both_numbers(self):
        process = subprocess.run([program.BINARY, 'serve', '--listen', '127.0.0.1:0', '--state', program.new_folder('state'),
                                  '--threads', '2'], env=program.environment(), capture_output=True, text=True, check=False,
                                 timeout=program.END_SECONDS, preexec_fn=lambda: program.begin_child(24))
        self.assertNotEqual(process.returncode, 0)
        self.assertEqual(process.stdout, '')
        self.assertRegex(process.stderr, r'only 24 files may be open at a time, and [1-9]\d are needed')


class Places(Case):

    def test_row_49_probes_are_answered_whoever_holds_connections(self):
        server = program.Server('--log-level', 'off', descriptors=1024)
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        for name, data in (('idle', b''), ('slow heads', b'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: '),
                           ('unread', client.head('GET', '/ui/markdown-it.js') * 60),
                           ('slow bodies', client.head('POST', '/predict', 'Content-Length: 100000'))):
            with self.subTest(name):
                crowd = crowd_of(server, 1500, data)
                for source in ('127.0.0.1', '127.0.0.2'):
                    answers = [ask(server, probe, source)[0] for probe in ('/livez', '/readyz', '/healthz') * 4]
                    self.assertEqual(answers, [200] * 12)
                self.assertEqual(ask(server, '/jobs', '127.0.0.2')[0], 200)
                close_all(crowd)

    def test_one_address_holds_no_more_than_it_may(self):
        server = program.Server('--log-level', 'off', '--source-connections', '10')
        self.addCleanup(server.stop)
        body = client.head('POST', '/predict', 'Content-Length: 1000') + b'x'
        crowd = crowd_of(server, 15, body)

        def full():
            if ask(server, '/jobs', '127.0.0.1')[0] == 503:
                return True
            crowd.extend(crowd_of(server, 1, body))  # the question took the place of one whose head was not read yet
            return False

        program.poll(full, 'all places are taken')
        for target in ('/jobs', '/version') + PAGES:
            self.assert_problem(client.get(server, target), 503, 'from this address')
        self.assertEqual(client.get(server, '/livez').status, 200)
        self.assertEqual(ask(server, '/jobs', '127.0.0.2')[0], 200)
        close_all(crowd)
        program.poll(lambda: client.get(server, '/jobs').status == 200, 'there is room again')

    def test_readers_of_events_leave_half_of_what_can_be_at_work(self):
        server = program.Server('--log-level', 'off', datasets=dataset.tiny(), descriptors=80)
        self.addCleanup(server.stop)
        job = submit(server, LONG)
        wait_training(server, job)
        readers, statuses = [], []
        for i in range(30):
            reader = http.client.HTTPConnection(*server.address, timeout=client.SECONDS, source_address=(f'127.0.0.{2 + i % 2}', 0))
            self.addCleanup(reader.close)
            reader.request('GET', f'/jobs/{job}/events')
            statuses.append(reader.getresponse().status)
            readers.append(reader)
        self.assertEqual(set(statuses), {200, 503})
        self.assertEqual(ask(server, '/jobs', '127.0.0.4')[0], 200)
        self.assertEqual(ask(server, '/jobs', '127.0.0.2')[0], 200)
        close_all(readers)
        client.post(server, f'/jobs/{job}/cancel')

    def test_row_64_how_long_a_connection_may_idle_is_an_option(self):
        short, usual = program.Server('--keep-alive', '1'), program.Server()
        self.addCleanup(short.stop)
        self.addCleanup(usual.stop)
        with client.Raw(short) as one, client.Raw(short) as fresh, client.Raw(usual) as other:
            for raw in (one, other):
                raw.send(client.head('GET', '/livez'))
                self.assertEqual(raw.reply().status, 200)
            self.assertTrue(one.at_end())
            for raw in (fresh, other):  # one has its 15 s for a head, and the other's option is longer
                raw.send(client.head('GET', '/livez'))
                self.assertEqual(raw.reply().status, 200)


class Ends(Case):

    def test_row_41_sigterm_does_not_work_off_a_queue_when_its_time_is_over(self):
        server = program.Server('--drain', '0', '--queue', '64', datasets=dataset.tiny(), threads=1)
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        job = submit(server, LONG)
        wait_training(server, job)
        film = picture.flat(5792, 5792, depth=8)
        ones = [client.Raw(server) for _ in range(33)]
        for one in ones:
            one.send(client.head('POST', '/predict', f'Content-Length: {len(film)}') + film)
        program.poll(lambda: value_of(server, 'cxrd_inference_queue_depth') >= 24, 'predictions wait')
        waiting = int(value_of(server, 'cxrd_inference_queue_depth'))
        server.terminate()
        replies = [one.reply('POST', '/predict') for one in ones]
        declined = [reply for reply in replies if reply and reply.status == 503]
        self.assertGreaterEqual(len(declined), waiting - 2)  # of those that waited, a few may have had their turn
        for reply in declined:
            self.assert_problem(reply, 503, 'shutting down')
            self.assertEqual(reply.headers['connection'].lower(), 'close')
        self.assertNotIn(None, [reply for reply in replies[:waiting]])
        self.assertEqual(server.wait(), 0)
        close_all(ones)
        after = program.Server(state=server.state, datasets=dataset.tiny())
        self.addCleanup(after.stop)
        self.assertEqual(job_of(after, job)['state'], 'interrupted')
        self.assertEqual(client.post(after, f'/jobs/{job}/resume').status, 202)
        client.post(after, f'/jobs/{job}/cancel')


class Metrics(Case):

    def test_row_46_who_asks_for_metrics_all_the_time_keeps_no_admin_away(self):
        server = program.Server('--log-level', 'off')
        self.addCleanup(server.stop)
        import_model(server, dataset.weights())
        crowd = [client.Raw(server) for _ in range(200)]
        for one in crowd:
            one.send(client.head('GET', '/metrics') * 40)
        statuses = [client.get(server, target).status for target in ('/jobs', '/models', '/jobs/0123456789ab-0123') * 20]
        self.assertEqual(sorted(set(statuses)), [200, 404])
        for one in crowd[::20]:
            self.assertEqual({one.reply().status for _ in range(40)}, {200})
        close_all(crowd)


class Embedded(Case):
    """Files of the program, sent from where they are."""

    @classmethod
    def setUpClass(cls):
        cls.server = program.Server('--log-level', 'off')
        cls.addClassCleanup(cls.server.stop)

    def test_row_43_a_public_file_costs_no_copy_a_connection(self):
        size = len(client.get(self.server, '/ui/markdown-it.js').body)
        before = resident(self.server.pid)
        crowd = [client.Raw(self.server) for _ in range(300)]
        for one in crowd:
            one.send(client.head('GET', '/ui/markdown-it.js') * 60)  # more than the kernel takes for us: they wait
        self.assertEqual(client.get(self.server, '/livez').status, 200)
        grown = resident(self.server.pid) - before
        close_all(crowd)
        self.assertLess(grown, program.SHADOW * 300 * size / 4)

    def test_what_is_known_is_not_sent_again(self):
        for target in PAGES:
            with self.subTest(target):
                plain = client.get(self.server, target)
                packed = client.get(self.server, target, Accept_Encoding='br, gzip;q=0.8')
                self.assertEqual(packed.headers['content-encoding'], 'gzip')
                self.assertEqual(gzip.decompress(packed.body), plain.body)
                self.assertNotIn('content-encoding', plain.headers)
                self.assertNotEqual(plain.headers['etag'], packed.headers['etag'])
                for reply, accept in ((plain, 'identity'), (packed, 'gzip')):
                    self.assertIn(('vary', 'Accept-Encoding'), reply.header_list)
                    for known in (reply.headers['etag'], f'"x", W/{reply.headers["etag"]}', '*'):
                        again = client.get(self.server, target, If_None_Match=known, Accept_Encoding=accept)
                        self.assertEqual((again.status, again.body, again.headers['etag']), (304, b'', reply.headers['etag']))
                        self.assertNotIn('content-type', again.headers)
                    self.assertEqual(client.get(self.server, target, If_None_Match='"x"', Accept_Encoding=accept).status, 200)
                head = client.request(self.server, 'HEAD', target)
                self.assertEqual((head.status, head.headers['etag']), (200, plain.headers['etag']))

    def test_gzip_is_sent_to_those_only_who_take_it(self):
        for accept, packed in (('gzip', True), ('GZIP', True), ('deflate,gzip', True), ('*', True), ('gzip;q=0.001', True),
                               ('identity, *;q=0.1', True), ('gzip;q=0', False), ('gzip; q=0.0, *', False), ('*;q=0', False),
                               ('', False), ('br', False), ('x-gzipped', False), ('identity', False), (',,', False)):
            with self.subTest(accept):
                reply = client.get(self.server, '/', Accept_Encoding=accept)
                self.assertEqual(reply.headers.get('content-encoding') == 'gzip', packed)
