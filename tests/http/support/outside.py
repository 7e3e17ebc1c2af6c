"""Others, as the program meets them when it reaches out: HTTPS servers with a certificate of the tests' own, and a port
that must never be knocked at."""
import functools
import hashlib
import hmac
import http.server
import os
import re
import socket
import ssl
import subprocess
import threading
import time

from . import program


@functools.lru_cache(maxsize=None)
def certificate(names='DNS:localhost,IP:127.0.0.1'):
    """A certificate that signs itself: (its file, the key's)."""
    folder = program.new_folder('tls')
    cert, key = os.path.join(folder, 'cert.pem'), os.path.join(folder, 'key.pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
                    '-subj', '/CN=localhost', '-addext', f'subjectAltName={names}',
                    '-keyout', key, '-out', cert], check=True, capture_output=True)
    return cert, key


class Outside:
    """An HTTP server in a thread. `answer` gets the handler, with .body read, for every request; `requests` holds
    (method, path, headers, body) of all of them."""

    def __init__(self, answer, tls=True, cert=None):
        outer = self
        self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'

            def do_GET(self):  # pylint: disable=invalid-name
                length = int(self.headers.get('content-length', 0))
                self.body = self.rfile.read(length)  # pylint: disable=attribute-defined-outside-init
                outer.requests.append((self.command, self.path, dict((k.lower(), v) for k, v in self.headers.items()), self.body))
                answer(self)

            do_POST = do_GET

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):  # a client that went away is no news
                pass

        self.http = Server(('127.0.0.1', 0), Handler)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*(cert or certificate()))
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        self.url = f'{"https" if tls else "http"}://127.0.0.1:{self.port}'
        threading.Thread(target=self.http.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()


def say(handler, status, body=b'', **headers):
    """A whole reply, after which the connection ends."""
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace('_', '-'), value)
    handler.send_header('Content-Length', str(len(body)))
    handler.send_header('Connection', 'close')
    handler.end_headers()
    handler.wfile.write(body)
    handler.close_connection = True


class Trap:
    """A port that counts who connects."""

    def __init__(self, address='127.0.0.1'):
        self.address = address
        self.socket = socket.create_server((address, 0), family=socket.AF_INET6 if ':' in address else socket.AF_INET)
        self.port = self.socket.getsockname()[1]
        self.seen = []
        self.own = set()
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        while True:
            try:
                connection, peer = self.socket.accept()
            except OSError:
                return
            connection.close()
            self.seen.append(peer)

    @property
    def caught(self):
        """How many have connected so far. It connects itself: who came before is accepted before."""
        with socket.create_connection((self.address, self.port)) as last:
            self.own.add(last.getsockname())
            program.poll(lambda: last.getsockname() in self.seen, 'the trap sees its own')
        return sum(peer not in self.own for peer in self.seen)

    def stop(self):
        self.socket.close()


class DataHost(Outside):
    """Files behind HTTPS, with ranges and ETags as RFC 9110 has them; a bucket of S3 where `keys` is (id, secret, region).

    cuts[path] holds for each of the next requests how many bytes it gets before the connection breaks. While `gate` is
    not set, a request gets `before_gate` bytes and waits."""

    def __init__(self, files, keys=None, ranges=True):
        super().__init__(self.serve)
        self.files = files
        self.keys = keys
        self.ranges = ranges
        self.cuts = {}
        self.status = None  # in place of every answer
        self.rest_has_tag = True
        self.rest_length = None  # what a reply to a range says that it has, in place of what it has
        self.gate = threading.Event()
        self.gate.set()
        self.before_gate = 5000
        self.pace = (1000, 0)  # bytes, and the pause behind them
        self.sent = {}

    def stop(self):
        self.gate.set()
        super().stop()

    def etag(self, path):
        return '"' + hashlib.sha256(self.files[path]).hexdigest()[:16] + '"'

    def serve(self, handler):
        path = handler.path.split('?')[0]
        if self.status:
            say(handler, self.status)
        elif self.keys and not signed_for_s3(handler, *self.keys):
            say(handler, 403, b'<Error><Code>SignatureDoesNotMatch</Code></Error>')
        elif path not in self.files:
            say(handler, 404)
        else:
            self.send(handler, path)

    def send(self, handler, path):
        body, start = self.files[path], 0
        asked = handler.headers.get('Range')
        if self.ranges and asked and handler.headers.get('If-Range') == self.etag(path):
            start = int(asked.removeprefix('bytes=').rstrip('-'))
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header('Content-Range', f'bytes {start}-{len(body) - 1}/{len(body)}')
        if not start or self.rest_has_tag:
            handler.send_header('ETag', self.etag(path))
        handler.send_header('Content-Length', str(start and self.rest_length or len(body) - start))
        handler.send_header('Connection', 'close')
        handler.end_headers()
        handler.close_connection = True
        body = body[start:]
        cuts = self.cuts.get(path)
        if cuts:
            body = body[:cuts.pop(0)]
        if not self.gate.is_set():
            handler.wfile.write(body[:self.before_gate])
            handler.wfile.flush()
            body = body[self.before_gate:]
            self.gate.wait(60)
        size, seconds = self.pace
        for at in range(0, len(body), size) if seconds else ():
            handler.wfile.write(body[at:at + size])
            time.sleep(seconds)
        handler.wfile.write(b'' if seconds else body)
        self.sent[path] = self.sent.get(path, 0) + len(body)

    def asked(self, path):
        """(Range, If-Range) of every request for a file."""
        return [(headers.get('range'), headers.get('if-range')) for _, at, headers, _ in self.requests if at.split('?')[0] == path]


def signed_for_s3(handler, key_id, secret, region):
    """Whether a request carries AWS Signature Version 4, computed here from its description."""
    match = re.fullmatch(r'AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?'
                         r'Signature=([0-9a-f]{64})', handler.headers.get('Authorization', ''))
    if not match or match.group(1) != key_id or match.group(3) != region:
        return False
    day, names = match.group(2), match.group(4).split(';')
    if not {'host', 'x-amz-date', 'x-amz-content-sha256'} <= set(names):
        return False
    path, _, query = handler.path.partition('?')
    headers = ''.join(f'{name}:{" ".join(handler.headers[name].split())}\n' for name in names)
    payload = handler.headers['x-amz-content-sha256']
    if payload not in ('UNSIGNED-PAYLOAD', hashlib.sha256(b'').hexdigest()):
        return False
    canonical = '\n'.join([handler.command, path, query, headers, ';'.join(names), payload])
    scope = f'{day}/{region}/s3/aws4_request'
    text = '\n'.join(['AWS4-HMAC-SHA256', handler.headers['x-amz-date'], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f'AWS4{secret}'.encode()
    for part in (day, region, 's3', 'aws4_request'):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), match.group(5))
