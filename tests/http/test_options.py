"""The operator's settings: options and their environment variables. One that can never do what it says is refused at the start,
by one sentence that names where it was written and what is wrong with it."""
import os
import unittest

from support import client, program
from support.case import Case
from test_keys import ADMIN, bearer, keys_file

HOST_LISTS = ('hosts', 'webhook-hosts', 'data-hosts', 'outgoing-private')
NO_HOSTS = {  # an item, and what must be said of it
    'a.example/': 'slash', 'a.example/path': 'path', 'a.example?x': 'path', '*': 'wildcard', '*.a.example': 'wildcard',
    '[::1': 'bracket', '::1': 'brackets', '::1:80': 'brackets', '[::1]80': 'bracket', '[a.example]': 'IPv6',
    '[fe80::1%eth0]:80': 'zone', 'a.example:': 'port', 'a.example:0': 'port', 'a.example:65536': 'port',
    'a.example:99999999999999999999': 'port', 'a.example:80x': 'port', 'a.example:-1': 'port', ':80': 'host',
    'user@a.example': 'user', 'a..example': 'dots', 'a.example.': 'dot', '.a.example': 'dot', 'a b': 'blank',
    '256.0.0.1': 'address', '127.1': 'address', '0x7f000001': 'address', 'm\u00fcnchen.example': 'xn--', '-a.example': 'name',
    'a!example': 'name', 'a' * 64 + '.example': 'name', 'ftp://a.example': 'scheme',
}
NO_ORIGINS = {
    'a.example': 'scheme', 'null': 'scheme', 'ftp://a.example': 'http', 'file://': 'http', 'https:/a.example': 'scheme',
    'https://': 'host', 'https://a.example/': 'slash', 'https://a.example/page': 'path', 'https://*.a.example': 'wildcard',
    'https://a.example:99999': 'port', 'https://user@a.example': 'user', 'https://::1': 'brackets', '*': 'wildcard',
    'https://a.example#x': 'path',
}


def own_files(folder):
    secret = os.path.join(folder, 'secret')
    with open(secret, 'w', encoding='ascii') as file:
        file.write('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n')
    return ('--webhook-secret', secret)


