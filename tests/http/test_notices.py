"""Notices: what leaves when a job ends and when a model becomes active, and what never leaves."""
import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
import shutil
import sqlite3
import subprocess
import threading
import time
import unittest

import test_datasets
from support import client, dataset, lone_network, outside, program
from support.case import NOTHING, QUICK, Case, ServerCase, submit, wait_state

SECRET = b'0123456789abcdefghijklmnop'
TEXT_SECRET = 'whsec_' + base64.b64encode(SECRET).decode()


def secret_file(text=TEXT_SECRET):
    path = os.path.join(program.new_folder('secret'), 'secret')
    with open(path, 'w', encoding='ascii') as file:
        file.write(text + '\n')
    return path


def signature(secret, headers, body):
    signed = f'{headers["webhook-id"]}.{headers["webhook-timestamp"]}.'.encode() + body
    return 'v1,' + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()


class NoticesCase(Case):

    def receiver(self, statuses=(), tls=True):
        """A server that takes what it is told; before that it answers each of `statuses` once."""
        left = list(statuses)

        def answer(handler):
            outside.say(handler, left.pop(0) if left else 204)

        there = outside.Outside(answer, tls)
        self.addCleanup(there.stop)
        return there

    def trap(self):
        there = outside.Trap()
        self.addCleanup(there.stop)
        return there

    def serve(self, *arguments, secret=TEXT_SECRET, state=None, stop=True, env=None, datasets=None):
        server = program.Server('--webhook-secret', secret_file(secret), '--webhook-retry', '1', '--outgoing-ca',
                                outside.certificate()[0], *arguments, state=state, datasets=datasets or dataset.tiny(), env=env)
        if stop:
            self.addCleanup(server.stop)
        return server

    def serve_for(self, receiver, *arguments, **more):
        host = f'127.0.0.1:{receiver.port}'
        return self.serve('--webhook-hosts', host, '--outgoing-private', host, *arguments, **more)

    def assert_signed(self, request, secret=SECRET):
        """A notice as Standard Webhooks has it; returns its body."""
        method, _, headers, body = request
        self.assertEqual(method, 'POST')
        self.assertEqual(headers['content-type'], 'application/json')
        self.assertLess(abs(int(headers['webhook-timestamp']) - time.time()), 600)
        self.assertIn(signature(secret, headers, body), headers['webhook-signature'].split(' '))
        notice = json.loads(body)
        self.assertEqual(set(notice), {'type', 'timestamp', 'data'})
        return notice

    def refused(self, server, why):
        """Wait until the server says that it did not speak to somebody, and why."""
        def there():
            return [line for line in server.log() if line['message'].startswith('notice ') and why in line['detail']]
        return program.poll(there, f'"{why}" in the log')


