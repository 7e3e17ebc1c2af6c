"""GET /jobs/<id>/events: what is told, in which order, to whom, and what a client that was cut off finds."""
import hashlib
import os
import signal
import socket
import threading
import time
import unittest

from support import client, dataset, program, proxy
from support.case import (LONG, NOTHING, QUICK, Case, ServerCase, job_of, log_until_now, submit, wait_state,
                          wait_training)
from support.events import Stream, milestones, parse
from test_keys import ADMIN, PREDICT, bearer, keys_file

EPOCHS = {**QUICK, 'epochs': 3, 'steps_per_epoch': 4, 'patience': 0}
STORY = [('state', 'queued'), ('state', 'running'), ('phase', 'scanning'), ('phase', 'splitting'), ('phase', 'caching'),
         ('phase', 'training'), ('epoch', 1), ('epoch', 2), ('epoch', 3), ('phase', 'evaluating'), ('phase', 'saving'),
         ('state', 'succeeded')]


def sha256(key):
    return hashlib.sha256(key.encode()).hexdigest()


def story(events):
    return [(event.name, event.data[event.name]) for event in milestones(events)]


def busy_ticks(pid):
    """How long each thread of a process has used a processor."""
    ticks = {}
    for thread in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{thread}/stat', encoding='ascii') as file:
            fields = file.read().rsplit(')', 1)[1].split()
        ticks[thread] = int(fields[11]) + int(fields[12])
    return ticks


