"""What the server may hold at a time, descriptors, memory and connections, and that nobody can take it all."""
import gzip
import os
import select
import socket
import time

from support import client, dataset, picture, program
from support.case import LONG, Case, import_model, job_of, submit, wait_training


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


PAGES = ('/', '/docs', '/openapi.yaml', '/ui/markdown-it.js')


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
        self.assertLess(grown, 300 * size / 4)

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
