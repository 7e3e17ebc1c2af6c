"""Access: keys and their roles, before anything is said about what is there; and pages of other origins in a browser on this
machine, which may not even without keys."""
import hashlib
import os
import shutil
import signal
import subprocess
import time
import unittest

from support import client, dataset, picture, program
from support.case import Case, ServerCase, import_model

ADMIN, PREDICT = 'admin-key-of-the-tests', 'predict-key-of-the-tests'


def line(role, name, key):
    return f'{role} {name} {hashlib.sha256(key.encode()).hexdigest()}\n'


def keys_file(*lines):
    path = os.path.join(program.new_folder('keys'), 'keys')
    with open(path, 'w', encoding='ascii') as file:
        file.writelines(lines or (line('admin', 'head', ADMIN), line('predict', 'reader', PREDICT)))
    return path


def bearer(key):
    return {'Authorization': f'Bearer {key}'}


class KeyCase(Case):

    @classmethod
    def setUpClass(cls):
        cls.keys = keys_file()
        cls.server = program.Server('--keys', cls.keys, datasets=dataset.tiny())
        cls.addClassCleanup(cls.server.stop)

    def ask(self, method, target, key=None, body=None, **headers):
        return client.request(self.server, method, target, body, **(bearer(key) if key else {}), **headers)


class Roles(KeyCase):

    READING = (('POST', '/predict'), ('GET', '/jobs'), ('GET', '/jobs/00000000-0000'), ('GET', '/models'),
               ('GET', '/models/00000000-0000/weights'), ('GET', '/models/00000000-0000/onnx'))
    CHANGING = (('POST', '/jobs/train'), ('POST', '/jobs/00000000-0000/cancel'), ('POST', '/models'),
                ('POST', '/models/00000000-0000/activate'))

    def test_without_a_key_it_is_401(self):
        for method, target in self.READING + self.CHANGING:
            with self.subTest(target):
                reply = self.ask(method, target)
                self.assert_problem(reply, 401, 'needs a key')
                self.assertEqual(reply.headers['www-authenticate'], 'Bearer realm="cxrd"')

    def test_a_key_that_is_not_known_is_401(self):
        for key in ('x', ADMIN + 'x', ADMIN[:-1], ADMIN.upper(), hashlib.sha256(ADMIN.encode()).hexdigest(), 'x' * 240):
            self.assert_problem(self.ask('GET', '/jobs', key), 401, 'not known')

    def test_other_schemes_are_401(self):
        for value in (f'Basic {ADMIN}', ADMIN, 'Bearer', 'Bearer ', f'Bearer{ADMIN}', f'Token {ADMIN}', ''):
            with self.subTest(value):
                self.assert_problem(client.get(self.server, '/jobs', Authorization=value), 401)

    def test_the_scheme_is_read_in_any_case(self):
        self.assertEqual(client.get(self.server, '/jobs', Authorization=f'bearer {PREDICT}').status, 200)

    def test_a_predict_key_reads_and_predicts(self):
        self.assertEqual(self.ask('GET', '/jobs', PREDICT).status, 200)
        self.assertEqual(self.ask('GET', '/models', PREDICT).status, 200)
        self.assertNotIn(self.ask('POST', '/predict', PREDICT, picture.noise(1)).status, (401, 403))

    def test_a_predict_key_changes_nothing(self):
        for method, target in self.CHANGING:
            with self.subTest(target):
                self.assert_problem(self.ask(method, target, PREDICT), 403, 'admin')

    def test_an_admin_key_does_all(self):
        self.assertEqual(self.ask('GET', '/jobs', ADMIN).status, 200)
        self.assert_problem(self.ask('POST', '/models/00000000-0000/activate', ADMIN), 404)
        reply = self.ask('POST', '/models', ADMIN, dataset.weights(), Content_Type='application/octet-stream')
        self.assertEqual(reply.status, 201)

    def test_public_paths_need_no_key(self):
        for target in ('/livez', '/healthz', '/version', '/openapi.yaml'):
            self.assertEqual(self.ask('GET', target).status, 200)
        self.assertEqual(self.ask('GET', '/readyz').status in (200, 503), True)

    def test_two_keys_at_once_are_400(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('GET', '/jobs', f'Authorization: Bearer {ADMIN}', 'Authorization: Bearer x'))
            self.assert_problem(raw.reply('GET', '/jobs'), 400, 'Authorization')

    def test_a_refusal_comes_before_the_body(self):
        with client.Raw(self.server) as raw:
            raw.send(client.head('POST', '/models', 'Content-Length: 1000', 'Expect: 100-continue'))
            self.assert_problem(raw.reply('POST', '/models'), 401)
            self.assertTrue(raw.at_end())