class Notices(NoticesCase):

    def test_the_end_of_a_job_is_told_and_signed(self):
        receiver = self.receiver()
        server = self.serve_for(receiver)
        job = submit(server, {**NOTHING, 'webhook': f'{receiver.url}/hook?token=1'})
        program.poll(lambda: receiver.requests, 'a notice')
        self.assertEqual(receiver.requests[0][1], '/hook?token=1')
        notice = self.assert_signed(receiver.requests[0])
        self.assertEqual((notice['type'], notice['data']), ('job.succeeded', {'id': job, 'state': 'succeeded'}))
        record = client.get(server, f'/jobs/{job}').json()
        self.assertEqual(notice['timestamp'], record['finished_at'])
        self.assertEqual(record['config']['webhook'], f'{receiver.url}/\u2026')
        self.assertNotIn(b'token', client.get(server, f'/jobs/{job}/report').body)

    def test_a_failed_and_a_cancelled_job_are_told(self):
        receiver = self.receiver()
        server = self.serve_for(receiver)
        hook = {'webhook': receiver.url + '/'}
        running = submit(server, {**QUICK, **hook, 'epochs': 1000, 'steps_per_epoch': 1000000})
        submit(server, {'dataset': 'tiny', 'images': 'nothing', **hook})
        wait_state(server, running, 'running')
        client.post(server, f'/jobs/{running}/cancel')
        program.poll(lambda: len(receiver.requests) == 2, 'two notices')
        self.assertEqual([self.assert_signed(r)['type'] for r in receiver.requests], ['job.cancelled', 'job.failed'])

    def test_an_activation_is_told_to_the_jobs_webhook_and_to_the_operator(self):
        own, operator = self.receiver(), self.receiver()
        hosts = f'127.0.0.1:{own.port}'
        server = self.serve('--webhook-hosts', hosts, '--outgoing-private', f'{hosts},127.0.0.1:{operator.port}', '--webhook',
                            f'{operator.url}/all', secret=f'{TEXT_SECRET}\nwhsec_{base64.b64encode(b"x" * 24).decode()}')
        job = submit(server, {**QUICK, 'webhook': f'{own.url}/own'})
        record = wait_state(server, job, 'succeeded')
        for receiver in (own, operator):
            program.poll(lambda there=receiver: len(there.requests) == 2, 'two notices')
            told = [self.assert_signed(request, secret) for request in receiver.requests for secret in (SECRET, b'x' * 24)][::2]
            self.assertEqual([notice['type'] for notice in told], ['model.activated', 'job.succeeded'])
            self.assertEqual(told[0]['data'], {'id': record['model'], 'job': job})
        client.post(server, f'/models/{record["model"]}/activate')  # which it is already
        quiet = submit(server, NOTHING)
        program.poll(lambda: len(operator.requests) == 3, 'the next job')
        self.assertEqual(self.assert_signed(operator.requests[2])['data']['id'], quiet)
        self.assertEqual(len(own.requests), 2)

    def test_a_receiver_on_loopback_may_be_plain_http_when_it_is_spelt_out(self):
        receiver = self.receiver(tls=False)
        server = self.serve('--webhook-hosts', receiver.url)
        submit(server, {**NOTHING, 'webhook': f'{receiver.url}/hook'})
        program.poll(lambda: receiver.requests, 'a notice')
        self.assert_signed(receiver.requests[0])
        self.assert_wrong_fields(client.post_json(server, '/jobs/train', {**NOTHING, 'webhook': f'https://127.0.0.1:{receiver.port}/'}),
                                 'webhook')

    def test_a_notice_that_is_not_taken_is_sent_again_across_restarts(self):
        receiver = self.receiver(statuses=[500, 429, 503])
        server = self.serve_for(receiver, stop=False)
        job = submit(server, {**NOTHING, 'webhook': f'{receiver.url}/'})
        program.poll(lambda: receiver.requests, 'the first try')
        server.stop()
        server = self.serve_for(receiver, state=server.state, stop=False)
        program.poll(lambda: len(receiver.requests) >= 2, 'the second try')
        server.kill()
        server = self.serve_for(receiver, state=server.state)
        program.poll(lambda: len(receiver.requests) >= 4, 'the try that is taken')
        program.poll(lambda: 'notice delivered' in server.log_text(), 'it is done')
        notices = [self.assert_signed(request) for request in receiver.requests]
        self.assertEqual({notice['data']['id'] for notice in notices}, {job})
        self.assertEqual(len({request[2]['webhook-id'] for request in receiver.requests}), 1)

    def test_a_job_that_a_dead_server_ran_is_told_by_the_next(self):
        receiver = self.receiver()
        server = self.serve_for(receiver, stop=False)
        job = submit(server, {**QUICK, 'webhook': f'{receiver.url}/', 'epochs': 1000, 'steps_per_epoch': 1000000})
        wait_state(server, job, 'running')
        server.kill()
        self.serve_for(receiver, state=server.state)
        program.poll(lambda: receiver.requests, 'a notice')
        self.assertEqual(self.assert_signed(receiver.requests[0])['type'], 'job.interrupted')

    def test_a_receiver_that_is_gone_is_told_no_more(self):
        receiver = self.receiver(statuses=[410])
        server = self.serve_for(receiver)
        submit(server, {**NOTHING, 'webhook': f'{receiver.url}/'})
        self.refused(server, '410')
        submit(server, {**NOTHING, 'webhook': f'{receiver.url}/'})
        program.poll(lambda: len(receiver.requests) == 2, 'the next job is told')


    def test_what_follows_a_head_that_nobody_asked_for_is_not_read(self):
        """libcurl takes a 101 for the last head and hands over what follows."""
        def answer(handler):
            handler.wfile.write(b'HTTP/1.1 101 Switching Protocols\r\n\r\nhello')
            handler.close_connection = True

        there = outside.Outside(answer)
        self.addCleanup(there.stop)
        server = self.serve_for(there)
        submit(server, {**NOTHING, 'webhook': f'{there.url}/'})
        program.poll(lambda: any(line['message'].startswith('notice ') for line in server.log()), 'what became of the notice')
        self.assertIn('the receiver answered 101', server.log_text())
        self.assertTrue(server.alive())

    def test_a_2xx_is_one_whatever_follows_it(self):
        begun = threading.Event()

        def answer(handler):
            handler.send_response(200)
            handler.send_header('Content-Length', '100')
            handler.end_headers()
            handler.wfile.flush()
            begun.wait(60)

        there = outside.Outside(answer)
        self.addCleanup(there.stop)
        self.addCleanup(begun.set)
        server = self.serve_for(there)
        submit(server, {**NOTHING, 'webhook': f'{there.url}/'})
        program.poll(lambda: any(line['message'].startswith('notice ') for line in server.log()), 'what became of the notice')
        self.assertIn('notice delivered', server.log_text())
        self.assertEqual(len(there.requests), 1)

    def test_a_notice_whose_end_cannot_be_written_is_not_sent_meanwhile(self):
        receiver = self.receiver()
        server = self.serve_for(receiver, stop=False)
        server.stop()

        def change(what):
            with contextlib.closing(sqlite3.connect(os.path.join(server.state, 'cxrd.db'), timeout=60)) as db, db:
                return db.execute(what).fetchall()

        change("CREATE TRIGGER full BEFORE DELETE ON notices BEGIN SELECT RAISE(ABORT, 'no space'); END")  # for this alone
        server = self.serve_for(receiver, state=server.state)
        submit(server, {**NOTHING, 'webhook': f'{receiver.url}/'})
        program.poll(lambda: 'no space' in server.log_text(), 'it is said')
        time.sleep(1.5)  # more than a pause
        self.assertEqual(len(receiver.requests), 1)
        change('DROP TRIGGER full')
        program.poll(lambda: change('SELECT count(*) FROM notices') == [(0,)], 'it is written at last')
        self.assertEqual(len(receiver.requests), 1)