class Events(ServerCase):

    with_data = True

    def stream(self, job, last=None):
        stream = Stream(self.server.address, job, last)
        self.addCleanup(stream.close)
        return stream

    def test_a_whole_job_is_told_as_it_goes_on(self):
        job = submit(self.server, EPOCHS)
        stream = self.stream(job)
        self.assertEqual((stream.status, stream.headers['content-type'], stream.headers['cache-control'],
                          stream.headers['x-accel-buffering']), (200, 'text/event-stream', 'no-cache', 'no'))
        events = stream.rest()
        self.assertEqual(story(events), STORY)
        ids = [event.id for event in events]
        self.assertEqual(ids, sorted(set(ids)))
        record = job_of(self.server, job)
        self.assertEqual(record['state'], 'succeeded')  # it was committed before it was told
        self.assertEqual([e.data for e in events if e.name == 'epoch'], record['epochs'])
        for event in events:
            if event.name in ('state', 'phase'):
                self.assertRegex(event.data['at'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$')

    def test_steps_come_a_few_times_a_second_and_agree_with_the_record(self):
        job = submit(self.server, LONG)
        stream = self.stream(job)
        steps, begun = [], None
        for event in stream.read():
            if event.name == 'step':
                begun = begun or time.monotonic()
                steps.append(event)
                if len(steps) == 6:
                    break
        self.assertGreater(time.monotonic() - begun, 1)  # five pauses of a quarter of a second
        for step in steps:
            self.assertEqual(set(step.data), {'epoch', 'step', 'steps', 'loss', 'images_per_s', 'progress', 'eta_s'})
            self.assertTrue(0 < step.data['loss'] < 10)
        self.assertEqual([s.data['step'] for s in steps], sorted({s.data['step'] for s in steps}))
        current = job_of(self.server, job)['current']
        self.assertGreaterEqual(current['step'], steps[-1].data['step'])
        self.assertEqual(current['steps'], steps[-1].data['steps'])
        client.post(self.server, f'/jobs/{job}/cancel')
        self.assertEqual(stream.rest()[-1].data['state'], 'cancelled')

    def test_every_place_to_resume_from_gives_what_came_after_it(self):
        job = submit(self.server, EPOCHS)
        told = self.stream(job).rest()
        whole = milestones(told)
        again = self.stream(job).rest()  # it has ended: the story without its steps
        self.assertEqual(again, whole)
        for event in told[:-1]:
            self.assertEqual(self.stream(job, event.id).rest(), [e for e in whole if e.id > event.id])
        self.assertEqual(self.stream(job, 0).rest(), whole)
        for last in (told[-1].id, told[-1].id + 5, 2**62):
            reply = self.get(f'/jobs/{job}/events', Last_Event_ID=str(last))
            self.assertEqual((reply.status, reply.body), (204, b''))

    def test_a_reader_that_is_cut_off_misses_nothing_but_steps(self):
        job = submit(self.server, {**EPOCHS, 'epochs': 15})
        seen, last, cuts = [], None, 0
        while not seen or seen[-1].data.get('state') != 'succeeded':
            with Stream(self.server.address, job, last) as stream:
                for event in stream.read():
                    seen.append(event)
                    last = event.id
                    if len(stream.events) == 3:
                        cuts += 1
                        break
        self.assertGreater(cuts, 5)
        self.assertEqual(milestones(seen), self.stream(job).rest())

    def test_a_queued_job_waits_and_tells_its_cancellation(self):
        first = submit(self.server, LONG)
        second = submit(self.server, QUICK)
        stream = self.stream(second)
        self.assertEqual(stream.until(lambda e: True).data['state'], 'queued')
        client.post(self.server, f'/jobs/{second}/cancel')
        self.assertEqual(story(stream.rest()), [('state', 'queued'), ('state', 'cancelled')])
        client.post(self.server, f'/jobs/{first}/cancel')
        wait_state(self.server, first, 'cancelled')

    def test_a_job_that_fails_says_so(self):
        job = submit(self.server, {'images': 'nothing'})
        self.assertEqual(story(self.stream(job).rest()),
                         [('state', 'queued'), ('state', 'running'), ('phase', 'scanning'), ('state', 'failed')])

    def test_a_job_that_is_not_there_is_404(self):
        self.assert_problem(self.get('/jobs/00000000-0000/events'), 404, 'no job')

    def test_a_last_event_id_that_is_none_is_400(self):
        job = submit(self.server, NOTHING)
        for last in ('x', '-1', '1.5', '1x', '+1', ' 5x', '9' * 30):
            with self.subTest(last):
                self.assert_problem(self.get(f'/jobs/{job}/events', Last_Event_ID=last), 400, 'Last-Event-ID')
        wait_state(self.server, job, 'succeeded')

    def test_head_has_the_headers_and_no_stream(self):
        job = submit(self.server, NOTHING)
        wait_state(self.server, job, 'succeeded')
        reply = client.request(self.server, 'HEAD', f'/jobs/{job}/events')
        self.assertEqual((reply.status, reply.headers['content-type'], reply.body), (200, 'text/event-stream', b''))

    def test_http_1_0_gets_the_stream_up_to_the_end_of_the_connection(self):
        job = submit(self.server, NOTHING)
        with client.Raw(self.server) as raw:
            raw.send(f'GET /jobs/{job}/events HTTP/1.0\r\n\r\n'.encode())
            reply = raw.reply('GET', f'/jobs/{job}/events')
        self.assertNotIn('transfer-encoding', reply.headers)
        self.assertEqual(story(parse(reply.body.decode())[0])[-1], ('state', 'succeeded'))


class Readers(Case):
    """Many readers, slow ones and silent ones."""

    def serve(self, *arguments, **kwargs):
        server = program.Server(*arguments, datasets=dataset.tiny(), **kwargs)
        self.addCleanup(server.stop)
        return server

    def test_there_is_a_cap(self):
        server = self.serve('--event-readers', '3')
        job = submit(server, LONG)
        streams = [Stream(server.address, job) for _ in range(3)]
        for stream in streams:
            self.addCleanup(stream.close)
            stream.until(lambda e: e.name == 'step')
        self.assert_problem(client.get(server, f'/jobs/{job}/events'), 503, 'as many readers')
        streams[0].close()

        def room():
            with Stream(server.address, job) as one:
                return one.status == 200

        program.poll(room, 'a place is free')

    def test_silence_is_broken_by_comments_and_costs_nothing(self):
        server = self.serve('--event-ping', '1')
        running = submit(server, LONG)
        waiting = submit(server, QUICK)
        wait_training(server, running)
        with Stream(server.address, waiting) as stream:
            stream.until(lambda e: True)
            lines = stream.lines()
            begun = time.monotonic()
            for _ in range(3):
                self.assertEqual((next(lines), next(lines)), (': ping\n', '\n'))
            self.assertGreater(time.monotonic() - begun, 2)
            client.post(server, f'/jobs/{running}/cancel')
            self.assertEqual(stream.rest()[-1].data['state'], 'succeeded')

    def test_readers_that_wait_do_not_spin(self):
        server = self.serve(threads=1)
        running = submit(server, LONG)
        waiting = submit(server, QUICK)
        wait_training(server, running)
        streams = [Stream(server.address, waiting) for _ in range(20)]
        for stream in streams:
            self.addCleanup(stream.close)
            stream.until(lambda e: True)
        before = busy_ticks(server.pid)
        time.sleep(2)
        used = {thread: ticks - before.get(thread, 0) for thread, ticks in busy_ticks(server.pid).items()}
        spinning = [thread for thread, ticks in used.items() if ticks > 0.3 * 2 * os.sysconf('SC_CLK_TCK')]
        self.assertLessEqual(len(spinning), 1, used)  # the one that trains

    def test_a_reader_that_never_reads_holds_nobody_up(self):
        server = self.serve()
        job = submit(server, {**EPOCHS, 'epochs': 40, 'steps_per_epoch': 1, 'validation_steps': 1})
        deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.connect(server.address)
        deaf.sendall(client.head('GET', f'/jobs/{job}/events'))
        with Stream(server.address, job) as stream:
            events = stream.rest()
        self.assertEqual(story(events)[-1], ('state', 'succeeded'))
        self.assertEqual(sum(e.name == 'epoch' for e in events), 40)

    def test_many_readers_all_hear_the_same(self):
        server = self.serve()
        job = submit(server, EPOCHS)
        heard = []

        def listen():
            with Stream(server.address, job) as stream:
                heard.append(milestones(stream.rest()))

        threads = [threading.Thread(target=listen) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(heard), 20)
        self.assertTrue(all(one == heard[0] for one in heard))
        self.assertEqual(story(heard[0]), STORY)

    def test_readers_are_let_go_at_sigterm_and_find_the_rest_after_a_restart(self):
        server = self.serve()
        job = submit(server, LONG)
        streams = [Stream(server.address, job) for _ in range(10)]
        for stream in streams:
            self.addCleanup(stream.close)
            stream.until(lambda e: e.name == 'step')
        server.terminate()
        seen = [stream.rest() for stream in streams]  # an end, not a broken connection
        self.assertEqual(server.wait(), 0)
        self.again(server.state, job, seen[0])

    def test_ids_go_on_after_kill_9(self):
        server = self.serve()
        job = submit(server, LONG)
        with Stream(server.address, job) as stream:
            stream.until(lambda e: e.name == 'step')
            server.kill()
            seen = list(stream.events)
        self.again(server.state, job, seen)

    def again(self, state, job, seen):
        server = self.serve(state=state)
        with Stream(server.address, job, seen[-1].id) as stream:
            rest = stream.rest()
        self.assertEqual(story(rest), [('state', 'interrupted')])
        self.assertGreater(rest[0].id, seen[-1].id)
        with Stream(server.address, job) as stream:
            self.assertEqual(stream.rest(), milestones(seen) + rest)


@unittest.skipUnless(proxy.NGINX, 'nginx is not installed')
class ThroughNginx(ServerCase):
    """The shipped configuration, and nginx as it is by default: HTTP/1.0 to us, and answers collected in buffers, which
    X-Accel-Buffering tells it not to do with these."""

    with_data = True

    def nginx(self):
        default = ('location /default/ { proxy_pass http://cxrd/; proxy_http_version 1.0; proxy_buffering on; '
                   'proxy_buffers 8 8k; }')
        one = proxy.Proxy(self.server.address, extra=default)
        self.addCleanup(one.stop)
        return one

    def watch(self, prefix):
        """Steps come while they happen: one after another, and the job is further each time."""
        one = self.nginx()
        job = submit(self.server, LONG)
        with Stream(one.address, job, prefix=prefix) as stream:
            self.assertEqual(stream.headers['content-type'], 'text/event-stream')
            first = stream.until(lambda e: e.name == 'step')
            begun = time.monotonic()
            for _ in range(4):
                step = stream.until(lambda e: e.name == 'step')
                self.assertGreaterEqual(job_of(self.server, job)['current']['step'], step.data['step'])
            self.assertGreater(time.monotonic() - begun, 0.7)  # four pauses, not one lump
            self.assertGreater(step.data['step'], first.data['step'])
            client.post(self.server, f'/jobs/{job}/cancel')
            self.assertEqual(stream.rest()[-1].data['state'], 'cancelled')

    def test_steps_come_as_they_happen(self):
        self.watch('')

    def test_steps_come_as_they_happen_through_a_default_nginx(self):
        self.watch('/default')

    def test_a_reader_resumes_after_a_cut_without_loss(self):
        """nginx is ended in the middle of the stream, twice."""
        job = submit(self.server, {**EPOCHS, 'epochs': 12})
        seen, last = [], None
        for stop in (2, 5, None):
            one = self.nginx()
            with Stream(one.address, job, last) as stream:
                for event in stream.read():
                    seen.append(event)
                    last = event.id
                    if stop and event.name == 'epoch' and event.data['epoch'] >= stop:
                        break
                if stop:
                    one.stop()
        with Stream(self.server.address, job) as stream:
            self.assertEqual(milestones(seen), stream.rest())
        self.assertEqual(story(seen)[-1], ('state', 'succeeded'))


class RevokedKeys(Case):

    def test_row_53_streams_of_a_key_that_is_gone_end(self):
        path = keys_file()
        with open(path, encoding='ascii') as file:
            lines = file.read().splitlines()
        server = program.Server('--keys', path, datasets=dataset.tiny())
        self.addCleanup(server.stop)
        job = submit(server, LONG, **bearer(ADMIN))
        gone, stays, idle = (Stream(server.address, job, **bearer(key)) for key in (PREDICT, ADMIN, PREDICT))
        for stream in (gone, stays, idle):
            self.addCleanup(stream.close)
            self.assertEqual(stream.status, 200)
        gone.until(lambda event: event.name == 'step')
        with open(path, 'w', encoding='ascii') as file:  # the same name, another key
            file.write(''.join(line.replace(sha256(PREDICT), sha256('another')) + '\n' for line in lines))
        server.terminate(signal.SIGHUP)
        gone.rest()
        idle.rest()
        self.assert_problem(client.get(server, f'/jobs/{job}/events', **bearer(PREDICT)), 401)
        stays.until(lambda event: event.name == 'step')
        last = stays.events[-1].id
        stays.until(lambda event: event.name in ('step', 'epoch') and event.id > last)
        log_until_now(server)
        self.assertEqual([line['message'] for line in server.log()].count('event stream ended, its key is gone'), 2)
        self.assertEqual(client.post(server, f'/jobs/{job}/cancel', **bearer(ADMIN)).status // 100, 2)


if __name__ == '__main__':
    unittest.main()
