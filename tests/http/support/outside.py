"""Others, as the program meets them when it reaches out: HTTPS servers with a certificate of the tests' own, and a port
that must never be knocked at."""
import functools
import http.server
import os
import socket
import ssl
import subprocess
import threading

from . import program


@functools.lru_cache(maxsize=None)
def certificate():
    """A certificate that signs itself, for localhost and 127.0.0.1: (its file, the key's)."""
    folder = program.new_folder('tls')
    cert, key = os.path.join(folder, 'cert.pem'), os.path.join(folder, 'key.pem')
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
                    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
                    '-keyout', key, '-out', cert], check=True, capture_output=True)
    return cert, key


class Outside:
    """An HTTP server in a thread. `answer` gets the handler, with .body read, for every request; `requests` holds
    (method, path, headers, body) of all of them."""

    def __init__(self, answer, tls=True):
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
            context.load_cert_chain(*certificate())
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

    def __init__(self):
        self.socket = socket.create_server(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        self.caught = 0
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        while True:
            try:
                self.socket.accept()[0].close()
            except OSError:
                return
            self.caught += 1

    def stop(self):
        self.socket.close()