class OfDataSets(NoticesCase):
    """A job that fetches tells of its end as one that trains does."""

    def fetch(self, receiver, host, **more):
        places = f'127.0.0.1:{receiver.port},127.0.0.1:{host.port}'
        server = self.serve('--webhook-hosts', f'127.0.0.1:{receiver.port}', '--data-hosts', f'127.0.0.1:{host.port}',
                            '--outgoing-private', places, datasets=program.new_folder('datasets'), **more)
        body = {'name': 'fetched', 'table': {'url': f'{host.url}/b/table.csv'}, 'archives': [{'url': f'{host.url}/b/two.zip'}]}
        return server, body

    def host(self):
        host = outside.DataHost(test_datasets.files())
        self.addCleanup(host.stop)
        return host

    def test_the_end_of_fetching_is_told_and_signed(self):
        receiver, host = self.receiver(), self.host()
        server, body = self.fetch(receiver, host)
        reply = client.post_json(server, '/datasets', {**body, 'webhook': f'{receiver.url}/hook?token=1'})
        job = reply.json()['id']
        record = wait_state(server, job, 'succeeded')
        program.poll(lambda: receiver.requests, 'a notice')
        self.assertEqual(receiver.requests[0][1], '/hook?token=1')
        notice = self.assert_signed(receiver.requests[0])
        self.assertEqual((notice['type'], notice['data']), ('job.succeeded', {'id': job, 'state': 'succeeded'}))
        self.assertEqual(record['config']['webhook'], f'{receiver.url}/\u2026')
        again = client.post_json(server, '/datasets', {**body, 'name': 'again', 'table': {'url': f'{host.url}/x'}, 'webhook': f'{receiver.url}/'})
        wait_state(server, again.json()['id'], 'failed')
        program.poll(lambda: len(receiver.requests) == 2, 'the second notice')
        self.assertEqual(self.assert_signed(receiver.requests[1])['type'], 'job.failed')

    def test_a_webhook_is_checked_as_that_of_a_training_is(self):
        receiver, host = self.receiver(), self.host()
        server, body = self.fetch(receiver, host)
        for url in ('https://elsewhere.example/', f'http://127.0.0.1:{receiver.port}/', 'file:///etc/passwd', '', 5, [],
                    f'{receiver.url}/{"x" * 600}'):
            with self.subTest(url):
                self.assert_wrong_fields(client.post_json(server, '/datasets', {**body, 'webhook': url}), 'webhook')
        self.assertEqual(client.post_json(server, '/datasets', {**body, 'webhook': None}).status, 202)

    def test_a_server_without_webhook_hosts_says_so(self):
        host = self.host()
        server = program.Server('--data-hosts', f'127.0.0.1:{host.port}', datasets=program.new_folder('datasets'))
        self.addCleanup(server.stop)
        body = {'name': 'x', 'table': {'url': f'{host.url}/x'}, 'archives': [{'url': f'{host.url}/x'}], 'webhook': 'https://hooks.example/'}
        problem = self.assert_wrong_fields(client.post_json(server, '/datasets', body), 'webhook')
        self.assertIn('--webhook-hosts', problem['errors'][0]['detail'])


