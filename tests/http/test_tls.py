"""TLS of our own: a certificate that is renewed, clients that believe an authority, and a health check that follows."""
import os
import re
import shutil
import signal
import socket
import ssl
import threading
import unittest

from support import certificate, client, picture, program
from support.case import Case
from test_cli import film

needs_openssl = unittest.skipUnless(shutil.which('openssl'), 'openssl makes the certificates')


class Session:
    """A connection over TLS that stays: `.serial` is the server's certificate."""

    def __init__(self, server, authority):
        context = ssl.create_default_context(cafile=authority.path)
        self.socket = context.wrap_socket(socket.create_connection(server.address, timeout=client.SECONDS),
                                          server_hostname='localhost')
        self.file = self.socket.makefile('rb')
        self.serial = self.socket.getpeercert()['serialNumber']

    def get(self, target):
        self.socket.sendall(f'GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n'.encode())
        status = int(self.file.readline().split()[1])
        length = 0
        for line in iter(self.file.readline, b'\r\n'):
            name, _, value = line.decode('latin-1').partition(':')
            if name.lower() == 'content-length':
                length = int(value)
        return status, self.file.read(length)

    def close(self):
        self.file.close()
        self.socket.close()


@needs_openssl
class Renewal(Case):

    def setUp(self):
        self.authority = certificate.Authority()
        self.folder = program.new_folder('tls')
        self.cert, self.key = self.authority.sign(folder=self.folder)
        self.server = program.Server('--tls-cert', self.cert, '--tls-key', self.key)
        self.addCleanup(self.server.stop)

    def session(self):
        session = Session(self.server, self.authority)
        self.addCleanup(session.close)
        return session

    def hang_up(self, says):
        """SIGHUP, until the log has this line once more."""
        before = self.lines(says)
        self.server.terminate(signal.SIGHUP)
        program.poll(lambda: len(self.lines(says)) > len(before), says)
        return self.lines(says)[-1]

    def lines(self, says):
        return [line for line in self.server.log() if line['message'] == says]

    def expires(self, session):
        return float(re.search(rb'^cxrd_tls_certificate_expiry_seconds ([0-9.e+]+)$', session.get('/metrics')[1], re.M).group(1))

    def test_row_63_a_renewed_certificate_is_served_after_sighup(self):
        old = self.session()
        first_end = self.expires(old)
        self.authority.sign(folder=self.folder, days=200)
        self.assertEqual(self.session().serial, old.serial)
        said = self.hang_up('TLS certificate read')
        self.assertRegex(said['expires'], r'^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$')
        new = self.session()
        self.assertNotEqual(new.serial, old.serial)
        for session in (old, new):
            self.assertEqual(session.get('/livez')[0], 200)
        self.assertGreater(self.expires(new), first_end + 100 * 86400)

    def test_row_63_files_that_do_not_load_change_nothing(self):
        old = self.session()
        for cert, key in ((self.key, None), (None, self.cert), (self.authority.path, None), ('/dev/null', None), (None, '/dev/null')):
            copies = self.authority.sign()
            shutil.copy(cert or copies[0], self.cert)
            if key:
                shutil.copy(key, self.key)
            self.hang_up('the TLS certificate was not read again')
            self.assertEqual(self.session().serial, old.serial)
        os.remove(self.cert)
        self.hang_up('the TLS certificate was not read again')
        self.assertEqual(self.session().serial, old.serial)
        self.authority.sign(folder=self.folder)
        self.hang_up('TLS certificate read')
        self.assertNotEqual(self.session().serial, old.serial)

    def test_row_63_renewed_while_others_shake_hands(self):
        first = self.session().serial
        for _ in range(6):
            self.authority.sign(folder=self.folder)
            self.server.terminate(signal.SIGHUP)
            for _ in range(5):
                self.assertEqual(self.session().get('/livez')[0], 200)
        program.poll(lambda: self.session().serial != first, 'new sessions get another certificate')

    def test_one_that_expires_soon_is_a_warning(self):
        self.authority.sign(folder=self.folder, days=3)
        self.assertEqual(self.hang_up('the TLS certificate expires soon')['level'], 'warn')


