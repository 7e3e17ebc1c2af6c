"""nginx with the configuration that is shipped in docker/, in front of a server of the tests."""
import os
import shutil
import socket
import subprocess

from . import program

DOCKER = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..', 'docker')
NGINX = shutil.which('nginx', path=f'{os.environ.get("PATH", "")}:/usr/sbin')


def read(name):
    with open(os.path.join(DOCKER, name), encoding='utf-8') as file:
        return file.read()


def replace(text, pairs):
    """Every one of them must be there: a configuration that no longer says it must not pass unseen."""
    for old, new in pairs:
        if old not in text:
            raise AssertionError(f'the configuration does not say {old!r}')
        text = text.replace(old, new)
    return text


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Proxy:
    """docker/nginx.conf with docker/<server> on a port of its own. Changed against the shipped file: the address of
    cxrd, the ports, the folders, and `extra`, a location more.
    others: of further servers, where the name stands for several"""

    def __init__(self, upstream, server='nginx-http.conf', extra='', tls=None, others=()):
        self.folder = program.new_folder('nginx')
        self.address = ('127.0.0.1', free_port())
        self.tls_address = ('127.0.0.1', free_port())
        main = replace(read('nginx.conf'), [('server cxrd:8080;', ' '.join(f'server {host}:{port};' for host, port in (upstream, *others))),
                                            ('/tmp/', f'{self.folder}/'),
                                            ('/dev/stdout', f'{self.folder}/access.log'),
                                            ('error_log stderr', f'error_log {self.folder}/error.log')])
        listening = [('listen 8080;', f'listen {self.address[0]}:{self.address[1]};')]
        if tls:
            listening += [('listen 8443 ', f'listen {self.tls_address[0]}:{self.tls_address[1]} '),
                          ('/etc/nginx/tls', tls)]
        site = replace(read(server), listening)
        if extra:
            site = replace(site, [('    location / {', f'    {extra}\n\n    location / {{')])
        for name, text in (('nginx.conf', main), ('server.conf', site)):
            with open(os.path.join(self.folder, name), 'w', encoding='utf-8') as file:
                file.write(text)
        # pylint: disable=consider-using-with
        self.process = subprocess.Popen([NGINX, '-c', f'{self.folder}/nginx.conf', '-e', f'{self.folder}/error.log',
                                         '-g', 'daemon off; master_process off;'], preexec_fn=program.die_with_us)
        program.poll(self.listening, 'nginx listens')

    def listening(self):
        if self.process.poll() is not None:
            raise AssertionError(f'nginx did not start: {self.text("error.log")}')
        try:
            socket.create_connection(self.address, timeout=program.END_SECONDS).close()
        except OSError:
            return False
        return True

    def text(self, name):
        with open(os.path.join(self.folder, name), encoding='utf-8') as file:
            return file.read()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=program.END_SECONDS)
