"""What the server may hold at a time, descriptors, memory and connections, and that nobody can take it all."""
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