class Options(Case):

    @classmethod
    def setUpClass(cls):
        cls.folder = program.new_folder('options')
        cls.own = own_files(cls.folder)

    def refused(self, *arguments, command='serve', env=None):
        """The sentence with which it does not start."""
        more = ('--state', os.path.join(self.folder, 'state'), *self.own) if command == 'serve' else ()
        if command == 'serve' and '--listen' not in arguments and 'CXRD_LISTEN' not in (env or {}):
            more += ('--listen', '127.0.0.1:0')
        done = program.run(command, *more, *arguments, env=env)
        self.assertEqual((done.returncode, done.stdout), (2, ''), (arguments, env, done))
        lines = done.stderr.splitlines()
        self.assertEqual(lines[1:], [f'Try: cxrd {command} --help'], lines)
        self.assertTrue(lines[0].startswith(f'cxrd {command}: '), lines)
        self.assertFalse(os.path.exists(os.path.join(self.folder, 'state')))
        return lines[0]

    def serve(self, *arguments, **options):
        server = program.Server(*arguments, **options)
        self.addCleanup(server.stop)
        return server

    def check(self, said, name, item, reasons):
        self.assertIn(f'{name} must be', said)
        self.assertIn(f"'{item[:80]}'", said)
        reason = said.rpartition("': ")[2]
        for word in (reasons,) if isinstance(reasons, str) else reasons:
            self.assertIn(word, reason)

    def test_row_60_lists_that_could_never_match(self):
        for item, reason in NO_HOSTS.items():
            with self.subTest(item=item):
                self.check(self.refused('--hosts', f'good.example, {item} ,b.example'), '--hosts', item, reason)
        for item, reason in (('ftp://a.example', 'http'), ('http://a.example', 'loopback'), ('a.example/path', 'path')):
            with self.subTest(item=item):
                self.check(self.refused('--webhook-hosts', f'good.example, {item}'), '--webhook-hosts', item, reason)
        for item, reason in NO_ORIGINS.items():
            with self.subTest(item=item):
                self.check(self.refused('--cors-origins', f'https://good.example,{item}'), '--cors-origins', item, reason)

    def test_row_60_every_list_and_its_variable(self):
        for option, good in (*((name, 'a.example') for name in HOST_LISTS), ('cors-origins', 'https://a.example')):
            variable = 'CXRD_' + option.upper().replace('-', '_')
            with self.subTest(option):
                self.check(self.refused(env={variable: f'{good}/'}), variable, f'{good}/', 'slash')
                for text in (f'{good},', f',{good}', f'{good},,{good}', ' ', ','):
                    self.check(self.refused(f'--{option}', text), f'--{option}', '', 'empty')
                self.assertIn(f'--{option} must not be empty', self.refused(f'--{option}='))

    def test_row_60_what_can_match_does(self):
        server = self.serve('--keys', keys_file(), '--hosts', ' cxr.example ,\tOTHER.example:8443, [2001:DB8:0::1],web.example:443',
                            '--cors-origins', ' https://pacs.example , HTTPS://Reader.example:443,http://[0::1]:3000')
        for host in ('cxr.example', 'CXR.example:9', 'other.example:8443', '[2001:db8::1]', '[2001:db8:0:0::1]:80', 'web.example'):
            with self.subTest(host):
                self.assertEqual(client.get(server, '/jobs', Host=host, **bearer(ADMIN)).status, 200)
        for host in ('other.example', 'evil.example', 'cxr.example.evil', '[2001:db8::2]', 'web.example:444'):
            with self.subTest(host):
                self.assert_problem(client.get(server, '/jobs', Host=host, **bearer(ADMIN)), 403, '--hosts')
        for origin in ('https://pacs.example', 'https://reader.example', 'https://PACS.example', 'http://[::1]:3000'):
            with self.subTest(origin):
                reply = client.get(server, '/version', Origin=origin, **bearer(ADMIN))
                self.assertEqual(reply.headers.get('access-control-allow-origin'), origin)
        for origin in ('http://pacs.example', 'https://pacs.example:444', 'https://pacs.example.evil', 'null'):
            with self.subTest(origin):
                self.assert_problem(client.get(server, '/jobs', Origin=origin, **bearer(ADMIN)), 403, 'origin')

    def test_row_61_an_address_to_listen_on(self):
        for text in ('18202', ':18202', 'unix:/x', 'unix:/run/x:1', '::1:80', '::', '[::1', '[::1]', '[]:80', 'localhost', 'localhost:',
                     '127.0.0.1:70000', '127.0.0.1:80x', '127.0.0.1:-1', '127.0.0.1:+1', '127.0.0.1: 80', '127.0.0.1:99999999999999999999',
                     'http://127.0.0.1:80', '0.0.0.0', '*:80', 'a b:80', '256.0.0.1:80', '127.0.0.1:http'):
            for said, name in ((self.refused('--listen', text), '--listen'), (self.refused(env={'CXRD_LISTEN': text}), 'CXRD_LISTEN')):
                with self.subTest(text):
                    self.assertIn(f'{name} must be HOST:PORT or [IPV6]:PORT', said)
                    self.assertIn(f"'{text}'", said)
                    self.assertNotIn('key', said)

    def test_row_61_every_way_to_write_an_address(self):
        for text, shown in (('127.0.0.1:0', r'http://127\.0\.0\.1:\d+'), ('localhost:0', r'http://(127\.0\.0\.1|\[::1\]):\d+'),
                            ('[::1]:0', r'http://\[::1\]:\d+'), ('[::0:1]:0', r'http://\[::1\]:\d+')):
            with self.subTest(text):
                server = self.serve('--listen', text)
                self.assertRegex(server.first_line, f'^listening on {shown}$')

    def test_values_that_are_none_are_named_with_their_option(self):
        for option, text in (('threads', '0'), ('threads', '257'), ('threads', '2x'), ('threads', ' 2'), ('threads', '-1'), ('threads', '+1'),
                             ('threads', '0x2'), ('threads', '1.5'), ('threads', '99999999999999999999999'), ('queue', '1K'),
                             ('max-upload', '1T'), ('max-upload', '16MB'), ('max-upload', '1023'), ('max-upload', '99999999999G'),
                             ('log-level', 'loud'), ('log-level', 'INFO'), ('input-policy', 'maybe'), ('precision', 'int8'), ('base-path', 'cxrd'), ('base-path', '/'),
                             ('insecure', 'maybe'), ('insecure', '2')):
            variable = 'CXRD_' + option.upper().replace('-', '_')
            with self.subTest(option=option, text=text):
                for said, name in ((self.refused(f'--{option}={text}'), f'--{option}'), (self.refused(env={variable: text}), variable)):
                    self.assertRegex(said, f"^cxrd serve: {name} must be .*, not '{text[:32]}'".replace('+', r'\+').replace('.5', r'\.5'))

    def test_an_empty_variable_is_not_set_and_an_empty_option_is_refused(self):
        done = program.run('serve', '--listen', '192.0.2.1:0', '--state', program.new_folder(),
                           env={'CXRD_KEYS': '', 'CXRD_HOSTS': '', 'CXRD_INSECURE': '', 'CXRD_THREADS': '', 'CXRD_BASE_PATH': ''})
        self.assertEqual(done.returncode, 1)
        self.assertIn('--insecure', done.stderr)
        for option in ('keys', 'state', 'datasets', 'audit', 'tls-cert', 'base-path', 'webhook'):
            self.assertIn(f'--{option} must not be empty', self.refused(f'--{option}', ''))
        self.assertIn('--url must not be empty', self.refused('--url', '', 'x.png', command='predict'))

    def test_of_two_the_last_one_holds_and_a_flag_can_be_taken_back(self):
        server = self.serve('--queue', '3', '--queue', '5', '--insecure=no', env={'CXRD_INSECURE': 'yes', 'CXRD_QUEUE': '7'})
        self.assertEqual(client.get(server, '/version').json()['limits']['predict_queue'], 5)
        done = program.run('serve', '--listen', '192.0.2.1:0', '--state', program.new_folder(), '--insecure=off',
                           env={'CXRD_INSECURE': 'yes'})
        self.assertIn('--insecure', done.stderr)


if __name__ == '__main__':
    unittest.main()
