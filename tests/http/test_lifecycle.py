"""Start, stop, restart, and what survives: SIGTERM, kill -9, two servers on one state."""
import os
import signal
import socket
import stat
import subprocess
import sys
import time
import unittest

from support import client, dataset, picture, program
from support.case import (LONG, NOTHING, QUICK, Case, import_model, job_of, submit, wait_state, wait_training)


class Lifecycle(Case):

    def serve(self, *arguments, **options):
        server = program.Server(*arguments, **options)
        self.addCleanup(server.stop)
        return server

    def wait_over(self, server):
        """It ends by itself after a signal, with status 0."""
        self.assertEqual(server.wait(), 0, server.log_text()[-2000:])


class Start(Lifecycle):

    def test_one_line_says_where_it_listens(self):
        server = self.serve()
        self.assertRegex(server.first_line, r'^listening on http://127\.0\.0\.1:[1-9][0-9]*\n$')
        self.assertEqual(client.get(server, '/livez').status, 200)
        server.terminate()
        self.wait_over(server)
        self.assertEqual(server.process.stdout.read(), '')

    def test_every_server_on_port_0_has_a_port_of_its_own(self):
        self.assertNotEqual(self.serve().address, self.serve().address)

    def test_it_listens_on_ipv6_as_well(self):
        try:
            with socket.socket(socket.AF_INET6) as probe:
                probe.bind(('::1', 0))
        except OSError:
            self.skipTest('this machine has no ::1')
        server = self.serve('--listen', '[::1]:0')
        self.assertRegex(server.first_line, r'^listening on http://\[::1\]:[1-9][0-9]*\n$')
        self.assertEqual(program.run('health', server.url).returncode, 0)

    def test_the_state_folder_is_made_and_private(self):
        state = os.path.join(program.new_folder(), 'deep', 'state')
        os.mkdir(os.path.dirname(state))
        server = self.serve(state=state)
        import_model(server, dataset.weights())
        self.assertEqual(stat.S_IMODE(os.stat(state).st_mode), 0o700)
        for folder, folders, names in os.walk(state):
            for name in folders + names:
                try:
                    mode = stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode)
                except FileNotFoundError:  # the store's journal comes and goes
                    continue
                self.assertEqual(mode & 0o077, 0, (name, oct(mode)))

    def refused(self, *arguments, status=1, **options):
        done = program.run('serve', *arguments, **options)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, '')
        lines = done.stderr.strip().split('\n')
        self.assertEqual(len(lines), 1 if status == 1 else 2, lines)  # a sentence, and where to find help
        self.assertTrue(lines[0].startswith('cxrd serve: '), lines)
        return lines[0]

    def test_a_second_server_on_the_same_state_is_refused(self):
        first = self.serve()
        said = self.refused('--listen', '127.0.0.1:0', '--state', first.state)
        self.assertIn('another server', said)
        self.assertIn(first.state, said)
        self.assertEqual(client.get(first, '/livez').status, 200)

    def test_addresses_that_others_can_reach_need_insecure(self):
        state = program.new_folder('state')
        for address in ('0.0.0.0:0', '[::]:0', '192.0.2.1:80'):
            with self.subTest(address):
                self.assertIn('--insecure', self.refused('--listen', address, '--state', state))
        self.assertEqual(os.listdir(state), [])

    def test_insecure_in_the_environment_is_heard(self):
        said = self.refused('--listen', '192.0.2.1:0', '--state', program.new_folder(), env={'CXRD_INSECURE': 'on'})
        self.assertIn('cannot listen', said)  # a documentation address: nobody's
        said = self.refused('--listen', '192.0.2.1:0', '--state', program.new_folder(), env={'CXRD_INSECURE': 'no'})
        self.assertIn('--insecure', said)

    def test_a_port_in_use_is_refused(self):
        first = self.serve()
        said = self.refused('--listen', '%s:%d' % first.address, '--state', program.new_folder())
        self.assertIn('cannot listen', said)

    def test_addresses_that_are_none_are_refused(self):
        for address in ('', 'localhost', ':80', '127.0.0.1:', '127.0.0.1:x', '127.0.0.1:99999', '::1:80',
                        'http://127.0.0.1:80'):
            with self.subTest(address):
                self.refused('--listen', address, '--state', program.new_folder(), status=2)

    def test_a_folder_of_data_sets_that_is_not_there_is_told(self):
        server = self.serve(datasets=os.path.join(program.new_folder('datasets'), 'mistyped'))
        program.poll(lambda: any('--datasets' in line['message'] and 'No such file' in line['detail']
                                 for line in server.log() if line['level'] == 'warn'), 'it is told')

    def test_a_damaged_database_is_refused(self):
        state = program.new_folder('state')
        with open(os.path.join(state, 'cxrd.db'), 'wb') as file:
            file.write(b'SQLite format 3\0' + b'x' * 5000)
        self.assertIn('database', self.refused('--listen', '127.0.0.1:0', '--state', state))

    def test_options_that_are_wrong_are_a_usage_error(self):
        state = program.new_folder('state')
        for arguments in (['--threads', '0'], ['--threads', 'x'], ['--queue', '-1'], ['--max-upload', '1T'], ['--prot', '1'],
                          ['--job-queue'], ['stray']):
            with self.subTest(arguments):
                self.refused('--state', state, *arguments, status=2)


