"""Orthanc as docs/orthanc sets it up, and a door before the server that can be shut."""
import os
import re
import shutil
import socket
import subprocess
import threading

from . import client, program, proxy

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', '..', 'docs', 'orthanc')
BINARY = shutil.which('Orthanc', path=f'{os.environ.get("PATH", "")}:/usr/sbin')
PLUGINS = '/usr/share/orthanc/plugins'
LOOPBACK = os.path.join(os.path.dirname(os.path.realpath(program.BINARY)), 'tests', 'libloopback.so')
IS_HERE = bool(BINARY and shutil.which('storescu') and os.path.exists(f'{PLUGINS}/libOrthancPython.so')
               and os.path.exists(f'{PLUGINS}/libOrthancDicomWeb.so'))


class Archive:
    """Orthanc with docs/orthanc/orthanc.json, in a folder of its own. It differs from the shipped one in the ports, and with `lua` the
    lines that docs/orthanc.md names. `settings`: its CXRD_ variables."""

    def __init__(self, lua=False, **settings):
        self.lua, self.settings = lua, settings
        self.folder = program.new_folder('orthanc')
        self.log_path = os.path.join(self.folder, 'log')
        self.start()

    def start(self):
        """It wants to be told its ports, which others may take meanwhile: then it ends, and gets others."""
        for _ in range(10):
            self.address = ('127.0.0.1', proxy.free_port())
            self.dicom_port = proxy.free_port()
            before = len(self.log_text())
            with open(self.log_path, 'ab') as log:
                self.process = subprocess.Popen([BINARY, self.configuration()], cwd=self.folder, stdout=log, stderr=log,
                                                env=program.environment(LD_PRELOAD=LOOPBACK, **self.settings),
                                                preexec_fn=program.die_with_us)
            ready = 'Orthanc has started' if self.lua else 'from change'
            program.poll(lambda: ready in self.log_text()[before:] or self.process.poll() is not None, 'Orthanc starts or ends')
            if self.process.poll() is None:
                return
        raise AssertionError(f'Orthanc does not start: {self.log_text()[-3000:]}')

    def configuration(self):
        for script in ('cxrd.py', 'cxrd.lua'):
            shutil.copy(os.path.join(DOCS, script), self.folder)
        changes = [('"HttpPort": 8042', f'"HttpPort": {self.address[1]}'), ('"DicomPort": 4242', f'"DicomPort": {self.dicom_port}')]
        if self.lua:
            changes += [('  "PythonScript": "cxrd.py",\n', ''), ('"LuaScripts": []', '"LuaScripts": ["cxrd.lua"]')]
        with open(os.path.join(DOCS, 'orthanc.json'), encoding='utf-8') as shipped:
            text = proxy.replace(shipped.read(), changes)
        path = os.path.join(self.folder, 'orthanc.json')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
        return path

    def log_text(self):
        try:
            with open(self.log_path, encoding='utf-8', errors='replace') as log:
                return log.read()
        except FileNotFoundError:
            return ''

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        status = self.process.wait(timeout=program.END_SECONDS)
        if status != 0:
            raise AssertionError(f'Orthanc ended with {status}: {self.log_text()[-3000:]}')

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=program.END_SECONDS)

    # ---- what a user does ----

    def send(self, film):
        """storescu, as a modality would, of the bytes of a DICOM file; returns Orthanc's id of it."""
        path = os.path.join(program.new_folder('film'), 'film.dcm')
        with open(path, 'wb') as file:
            file.write(film)
        subprocess.run(['storescu', '127.0.0.1', str(self.dicom_port), path], check=True, timeout=program.END_SECONDS,
                       capture_output=True)
        return self.id_of(film)

    def id_of(self, film):
        """By the SOP Instance UID, (0002,0003)."""
        _, _, behind = film.partition(b'\x02\x00\x03\x00UI')
        uid = behind[2:2 + int.from_bytes(behind[:2], 'little')].rstrip(b'\0')
        found, = client.post(self, '/tools/lookup', uid).json()
        return found['ID']

    def ask(self, path, **headers):
        return client.get(self, path, **headers)

    def get(self, path, **headers):
        reply = self.ask(path, **headers)
        if reply.status != 200:
            raise AssertionError(f'{path}: {reply}')
        return reply.json()

    def note(self, instance, name):
        """A metadatum, None where the instance has none."""
        reply = self.ask(f'/instances/{instance}/metadata/{name}')
        return reply.body.decode() if reply.status == 200 else None

    def wait_state(self, instance, *states):
        """Until the instance is in one of the states; returns it."""
        def there():
            state = self.note(instance, 'CxrdState')
            if state in ('done', 'refused', 'failed') and state not in states:
                raise AssertionError(f'{state}, not {states}: {self.note(instance, "CxrdRefusal")}\n{self.log_text()[-2000:]}')
            return state if state in states else None

        return program.poll(there, f'instance {instance} is {states}')

    def find(self, study, **wanted):
        """QIDO-RS: the instances of a study of which this is true, as DICOM JSON."""
        query = '&'.join(f'{name}={value}' for name, value in wanted.items())
        return self.get(f'/dicom-web/studies/{study}/instances?{query}', Accept='application/dicom+json')

    def file(self, instance):
        return self.ask(f'/instances/{instance}/file').body


class Heads:
    """Finds the heads of requests in what goes over a connection; their bodies have a Content-Length."""

    def __init__(self, heads):
        self.heads, self.kept, self.left = heads, b'', 0

    def see(self, data):
        self.kept += data
        while self.kept:
            skipped = min(self.left, len(self.kept))
            self.kept, self.left = self.kept[skipped:], self.left - skipped
            head, end, behind = self.kept.partition(b'\r\n\r\n')
            if not end:
                return
            self.heads.append(head.decode('latin-1'))
            length = re.search(r'(?im)^content-length: *(\d+)', self.heads[-1])
            self.kept, self.left = behind, int(length[1]) if length else 0


class Door:
    """A port before a server. Until open() nothing listens there, and nobody else can take it; `heads` holds the head of every
    request that went through."""

    def __init__(self):
        self.socket = socket.socket()
        self.socket.bind(('127.0.0.1', 0))
        self.url = 'http://127.0.0.1:%d' % self.socket.getsockname()[1]
        self.heads = []

    def open(self, server):
        self.socket.listen()
        threading.Thread(target=self._let_in, args=(server.address,), daemon=True).start()

    def _let_in(self, address):
        while True:
            try:
                outer, _ = self.socket.accept()
            except OSError:
                return
            inner = socket.create_connection(address)
            threading.Thread(target=self._carry, args=(outer, inner, True), daemon=True).start()
            threading.Thread(target=self._carry, args=(inner, outer, False), daemon=True).start()

    def _carry(self, source, sink, is_request):
        requests = Heads(self.heads) if is_request else None
        try:
            while data := source.recv(1 << 16):
                if requests:
                    requests.see(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # nobody has opened it
        self.socket.close()