class Row17(NoticesCase):
    """Nobody is asked but whom the operator named."""

    def test_row_17_a_redirect_is_not_followed(self):
        trap = self.trap()
        there = outside.Outside(lambda handler: outside.say(handler, 302, Location=f'https://127.0.0.1:{trap.port}/'))
        self.addCleanup(there.stop)
        hosts = f'127.0.0.1:{there.port},127.0.0.1:{trap.port}'  # not even to one that could be asked
        server = self.serve('--webhook-hosts', hosts, '--outgoing-private', hosts)
        submit(server, {**NOTHING, 'webhook': f'{there.url}/'})
        self.refused(server, 'answered 302')
        self.assertEqual(trap.caught, 0)

    def test_row_17_a_name_that_leads_inside_is_not_asked(self):
        """What DNS rebinding comes to: the name is allowed, the address that it has when it is asked is not."""
        trap = self.trap()
        server = self.serve('--webhook-hosts', f'localhost:{trap.port}')
        submit(server, {**NOTHING, 'webhook': f'https://localhost:{trap.port}/'})
        self.refused(server, 'a loopback address, which is refused')
        self.assertEqual(trap.caught, 0)
        trusting = self.serve('--webhook-hosts', f'localhost:{trap.port}', '--outgoing-private', f'localhost:{trap.port}')
        submit(trusting, {**NOTHING, 'webhook': f'https://localhost:{trap.port}/'})
        program.poll(lambda: trap.caught, 'the trap catches whoever is let')

    def test_row_17_a_mapped_address_is_not_asked(self):
        trap = self.trap()
        host = f'[::ffff:127.0.0.1]:{trap.port}'
        server = self.serve('--webhook-hosts', host, '--outgoing-private', host)
        submit(server, {**NOTHING, 'webhook': f'https://{host}/'})
        self.refused(server, 'an address that holds another one')
        self.assertEqual(trap.caught, 0)

    def test_row_17_other_words_for_an_address_are_not_asked(self):
        trap = self.trap()
        server = self.serve('--webhook-hosts', f'hooks.example:{trap.port}')
        port = trap.port
        for url in (f'http://hooks.example:{port}/', f'https://127.0.0.1:{port}/', f'https://localhost:{port}/',
                    f'https://0x7f000001:{port}/', f'https://2130706433:{port}/', f'https://127.1:{port}/',
                    f'https://[::ffff:127.0.0.1]:{port}/', f'https://[::1]:{port}/', f'https://hooks.example:{port}@127.0.0.1:{port}/',
                    f'https://127.0.0.1:{port}#@hooks.example:{port}/', f'https://127.0.0.1:{port}\\@hooks.example:{port}/',
                    'https://hooks.example/', f'https://hooks.example.:{port}/', f'https://xhooks.example:{port}/',
                    'file:///etc/passwd', f'gopher://127.0.0.1:{port}/', f'ftp://hooks.example:{port}/', 'hooks.example', '//x/', '/',
                    'https://169.254.169.254/latest/meta-data/', f'https://hooks.example:{port}/{"x" * 600}', 'https://',
                    f'unix:///tmp/x:{port}', f'https://user@hooks.example:{port}/', f'https://hooks.example:{port}/#x', ''):
            with self.subTest(url):
                self.assert_wrong_fields(client.post_json(server, '/jobs/train', {**NOTHING, 'webhook': url}), 'webhook')
        self.assertEqual(trap.caught, 0)

    @unittest.skipUnless(shutil.which('strace'), 'strace is not installed')
    def test_row_17_a_metadata_address_is_not_asked(self):
        """Even where its name was written into the list of hosts; strace sees every connection that is tried."""
        trap = self.trap()
        server = self.serve('--webhook-hosts', f'169.254.169.254,127.0.0.1:{trap.port}', '--outgoing-private',
                            f'127.0.0.1:{trap.port}')
        log = os.path.join(program.new_folder('strace'), 'connects')
        with subprocess.Popen(['strace', '-f', '-qq', '-e', 'trace=connect', '-o', log, '-p', str(server.pid)],
                              stderr=subprocess.PIPE, text=True) as tracer:
            try:
                program.poll(lambda: re.search(r'TracerPid:\t[1-9]', read(f'/proc/{server.pid}/status')), 'strace is there')
                submit(server, {**NOTHING, 'webhook': 'https://169.254.169.254/latest/meta-data/'})
                self.refused(server, 'link-local, reserved or metadata')
                submit(server, {**NOTHING, 'webhook': f'https://127.0.0.1:{trap.port}/'})
                program.poll(lambda: trap.caught, 'one that is let')
            finally:
                tracer.terminate()
        seen = read(log)
        self.assertNotIn('169.254', seen)
        self.assertIn(f'htons({trap.port})', seen)


    def test_row_17_addresses_of_no_ones_business_are_not_asked(self):
        """Somebody listens at each of them, in a network that consists of them."""
        addresses = ('169.254.169.254', '169.254.1.1', '168.63.129.16', '100.100.100.200', '192.0.0.192', '198.18.0.1', '203.0.113.1',
                     'fd00:ec2::254', '64:ff9b::7f00:1', '64:ff9b:1::7f00:1', '2002:7f00:1::', '2001::1', 'fec0::1', '10.0.0.1',
                     '192.168.0.1', '100.64.0.1', 'fd00::1')
        seen = lone_network.run(addresses)
        if seen is None:
            self.skipTest('no network namespace can be made here')
        for address, found in seen.items():
            with self.subTest(address):
                why, caught = found['allowed']
                self.assertIn('which is refused', why)
                self.assertEqual(caught, 0)
                self.assertEqual(found['trusted'][1], 1, 'the operator may, and the trap works')


