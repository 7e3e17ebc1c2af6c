"""A PostgreSQL of the tests' own on 127.0.0.1, which they may stop, start and cut off; PostgreSQL does not run as root."""
import os
import shutil
import socket
import subprocess
import tempfile

from . import program


def _bin():
    found = sorted(path for path in (os.path.join('/usr/lib/postgresql', name, 'bin') for name in _versions())
                   if os.access(os.path.join(path, 'initdb'), os.X_OK))
    return found[-1] if found else None


def _versions():
    try:
        return os.listdir('/usr/lib/postgresql')
    except FileNotFoundError:
        return []


BIN = _bin()


def why_not():
    """Why there is none here; None: there is."""
    if not BIN:
        return 'PostgreSQL is not installed'
    built = program.run('serve', '--store', 'postgresql://127.0.0.1:1/x', '--state', program.new_folder('none'))
    return 'cxrd was built without libpq' if 'has no PostgreSQL' in built.stderr else None


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Cluster:
    """It runs from the beginning, holds one database a name, and is gone after stop()."""

    def __init__(self, durable=False, listen='127.0.0.1'):
        self.folder = tempfile.mkdtemp(prefix='cxrd-postgresql-')
        self.port = free_port()
        self.durable, self.listen = durable, listen
        if os.geteuid() == 0:
            shutil.chown(self.folder, 'postgres')
        self._run('initdb', '-U', 'cxrd', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8', '--no-sync')
        self.start()

    def _run(self, name, *arguments):
        user = ['runuser', '-u', 'postgres', '--'] if os.geteuid() == 0 else []
        with open(os.path.join(self.folder, 'said'), 'a', encoding='utf-8') as said:
            subprocess.run([*user, os.path.join(BIN, name), '-D', os.path.join(self.folder, 'data'), *arguments], check=True,
                           cwd=self.folder, stdout=said, stderr=said, timeout=program.END_SECONDS)

    def start(self):
        options = (f"-k {self.folder} -h {self.listen} -p {self.port} -c max_connections=200"
                   f" -c fsync={'on' if self.durable else 'off'} -c log_min_messages=warning")
        self._run('pg_ctl', '-l', os.path.join(self.folder, 'data', 'log'), '-w', '-o', options, 'start')

    def end(self, mode='immediate'):
        """As a crash would, or as another word of pg_ctl."""
        self._run('pg_ctl', '-m', mode, '-w', 'stop')

    def sql(self, text, database='postgres'):
        """The rows' cells, as psql prints them."""
        done = subprocess.run([os.path.join(BIN, 'psql'), '-h', '127.0.0.1', '-p', str(self.port), '-U', 'cxrd', '-d', database,
                               '-v', 'ON_ERROR_STOP=1', '-qAtc', text], capture_output=True, text=True, timeout=program.END_SECONDS,
                              check=False)
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout.strip()

    def dump(self, name):
        """All that a database holds, as bytes of text; what is bytes there is in hexadecimal digits."""
        return subprocess.run([os.path.join(BIN, 'pg_dump'), '-h', '127.0.0.1', '-p', str(self.port), '-U', 'cxrd', '--inserts', name],
                              capture_output=True, timeout=program.END_SECONDS, check=True).stdout

    def database(self, name):
        """A new database; its address."""
        self.sql(f'CREATE DATABASE {name}')
        return self.url(name)

    def url(self, name, port=None, address='127.0.0.1'):
        return f'postgresql://cxrd@{address}:{port or self.port}/{name}'

    def stop(self):
        try:
            self.end()
        except subprocess.CalledProcessError:
            pass  # a test left it so
        shutil.rmtree(self.folder, ignore_errors=True)