@needs_openssl
class PrivateAuthority(Case):
    """`cxrd predict` and `cxrd health` with --ca."""

    @classmethod
    def setUpClass(cls):
        cls.authority = certificate.Authority()
        cert, key = cls.authority.sign()
        cls.server = program.Server('--tls-cert', cert, '--tls-key', key)
        cls.addClassCleanup(cls.server.stop)
        cls.film = film(picture.noise(1))

    def predict(self, *arguments, url=None, **env):
        return program.run('predict', '--url', url or self.server.url, *arguments, self.film, env=env)

    def test_row_66_predict_believes_the_authority_it_is_given(self):
        for more, env in ((('--ca', self.authority.path), {}), ((), {'CXRD_CA': self.authority.path})):
            done = self.predict(*more, **env)
            self.assertEqual(done.returncode, 1)
            self.assertIn('no model is active yet', done.stderr)  # which the server says

    def test_row_66_and_no_other(self):
        other = certificate.Authority('somebody')
        for more in ((), ('--ca', other.path)):
            done = self.predict(*more)
            self.assertEqual(done.returncode, 1)
            self.assertIn('is not believed: none of the authorities', done.stderr)
            self.assertIn('--ca FILE', done.stderr)
        for path in ('/nowhere.pem', self.film):
            self.assertIn(f"cannot read certificates in '{path}'", self.predict('--ca', path).stderr)

    def test_row_66_a_certificate_for_another_name(self):
        cert, key = self.authority.sign('DNS:cxrd.example')
        server = program.Server('--tls-cert', cert, '--tls-key', key)
        self.addCleanup(server.stop)
        self.assertIn('is for another name', self.predict('--ca', self.authority.path, url=server.url).stderr)

    def test_row_66_health_too(self):
        self.assertEqual(program.run('health', '--ca', self.authority.path, self.server.url).stdout, 'alive\n')
        done = program.run('health', self.server.url)
        self.assertEqual((done.returncode, done.stdout), (1, ''))
        self.assertIn('is not believed', done.stderr)


class HealthOfOurOwn(Case):
    """Without a URL."""

    def check(self, listen, *arguments, host=None, **env):
        server = program.Server('--listen', listen, *arguments, env=env)
        self.addCleanup(server.stop)
        port = server.first_line.strip().rpartition(':')[2]
        env['CXRD_LISTEN'] = f'{(host or listen).rpartition(":")[0]}:{port}'
        done = program.run('health', env=env)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, 'alive\n', ''))
        done = program.run('health', '--ready', env=env)
        self.assertEqual(done.returncode, 1)
        self.assertIn('no model is active yet', done.stderr)

    def test_row_65_follows_where_the_server_listens(self):
        for listen in ('127.0.0.1:0', 'localhost:0', '[::1]:0'):
            with self.subTest(listen):
                self.check(listen)

    def test_row_65_an_address_of_all_interfaces_is_called_by_loopback(self):
        self.check('127.0.0.1:0', host='0.0.0.0:0')
        for every in ('[::]:0', '[0::0]:0'):
            self.check('[::1]:0', host=every)

    def test_row_65_follows_the_base_path(self):
        self.check('127.0.0.1:0', CXRD_BASE_PATH='/x-ray/v1')

    @needs_openssl
    def test_row_65_follows_tls_whose_certificate_is_for_others(self):
        cert, key = certificate.Authority().sign('DNS:cxrd.example')
        self.check('127.0.0.1:0', CXRD_TLS_CERT=cert, CXRD_TLS_KEY=key)
        self.check('[::1]:0', CXRD_TLS_CERT=cert, CXRD_TLS_KEY=key, CXRD_BASE_PATH='/x')

    def test_row_65_no_key_is_shown_to_whoever_is_there(self):
        listener = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(listener.close)
        listener.settimeout(client.SECONDS)
        seen = []

        def answer():
            peer, _ = listener.accept()
            with peer:
                seen.append(peer.recv(4096))
                peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}')

        thread = threading.Thread(target=answer)
        thread.start()
        done = program.run('health', env={'CXRD_LISTEN': f'127.0.0.1:{listener.getsockname()[1]}', 'CXRD_KEY': 'secret'})
        thread.join()
        self.assertEqual(done.returncode, 0)
        self.assertIn(b'GET /livez', seen[0])
        self.assertNotIn(b'uthorization', seen[0])

    def test_row_65_what_it_cannot_follow_is_a_sentence(self):
        self.assertIn('port 0', program.run('health', env={'CXRD_LISTEN': '127.0.0.1:0'}).stderr)
        self.assertIn('CXRD_LISTEN must be HOST:PORT', program.run('health', env={'CXRD_LISTEN': '18202'}).stderr)


if __name__ == '__main__':
    unittest.main()
