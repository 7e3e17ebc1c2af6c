"""HTTP as a client sees it: whole requests through http.client, broken ones through a bare socket.

Every reply that the program itself made (it carries X-Request-Id) and no proxy has changed is remembered in SEEN, for
test_openapi.py to compare with openapi.yaml.
"""
import collections
import http.client
import json
import socket

from . import program

SECONDS = 300 * program.PATIENCE  # generous, as everything here

Seen = collections.namedtuple('Seen', 'method target status headers body')
SEEN = []
WHOLE_RUN = False  # whether all tests run, so that SEEN is all there is to see


class Reply:
    """A status, headers by lower-case name, a body."""

    def __init__(self, status, headers, body):
        self.status = status
        self.header_list = [(name.lower(), value) for name, value in headers]
        self.headers = dict(self.header_list)
        self.body = body

    def json(self):
        return json.loads(self.body, parse_constant=_not_json)

    def __repr__(self):
        return f'<{self.status} {self.body[:300]!r}>'


def _not_json(word):
    raise ValueError(f'{word} is no JSON')


def remember(method, target, reply):
    if 'x-request-id' in reply.headers and 'nginx' not in reply.headers.get('server', ''):
        SEEN.append(Seen(method, target, reply.status, reply.headers, reply.body))
    return reply


class Client:
    """One connection that is kept open as long as the server keeps it, as http.client does it."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection(*server.address, timeout=SECONDS)

    def request(self, method, target, body=None, **headers):
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        self.connection.request(method, target, body=body, headers=named)
        return self.answer(method, target)

    def answer(self, method, target):
        response = self.connection.getresponse()
        return remember(method, target, Reply(response.status, response.getheaders(), response.read()))

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(server, method, target, body=None, **headers):
    """One request on a connection of its own."""
    with Client(server) as client:
        return client.request(method, target, body, **headers)


def get(server, target, **headers):
    return request(server, 'GET', target, **headers)


def post(server, target, body=b'', **headers):
    return request(server, 'POST', target, body, **headers)


def post_json(server, target, value, **headers):
    body = value if isinstance(value, (bytes, str)) else json.dumps(value)
    return post(server, target, body, Content_Type='application/json', **headers)


# ---- bare sockets ----

class Broken(Exception):
    """The reply is no HTTP."""


class Raw:
    """A socket: bytes out, replies in."""

    def __init__(self, server):
        self.socket = socket.create_connection(server.address, timeout=SECONDS)
        self.file = self.socket.makefile('rb')

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has heard enough; what it answered is still to be read

    def reply(self, method='GET', target=None):
        """The next reply, or None at the end of the connection. Interim ones (100) are replies too."""
        try:
            line = self.file.readline()
        except ConnectionResetError:
            return None
        if not line:
            return None
        parts = line.split(None, 2)
        if len(parts) < 2 or not parts[0].startswith(b'HTTP/1.'):
            raise Broken(repr(line))
        status = int(parts[1])
        headers = []
        for line in iter(self.file.readline, b'\r\n'):
            name, colon, value = line.decode('latin-1').partition(':')
            if not colon:
                raise Broken(repr(line))
            headers.append((name, value.strip()))
        length = dict((name.lower(), value) for name, value in headers).get('content-length')
        empty = method == 'HEAD' or status < 200 or status in (204, 304)
        reply = Reply(status, headers, b'' if empty else self.file.read(int(length)) if length else self.file.read())
        return remember(method, target, reply) if target else reply

    def at_end(self):
        """Whether the server has closed the connection."""
        try:
            return self.file.read(1) == b''
        except ConnectionResetError:
            return True

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def talk(server, data, method='GET', target=None):
    """Send bytes and read all replies until the server closes the connection."""
    replies = []
    with Raw(server) as raw:
        raw.send(data)
        while True:
            reply = raw.reply(method, target)
            if reply is None:
                return replies
            replies.append(reply)


def everything(server, data):
    """Send bytes; all bytes that come back until the server closes the connection."""
    with Raw(server) as raw:
        raw.send(data)
        try:
            return raw.file.read()
        except ConnectionResetError:
            return b''


def head(method, target, *lines, host=True):
    """The bytes of a request's head."""
    first = f'{method} {target} HTTP/1.1'
    lines = ([first, 'Host: 127.0.0.1'] if host else [first]) + list(lines)
    return '\r\n'.join(lines).encode('latin-1') + b'\r\n\r\n'
