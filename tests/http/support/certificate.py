"""Certificates of the tests' own: an authority, and what it signs, as `openssl` makes them."""
import os
import subprocess

from . import program


def _openssl(*arguments):
    subprocess.run(['openssl', *arguments], check=True, capture_output=True)


def _new_key(path):
    _openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-out', path)


class Authority:
    """Signs certificates; `.path` is its own."""

    def __init__(self, name='cxrd tests'):
        self.folder = program.new_folder('authority')
        self.path, self.key = os.path.join(self.folder, 'ca.pem'), os.path.join(self.folder, 'ca.key')
        _new_key(self.key)
        _openssl('req', '-x509', '-key', self.key, '-days', '30', '-subj', f'/CN={name}', '-out', self.path)

    def sign(self, names='DNS:localhost,IP:127.0.0.1', days=90, folder=None):
        """A certificate and its key: (path, path). With a folder they replace what stands there."""
        folder = folder or program.new_folder('certificate')
        cert, key, request = (os.path.join(folder, name) for name in ('cert.pem', 'key.pem', 'request.pem'))
        extensions = os.path.join(folder, 'extensions')
        with open(extensions, 'w', encoding='ascii') as file:
            file.write(f'subjectAltName={names}\n')
        _new_key(key)
        _openssl('req', '-new', '-key', key, '-subj', '/CN=cxrd', '-out', request)
        _openssl('x509', '-req', '-in', request, '-CA', self.path, '-CAkey', self.key, '-CAcreateserial', '-days', str(days),
                 '-extfile', extensions, '-out', cert)
        return cert, key
