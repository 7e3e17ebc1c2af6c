"""The program under test: where it is, how to run a command of it, how to run it as a server.

Nothing of the caller's environment that could change its behaviour reaches it, and every server is watched: whoever
stops one sees that it ended with status 0 and that its log held nothing but JSON lines (a sanitizer's report is not one).
"""
import atexit
import ctypes
import json
import os
import pty
import queue
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
import time

BINARY = os.environ.get('CXRD_BIN', '')
TEST_DATA = os.environ.get('CXRD_TEST_DATA', '')

SANITIZED = any(name in BINARY for name in ('asan', 'tsan'))
# Times as much memory: ThreadSanitizer keeps who wrote each word last, AddressSanitizer what was freed, and a margin around all.
SHADOW = 6 if 'tsan' in BINARY else 3 if 'asan' in BINARY else 1
PATIENCE = float(os.environ.get('CXRD_PATIENCE', '1'))  # times as long for a program under valgrind
# Generous, for a sanitizer build beside many busy processes: how long something takes is not what these tests judge.
START_SECONDS = END_SECONDS = 300 * PATIENCE

_folders = tempfile.mkdtemp(prefix='cxrd-http-')
atexit.register(shutil.rmtree, _folders, ignore_errors=True)


def contents_below(folder):
    """(path, bytes) of every file below; one that is gone before it is opened, as the journal of a store is, has none."""
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                with open(os.path.join(path, name), 'rb') as file:
                    held = file.read()
            except FileNotFoundError:
                continue
            yield os.path.join(path, name), held


def new_folder(name='x'):
    """A fresh folder that is gone when the tests end."""
    return tempfile.mkdtemp(prefix=name + '-', dir=_folders)


def environment(**extra):
    """The caller's environment without what speaks to the program or to its HTTP client."""
    keep = {k: v for k, v in os.environ.items()
            if not k.startswith('CXRD_') and k.lower() not in ('http_proxy', 'https_proxy', 'all_proxy', 'no_proxy')}
    keep.update(extra)
    return keep


_libc = ctypes.CDLL(None)


def die_with_us():
    """In the child: be killed when the tests are, however that happens (prctl, PR_SET_PDEATHSIG)."""
    _libc.prctl(1, signal.SIGKILL)


def begin_child(descriptors):
    """In the child: as above, with so many descriptors at most; None: as many as here."""
    die_with_us()
    if descriptors:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))


def run(*args, env=None, **kwargs):
    """Run a command of the program to its end: .returncode, .stdout and .stderr as text."""
    return subprocess.run([BINARY, *args], env=environment(**(env or {})), capture_output=True, text=True,
                          timeout=END_SECONDS, check=False, **kwargs)


def as_in_a_terminal():
    """A shell that began the tests in the background has Ctrl-C ignored, which a child inherits."""
    die_with_us()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*args, **kwargs):
    """Begin a command of the program, which Ctrl-C ends."""
    return subprocess.Popen([BINARY, *args], env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            preexec_fn=as_in_a_terminal, **kwargs)  # pylint: disable=subprocess-popen-preexec-fn


def in_terminal(*args):
    """Run a command of the program in a terminal: all that it writes there, and its exit status."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(BINARY, [BINARY, *args], environment())
    written = b''
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how a terminal says that nobody is there any more
            break
        if not part:
            break
        written += part
    os.close(terminal)
    return written.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def poll(condition, what, seconds=300):
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f'not within {seconds} s: {what}')
        time.sleep(0.02)


class Server:
    """`cxrd serve` on a port that it picks, with a state folder of its own unless one is given, and so is its log."""

    def __init__(self, *args, state=None, datasets=None, threads=2, env=None, wrapper=(), stderr=None,
                 descriptors=None):
        self.state = state or new_folder('state')
        self.log_path = os.path.join(new_folder('log'), 'log')
        command = [*wrapper, BINARY, 'serve', '--listen', '127.0.0.1:0', '--state', self.state]
        if threads:
            command += ['--threads', str(threads)]
        if datasets:
            command += ['--datasets', datasets]
        with open(self.log_path, 'wb') as log:
            self.process = subprocess.Popen(command + list(args), env=environment(**(env or {})),
                                            stdout=subprocess.PIPE, stderr=log if stderr is None else stderr, text=True,
                                            preexec_fn=lambda: begin_child(descriptors))
        self.gathering = None
        if self.process.stderr:
            self.gathering = threading.Thread(target=self._gather, daemon=True)
            self.gathering.start()
        self.first_line = self._first_line()
        scheme, _, address = self.first_line.removeprefix('listening on ').strip().partition('://')
        if not address:
            self.kill()
            raise AssertionError(f'the server did not start: {self.first_line!r} {self.log_text()}')
        host, port = address.rsplit(':', 1)
        self.address = (host, int(port))
        self.url = f'{scheme}://{host}:{port}'

    def _first_line(self):
        lines = queue.Queue()

        def read():
            for line in self.process.stdout:
                lines.put(line)
            lines.put('')

        threading.Thread(target=read, daemon=True).start()
        try:
            return lines.get(timeout=START_SECONDS)
        except queue.Empty:
            return '(nothing)'

    def _gather(self):
        """Write down the log that comes through a pipe (stderr=subprocess.PIPE), whole lines only."""
        with self.process.stderr.buffer as pipe, open(self.log_path, 'ab', buffering=0) as log:
            for line in pipe:
                log.write(line)

    def _close(self):
        """The process has ended: what it said is all there."""
        self.process.stdout.close()
        if self.gathering:
            self.gathering.join(END_SECONDS)

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        with open(self.log_path, encoding='utf-8', errors='surrogateescape') as log:
            return log.read()

    def log(self):
        """The log so far as objects; a line that is no JSON object is a failure."""
        lines = []
        text = self.log_text()
        if self.alive():
            text = text[:text.rfind('\n') + 1]  # what comes after it is still being written
        for line in text.splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                lines.append(None)
            if not isinstance(lines[-1], dict):
                raise AssertionError(f'the log holds more than JSON lines:\n{self.log_text()[-4000:]}')
        return lines

    def alive(self):
        return self.process.poll() is None

    def terminate(self, number=signal.SIGTERM):
        """Ask it to end; wait() tells how it did."""
        self.process.send_signal(number)

    def wait(self):
        """Its exit status, negative for a signal."""
        return self.process.wait(timeout=END_SECONDS)

    def stop(self):
        """End it as an operator would; it must end well."""
        if self.process.stdout.closed:
            return
        if self.alive():
            self.terminate()
        status = self.wait()
        self._close()
        lines = self.log()
        if status != 0:
            raise AssertionError(f'the server ended with {status}: {self.log_text()[-4000:]}')
        bad = [line for line in lines if not {'time', 'level', 'message'} <= line.keys()]
        if bad:
            raise AssertionError(f'log lines without time, level or message: {bad[:3]}')

    def kill(self):
        """As the kernel would, without a warning."""
        self.process.kill()
        self.process.wait(timeout=END_SECONDS)
        self._close()