class Surroundings(NoticesCase):
    """Whom a receiver is believed by, and what the environment says about it."""

    def test_a_receiver_with_a_certificate_that_is_not_its_own_hears_nothing(self):
        for names, ca, why in (('IP:127.0.0.1', outside.certificate()[0], 'SSL certificate problem: self-signed'),
                               ('DNS:elsewhere.example', outside.certificate('DNS:elsewhere.example')[0], 'no alternative certificate subject')):
            with self.subTest(why):
                there = outside.Outside(lambda handler: outside.say(handler, 204), cert=outside.certificate(names))
                self.addCleanup(there.stop)
                server = self.serve_for(there, '--outgoing-ca', ca)
                submit(server, {**NOTHING, 'webhook': f'{there.url}/'})
                self.refused(server, why)
                self.assertEqual(there.requests, [])

    def test_neither_a_proxy_nor_a_password_comes_from_the_environment(self):
        trap, receiver, home = self.trap(), self.receiver(), program.new_folder('home')
        with open(os.path.join(home, '.netrc'), 'w', encoding='ascii') as file:
            file.write('machine 127.0.0.1 login somebody password secret\n')
        proxy = f'http://127.0.0.1:{trap.port}'
        names = ('http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY')
        server = self.serve_for(receiver, env={'HOME': home, **{name: proxy for name in names}})
        submit(server, {**NOTHING, 'webhook': f'{receiver.url}/'})
        program.poll(lambda: receiver.requests, 'a notice')
        self.assertNotIn('authorization', receiver.requests[0][2])
        self.assertEqual(trap.caught, 0)


class NotConfigured(ServerCase):

    with_data = True

    def test_a_job_cannot_have_a_webhook(self):
        problem = self.assert_wrong_fields(self.post_json('/jobs/train', {**NOTHING, 'webhook': 'https://hooks.example/'}), 'webhook')
        self.assertIn('--webhook-hosts', problem['errors'][0]['detail'])

    def test_null_is_none(self):
        wait_state(self.server, submit(self.server, {**NOTHING, 'webhook': None}), 'succeeded')


class TheOptions(Case):

    def check_refused(self, *arguments, says):
        done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder('state'), *arguments)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(says, done.stderr)

    def test_that_cannot_be_are_refused_at_the_start(self):
        good = ('--webhook-secret', secret_file())
        self.check_refused('--webhook-hosts', 'hooks.example', says='--webhook-secret')
        self.check_refused('--webhook-hosts', 'http://hooks.example', *good, says='loopback')
        self.check_refused('--webhook', 'http://hooks.example/x', *good, says='--webhook must be')
        self.check_refused('--webhook', 'file:///etc/passwd', *good, says='--webhook must be')
        for host in ('hooks.example/path', 'user@hooks.example', 'a b:c', 'hooks.example:99999', 'ftp://hooks.example', '[::1'):
            self.check_refused('--webhook-hosts', host, *good, says='--webhook-hosts')
        for secret in ('', 'whsec_', 'whsec_c2hvcnQ=', TEXT_SECRET[6:], 'whsec_!!!!' + TEXT_SECRET[6:]):
            self.check_refused('--webhook-hosts', 'hooks.example', '--webhook-secret', secret_file(secret), says='--webhook-secret')
        self.check_refused('--webhook-hosts', 'hooks.example', '--webhook-secret', '/nowhere', says='/nowhere')


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


if __name__ == '__main__':
    unittest.main()