class Stop(Lifecycle):

    def test_sigterm_and_sigint_end_it_well(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve()
            server.terminate(number)
            self.wait_over(server)

    def test_sigterm_right_after_the_line_ends_it_well(self):
        for _ in range(10):
            server = self.serve()
            server.terminate()
            self.wait_over(server)

    def test_a_second_signal_changes_nothing(self):
        server = self.serve()
        import_model(server, dataset.weights())
        film = picture.noise(1)
        with client.Raw(server) as half:
            half.send(client.head('POST', '/predict', f'Content-Length: {len(film)}', 'Expect: 100-continue'))
            self.assertEqual(half.reply().status, 100)
            for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
                server.terminate(number)
                program.poll(lambda: [x for x in server.log() if x['message'] == 'stopping'], 'it stops')
            half.send(film)
            self.assert_prediction(half.reply('POST', '/predict'))
        self.wait_over(server)

    @unittest.skipIf(program.PATIENCE > 1, 'under valgrind one thread runs at a time')
    def test_a_busy_machine_does_not_hold_it_up(self):
        """A training has the least priority there is. Nobody waits for it: not for what it holds while others have the
        cores, nor for the end of its batch."""
        server = self.serve(datasets=dataset.tiny())
        models = [import_model(server, dataset.weights(seed))['id'] for seed in (1, 2)]
        job = submit(server, {**LONG, 'batch_size': 64, 'steps_per_epoch': 1})
        wait_training(server, job)
        self.make_busy()
        for turn in range(8):
            self.assertEqual(client.post(server, f'/models/{models[turn % 2]}/activate').status, 200)
            self.assertEqual(job_of(server, job)['state'], 'running')
            self.assert_prediction(client.post(server, '/predict', picture.noise(1), Content_Type='image/png'))
        server.terminate()
        self.wait_over(server)
        again = self.serve(state=server.state, datasets=dataset.tiny())
        self.assertEqual(job_of(again, job)['state'], 'interrupted')

    def make_busy(self):
        """Until the test ends, every core has more to do than it can."""
        for _ in range(5 * os.cpu_count()):
            hog = subprocess.Popen([sys.executable, '-c', 'while True: pass'], preexec_fn=program.die_with_us)
            self.addCleanup(hog.wait)
            self.addCleanup(hog.kill)

    def test_an_idle_connection_does_not_hold_it_up(self):
        server = self.serve('--drain', '600')  # longer than anybody waits here
        with client.Client(server) as idle:
            idle.request('GET', '/livez')
            server.terminate()
            self.wait_over(server)

    def test_requests_in_flight_are_all_answered(self):
        server = self.serve()
        import_model(server, dataset.weights())
        slow = picture.flat(3000, 3000)
        expected = dataset.predict_here([slow], dataset.weights_path())[0]['probabilities']
        head = client.head('POST', '/predict', f'Content-Length: {len(slow)}')
        ones = [client.Raw(server) for _ in range(40)]
        for one in ones:
            self.addCleanup(one.close)
            one.send(client.head('GET', '/livez'))  # so that it has been accepted
            self.assertEqual(one.reply().status, 200)
        for one in ones:
            one.send(head + slow)
        self.assertEqual(ones[0].reply('POST', '/predict').status, 200)
        server.terminate()
        replies = [one.reply('POST', '/predict') for one in ones[1:]]
        self.wait_over(server)
        for reply in replies:
            if reply.status == 200:
                self.assertEqual(self.assert_prediction(reply)['probabilities'], expected)
            else:
                self.assert_problem(reply, 503)
        self.assertGreater(sum(reply.status == 200 for reply in replies), 0)

    def test_a_body_that_is_still_coming_is_waited_for(self):
        server = self.serve()
        import_model(server, dataset.weights())
        film = picture.noise(1)
        with client.Raw(server) as half, client.Raw(server) as late, client.Raw(server) as ready, client.Raw(server) as live:
            for one in (half, late, ready, live):
                one.send(client.head('GET', '/readyz'))
                self.assertEqual(one.reply('GET', '/readyz').status, 200)
            half.send(client.head('POST', '/predict', f'Content-Length: {len(film)}', 'Expect: 100-continue'))
            self.assertEqual(half.reply().status, 100)  # its head has been read
            server.terminate()
            program.poll(lambda: [x for x in server.log() if x['message'] == 'stopping'], 'it stops')
            # what is new is sent away, with the truth about readiness
            late.send(client.head('POST', '/predict', f'Content-Length: {len(film)}') + film)
            self.assert_problem(late.reply('POST', '/predict'), 503, 'shutting down')
            ready.send(client.head('GET', '/readyz'))
            self.assert_problem(ready.reply('GET', '/readyz'), 503, 'shutting down')
            live.send(client.head('GET', '/livez'))
            self.assertEqual(live.reply('GET', '/livez').status, 200)
            half.send(film)
            reply = half.reply('POST', '/predict')
            self.assert_prediction(reply)
            self.assertEqual(reply.headers['connection'].lower(), 'close')
        self.wait_over(server)

    def test_every_request_that_comes_while_it_stops_is_told_so(self):
        """Each operation once, on connections from before."""
        server = self.serve()
        operations = (('POST', '/jobs/train'), ('POST', '/datasets'), ('GET', '/jobs'),
                      ('GET', '/jobs/00000000-0000'),
                      ('GET', '/jobs/00000000-0000/events'), ('GET', '/jobs/00000000-0000/scores'),
                      ('GET', '/jobs/00000000-0000/report'),
                      ('POST', '/jobs/00000000-0000/cancel'), ('POST', '/jobs/00000000-0000/resume'),
                      ('DELETE', '/jobs/00000000-0000'), ('GET', '/models'), ('POST', '/models'),
                      ('GET', '/models/00000000-0000'), ('GET', '/models/00000000-0000/weights'), ('GET', '/models/00000000-0000/onnx'),
                      ('GET', '/metrics'),
                      ('POST', '/models/00000000-0000/activate'), ('POST', '/models/rollback'),
                      ('PATCH', '/jobs/00000000-0000'), ('PATCH', '/models/00000000-0000'), ('GET', '/datasets'),
                      ('DELETE', '/models/00000000-0000'), ('POST', '/predict'), ('POST', '/predict/preview'),
                      ('GET', '/dicom-web/studies/1.2.3'), ('POST', '/jobs/predict'), ('POST', '/jobs/validate'), ('GET', '/drift'),
                      ('POST', '/patients/forget'), ('GET', '/patients/forgotten'), ('POST', '/predictions/00000000-0000/feedback'),
                      ('GET', '/feedback'), ('GET', '/feedback/summary'),
                      *((method, f'/models/00000000-0000/{what}') for method in ('GET', 'PUT', 'DELETE') for what in ('shadow', 'canary')),
                      ('POST', '/models/00000000-0000/signature'), ('POST', '/models/00000000-0000/profiles/rollback'),
                      ('GET', '/models/00000000-0000/profiles'), ('POST', '/models/00000000-0000/profiles'),
                      ('GET', '/profiles/00000000-0000'), ('GET', '/profiles/00000000-0000/kept'), ('DELETE', '/profiles/00000000-0000'),
                      ('POST', '/profiles/00000000-0000/activate'), ('POST', '/profiles/00000000-0000/deactivate'))
        ones = [client.Raw(server) for _ in operations]
        for one in ones:
            self.addCleanup(one.close)
            one.send(client.head('GET', '/livez'))
            self.assertEqual(one.reply().status, 200)
        with client.Raw(server) as half:
            half.send(client.head('POST', '/predict', 'Content-Length: 1', 'Expect: 100-continue'))
            self.assertEqual(half.reply().status, 100)
            server.terminate()
            program.poll(lambda: [x for x in server.log() if x['message'] == 'stopping'], 'it stops')
            for one, (method, target) in zip(ones, operations):
                one.send(client.head(method, target))
                self.assert_problem(one.reply(method, target), 503, 'shutting down')
            half.send(b'x')
            self.assertEqual(half.reply('POST', '/predict').status, 503)  # there is no model
        self.wait_over(server)

    def test_a_client_that_never_ends_its_body_holds_it_up_only_so_long(self):
        server = self.serve()
        with client.Raw(server) as half:
            half.send(client.head('POST', '/predict', 'Content-Length: 100', 'Expect: 100-continue'))
            self.assertEqual(half.reply().status, 100)
            server.terminate()
            self.wait_over(server)

    def test_a_training_is_interrupted(self):
        server = self.serve(datasets=dataset.tiny())
        job = submit(server, LONG)
        wait_training(server, job)
        server.terminate()
        self.wait_over(server)
        states = [line['state'] for line in server.log() if line['message'] == 'job ended']
        self.assertEqual(states, ['interrupted'])


class Restart(Lifecycle):

    def restart(self, end, phase):
        """A server with models and jobs in every state, ended by `end`; returns the next one. `phase`: of the job that ran."""
        server = self.serve(datasets=dataset.tiny())
        active = import_model(server, dataset.weights(1))
        import_model(server, dataset.weights(2), activate=False)
        done = submit(server, QUICK)
        done_record = wait_state(server, done, 'succeeded')
        scores = client.get(server, f'/jobs/{done}/scores').body
        running = submit(server, LONG)
        wait_training(server, running)
        dropped = submit(server, QUICK)
        client.post(server, f'/jobs/{dropped}/cancel')
        once = client.post_json(server, '/jobs/train', NOTHING, Idempotency_Key='once').json()['id']
        queued = submit(server, QUICK)
        models = client.get(server, '/models').json()
        film = picture.noise(1)
        before = client.post(server, '/predict', film).json()
        end(server)

        server = self.serve(state=server.state, datasets=dataset.tiny())
        self.assertEqual(client.get(server, '/readyz').json()['model'], active['id'])  # at once
        after = client.post(server, '/predict', film).json()
        self.assertEqual((after['model'], after['probabilities']), (before['model'], before['probabilities']))
        interrupted = job_of(server, running)
        self.assertEqual((interrupted['state'], interrupted['model'], interrupted['phase']), ('interrupted', None, phase))
        self.assertIsNotNone(interrupted['finished_at'])
        self.assertEqual(interrupted['dataset']['rows'], dataset.ROWS)  # what it had found out
        self.assertEqual(job_of(server, done), done_record)
        self.assertEqual(client.get(server, f'/jobs/{done}/scores').body, scores)
        self.assertEqual(job_of(server, dropped)['state'], 'cancelled')
        again = client.post_json(server, '/jobs/train', NOTHING, Idempotency_Key='once')
        self.assertEqual(again.json()['id'], once)
        wait_state(server, once, 'succeeded')
        record = wait_state(server, queued, 'succeeded')  # it starts by itself
        now = client.get(server, '/models').json()
        self.assertEqual(now['active'], active['id'])
        self.assertEqual([m['id'] for m in now['models']], [record['model']] + [m['id'] for m in models['models']])
        self.assertEqual(job_of(server, running)['state'], 'interrupted')  # and is never resumed by itself
        for model in now['models']:
            weights = client.get(server, f'/models/{model["id"]}/weights')
            self.assertEqual((weights.status, len(weights.body)), (200, model['bytes']))
        reply = client.post(server, f'/jobs/{running}/cancel')  # nobody wants it any more
        self.assertEqual((reply.status, reply.json()['state']), (202, 'cancelled'))
        return server

    def test_everything_is_there_after_sigterm(self):
        def end(server):
            server.terminate()
            self.wait_over(server)

        self.restart(end, 'training')

    def test_everything_is_there_after_kill_9(self):
        self.restart(lambda server: server.kill(), None)  # no epoch was over: nothing is known of it

    def test_every_accepted_job_is_there_after_kill_9_at_any_moment(self):
        state, accepted = program.new_folder('state'), []
        for moment in (0, 0.005, 0.02, 0.05, 0.1):
            server = self.serve(state=state, datasets=dataset.tiny())
            for job in accepted:
                self.assertIn(job_of(server, job)['state'], ('queued', 'running', 'succeeded', 'interrupted'))
            begun = time.monotonic()
            while time.monotonic() - begun < moment or not accepted:
                reply = client.post_json(server, '/jobs/train', NOTHING)
                if reply.status == 202:
                    accepted.append(reply.json()['id'])
            server.kill()
        server = self.serve(state=state, datasets=dataset.tiny())
        for job in accepted:
            wait_state(server, job, 'succeeded', 'interrupted')

    def test_a_half_written_file_is_no_model(self):
        server = self.serve()
        import_model(server, dataset.weights())
        server.kill()
        models = os.path.join(server.state, 'models')
        for name in ('11111111-1111-4111-8111-111111111111.safetensors', 'x.safetensors.tmp', 'junk'):
            with open(os.path.join(models, name), 'wb') as file:
                file.write(dataset.weights()[:1000])
        server = self.serve(state=server.state)
        self.assertEqual(len(client.get(server, '/models').json()['models']), 1)
        self.assert_problem(client.get(server, '/models/11111111-1111-4111-8111-111111111111'), 404)
        self.assert_problem(client.get(server, '/models/11111111-1111-4111-8111-111111111111/weights'), 404)
        self.assert_problem(client.post(server, '/models/11111111-1111-4111-8111-111111111111/activate'), 404)


class Log(Lifecycle):

    def test_every_request_is_a_json_line_with_its_outcome(self):
        server = self.serve()
        client.get(server, '/livez', X_Request_Id='one')
        client.post(server, '/predict', b'x', X_Request_Id='two')
        client.get(server, '/nothing?secret=1', X_Request_Id='three')
        server.stop()
        lines = {x['request_id']: x for x in server.log() if x['message'] == 'request'}
        self.assertEqual([(lines[i]['method'], lines[i]['route'], lines[i]['status']) for i in ('one', 'two', 'three')],
                         [('GET', '/livez', 200), ('POST', '/predict', 503), ('GET', '', 404)])
        for line in lines.values():
            self.assertGreaterEqual(line['ms'], 0)
            self.assertRegex(line['time'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$')

    def test_strangers_cannot_write_lines_of_their_own(self):
        server = self.serve()
        for method in ('G\x1b[31mET', 'A"B', "{'x':1}", 'GÄT', '\xe2\x80\xa8GET'):
            client.everything(server, client.head(method, '/livez', 'Connection: close'))
        client.get(server, '/jobs?state=%0a%7b%22level%22%3a%22forged%22%7d%0a')
        server.stop()  # which reads the log
        text = server.log_text()
        self.assertTrue(text.isascii())
        self.assertNotIn('forged', text)
        self.assertNotRegex(text, r'[\x00-\x09\x0b-\x1f\x7f]')

    def test_log_level_off_is_silence(self):
        server = self.serve('--log-level', 'off')
        client.get(server, '/livez')
        server.stop()
        self.assertEqual(server.log_text(), '')

    def test_log_level_debug_is_json_as_well(self):
        server = self.serve('--log-level', 'debug')
        client.everything(server, b'GET /livez HTTP/1.1\r\nContent-Length: \x1b[1m\r\n\r\n')
        client.everything(server, client.head('GET', '/' + 'a' * 40000))
        server.stop()


if __name__ == '__main__':
    unittest.main()