class Files(Case):

    def refused(self, path, says):
        done = program.run('serve', '--listen', '127.0.0.1:0', '--state', program.new_folder(), '--keys', path)
        self.assertEqual(done.returncode, 1)
        self.assertIn(says, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_a_keys_file_with_a_fault_is_refused_at_start(self):
        self.refused('/nonexistent', 'cannot open')
        self.refused('/dev/zero', 'not a regular file')
        self.refused(keys_file(line('admin', 'a', 'x'), 'junk\n'), 'line 2')
        self.refused(keys_file('# nobody\n'), 'no key')

    def test_with_keys_any_address_is_fine(self):
        server = program.Server('--listen', '0.0.0.0:0', '--keys', keys_file())
        self.addCleanup(server.stop)
        server.address = ('127.0.0.1', server.address[1])
        self.assert_problem(client.get(server, '/jobs'), 401)
        self.assertEqual(client.get(server, '/jobs', Host='proxy.example', **bearer(PREDICT)).status, 200)

    def test_sighup_reads_the_keys_again(self):
        path = keys_file()
        server = program.Server('--keys', path)
        self.addCleanup(server.stop)
        self.assertEqual(client.get(server, '/jobs', **bearer(PREDICT)).status, 200)
        with open(path, 'w', encoding='ascii') as file:
            file.write(line('predict', 'other', 'another-key'))
        server.terminate(signal.SIGHUP)
        program.poll(lambda: client.get(server, '/jobs', **bearer('another-key')).status == 200, 'the new key is known')
        self.assert_problem(client.get(server, '/jobs', **bearer(PREDICT)), 401)

    def test_sighup_with_a_broken_file_keeps_the_keys(self):
        path = keys_file()
        server = program.Server('--keys', path)
        self.addCleanup(server.stop)
        with open(path, 'w', encoding='ascii') as file:
            file.write('junk\n')
        server.terminate(signal.SIGHUP)
        program.poll(lambda: [x for x in server.log() if x['message'] == 'keys not reloaded'], 'it says so')
        self.assertEqual(client.get(server, '/jobs', **bearer(PREDICT)).status, 200)

    def test_cxrd_key_makes_what_serve_reads(self):
        path = os.path.join(program.new_folder('keys'), 'keys')
        made = {}
        for role, name in (('admin', 'head'), ('predict', 'reader')):
            done = program.run('key', role, name)
            self.assertEqual(done.returncode, 0)
            with open(path, 'a', encoding='ascii') as file:
                file.write(done.stdout)
            made[role] = done.stderr.split()[-1]
        self.assertGreaterEqual(len(made['admin']), 43)
        server = program.Server('--keys', path)
        self.addCleanup(server.stop)
        for role, status in (('admin', 404), ('predict', 403)):
            self.assertEqual(client.post(server, '/models/00000000-0000/activate', **bearer(made[role])).status, status)

    def test_cxrd_key_refuses_what_serve_would_refuse(self):
        for arguments, status in ((['owner', 'x'], 1), (['admin', 'a b'], 1), (['admin', 'x' * 65], 1), (['admin'], 2), ([], 2)):
            done = program.run('key', *arguments)
            self.assertEqual((done.returncode, done.stdout), (status, ''), arguments)

    def test_the_commands_take_the_key_from_the_environment(self):
        server = program.Server('--keys', keys_file())
        self.addCleanup(server.stop)
        film = os.path.join(program.new_folder(), 'x.png')
        with open(film, 'wb') as file:
            file.write(picture.noise(1))
        self.assertIn('needs a key: Authorization: Bearer KEY; CXRD_KEY holds the key', program.run('predict', '--url', server.url, film).stderr)
        self.assertIn('no model', program.run('predict', '--url', server.url, film, env={'CXRD_KEY': PREDICT}).stderr)
        self.assertEqual(program.run('health', server.url, env={'CXRD_KEY': PREDICT}).returncode, 0)

    def test_a_key_is_never_logged(self):
        server = program.Server('--keys', keys_file(), '--log-level', 'debug')
        client.get(server, '/jobs', **bearer(ADMIN))
        client.get(server, '/jobs', **bearer('guessed-key'))
        server.stop()
        self.assertNotIn(ADMIN, server.log_text())
        self.assertNotIn('guessed-key', server.log_text())
        who = [x.get('key') for x in server.log() if x['message'] == 'request']
        self.assertEqual(sorted(who), ['', 'head'])  # a line is written after its answer, and by another thread than the next

    def test_the_log_says_where_a_refused_request_came_from_and_of_no_other(self):
        server = program.Server('--keys', keys_file(), '--rate', '2')
        self.addCleanup(server.stop)
        client.get(server, '/jobs', **bearer('guessed-key'))
        client.post(server, '/models', b'x', **bearer(PREDICT))
        statuses = {client.get(server, '/jobs', **bearer(ADMIN)).status for _ in range(20)}
        client.get(server, '/nothing', **bearer(PREDICT))
        self.assertEqual(statuses, {200, 429})
        lines = program.poll(lambda: len(lines := [x for x in server.log() if x['message'] == 'request']) == 23 and lines, 'all are logged')
        self.assertEqual({(x['status'], x.get('source')) for x in lines},
                         {(401, '127.0.0.1'), (403, '127.0.0.1'), (429, '127.0.0.1'), (200, None), (404, None)})


class Guesses(Case):

    COUNTED = os.path.join(os.path.dirname(program.BINARY), 'tests', 'find_key')

    def count(self, digits):
        """The instructions of one look-up, callees and all, of a key that agrees with all in so many first digits."""
        counts = os.path.join(program.new_folder('counts'), 'counts')
        done = subprocess.run(['valgrind', '--tool=callgrind', f'--callgrind-out-file={counts}',
                               '--toggle-collect=keys_find', self.COUNTED, f'{digits:02}'],
                              capture_output=True, text=True, timeout=program.END_SECONDS, check=True)
        with open(counts, encoding='ascii') as lines:
            totals = [int(line.split()[1]) for line in lines if line.startswith('totals:')]
        return done.stdout.strip(), totals[-1]

    def test_row_69_how_much_of_a_digest_was_guessed_does_not_show(self):
        """Counted, not timed: the same instructions whatever was guessed."""
        if not shutil.which('valgrind'):
            self.skipTest('no valgrind: instructions cannot be counted')
        if program.SANITIZED:
            self.skipTest('a program with a sanitizer does not run under valgrind')
        said, instructions = self.count(0)
        self.assertEqual(said, 'not found')
        self.assertGreater(instructions, 1000, 'nothing was counted')
        for digits in (1, 32, 63):
            self.assertEqual(self.count(digits), ('not found', instructions), f'{digits} digits were right')
        self.assertEqual(self.count(64)[0], 'found')


class Rate(Case):

    def test_more_requests_a_second_than_allowed_are_429_for_that_key_only(self):
        server = program.Server('--keys', keys_file(), '--rate', '2')
        self.addCleanup(server.stop)
        replies, refused = [], []
        for _ in range(1000):  # until some come faster than two a second, on a busy machine
            replies.append(client.get(server, '/jobs', **bearer(PREDICT)))
            refused = [r for r in replies if r.status == 429]
            if len(refused) == 5:
                break
        self.assertEqual([r.status for r in replies[:2]], [200, 200])
        self.assertEqual(len(refused), 5)
        self.assert_problem(refused[0], 429, 'too many requests')
        self.assertEqual(client.get(server, '/jobs', **bearer(ADMIN)).status, 200)
        self.assertEqual(client.get(server, '/livez').status, 200)
        time.sleep(int(refused[-1].headers['retry-after']))
        self.assertEqual(client.get(server, '/jobs', **bearer(PREDICT)).status, 200)


class Browser(ServerCase):
    """No keys, loopback: what a page from elsewhere could make the operator's browser send."""

    with_model = True
    with_data = True

    def test_a_host_that_is_not_this_machine_is_403(self):
        """DNS rebinding: a stranger's name that points at 127.0.0.1."""
        for host in ('evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1',
                     '[::2]', '127.0.0.1x', 'xlocalhost'):
            with self.subTest(host):
                self.assert_problem(self.get('/jobs', Host=host), 403, 'Host')
                self.assert_problem(self.predict(picture.noise(1), Host=host), 403, 'Host')

    def test_names_of_this_machine_are_fine(self):
        for host in ('127.0.0.1', '127.0.0.1:8080', 'localhost', 'LOCALHOST:1', '[::1]', '[::1]:8080', '127.1.2.3'):
            with self.subTest(host):
                self.assertEqual(self.get('/jobs', Host=host).status, 200)

    def test_a_page_of_another_origin_is_403(self):
        for origin in ('https://evil.example', 'http://127.0.0.1:1', 'null', 'http://127.0.0.1', 'file://', 'x'):
            for method, target in (('POST', '/jobs/train'), ('POST', '/models'), ('POST', '/predict'), ('GET', '/jobs')):
                with self.subTest((origin, target)):
                    reply = client.request(self.server, method, target, Origin=origin)
                    self.assert_problem(reply, 403, 'origin')
                    self.assertNotIn('access-control-allow-origin', reply.headers)

    def test_our_own_page_is_fine(self):
        self.assertEqual(self.get('/jobs', Origin=self.server.url).status, 200)
        host = f'localhost:{self.server.address[1]}'
        self.assertEqual(self.get('/jobs', Host=host, Origin=f'http://{host}').status, 200)

    def test_forms_start_no_job_and_import_no_model(self):
        for kind in ('application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x'):
            for target in ('/jobs/train', '/models'):
                for body in (b'{"dataset":"tiny","epochs":0}', b''):
                    with self.subTest((kind, target, body)):
                        self.assert_problem(self.post(target, body, Content_Type=kind), 415)
        self.assertEqual(self.get('/jobs').json()['jobs'], [])

    def test_hosts_that_are_configured_are_fine(self):
        server = program.Server('--hosts', 'cxr.example,other.example')
        self.addCleanup(server.stop)
        self.assertEqual(client.get(server, '/jobs', Host='CXR.example:443').status, 200)
        self.assertEqual(client.get(server, '/jobs', Host='other.example').status, 200)
        self.assertEqual(client.get(server, '/jobs').status, 200)
        for host in ('evil.example', 'cxr.example.evil.example', 'r.example', 'cxr.example,other.example'):
            self.assert_problem(client.get(server, '/jobs', Host=host), 403)


if __name__ == '__main__':
    unittest.main()
