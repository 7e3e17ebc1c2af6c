"""A strict reader of HTTP/1.1 requests, plainly from RFC 9112 and 9110: where each request of a stream ends, or which
status its refusal deserves. It shares nothing with the server but the RFCs and the limits that docs/limits.md promises."""
import collections
import re

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
SHOWN = rb'[\x21-\x7e\x80-\xff]'
VALUE = rb'(?:%s(?:[ \t\x21-\x7e\x80-\xff]*%s)?)?' % (SHOWN, SHOWN)
REQUEST_LINE = re.compile(rb'(%s) (%s+) HTTP/([0-9])\.([0-9])' % (TOKEN, SHOWN))
FIELD = re.compile(rb'(%s):[ \t]*(%s)[ \t]*' % (TOKEN, VALUE))
NAME = rb"(?:[0-9A-Za-z\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+"
HOST = re.compile(rb'(?:%s|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?' % NAME)
ABSOLUTE = re.compile(rb'[hH][tT][tT][pP][sS]?://([^/?#]*)([^#]*)')
ORIGIN_FORM = re.compile(rb'/[^#]*')
QUOTED = rb'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"'
CHUNK = re.compile(rb'([0-9A-Fa-f]+)(?:[ \t]*;[ \t]*%s(?:[ \t]*=[ \t]*(?:%s|%s))?)*' % (TOKEN, TOKEN, QUOTED))
ONCE = (b'authorization', b'content-encoding', b'content-type', b'idempotency-key', b'origin')
MAX_HEAD, MAX_TARGET, MAX_BODY = 16384, 4095, 64 << 10

Request = collections.namedtuple('Request', 'method target host head body')  # head: its size; body: its bytes


class Refused(Exception):
    """Carries the statuses that are right: one for each fault."""

    def __init__(self, *statuses):
        super().__init__(statuses)
        self.statuses = set(statuses)


class Incomplete(Exception):
    """More has to come."""


def target_of(method, target, host):
    """The path with the query, and the host that it is asked of."""
    if ORIGIN_FORM.fullmatch(target) and method != b'CONNECT':
        return target, host
    if target == b'*' and method == b'OPTIONS':
        return target, host
    absolute = ABSOLUTE.fullmatch(target)
    if not absolute or method == b'CONNECT' or not HOST.fullmatch(absolute[1]):
        raise Refused(400)
    path = absolute[2]
    if not path and method == b'OPTIONS':
        path = b'*'
    return path if path.startswith((b'/', b'*')) else b'/' + path, absolute[1]


def framing_of(fields, minor):
    """('length', n) or ('chunked', 0)."""
    lengths = [value for name, value in fields if name == b'content-length']
    codings = [value for name, value in fields if name == b'transfer-encoding']
    faults = set()
    if lengths and codings or len(lengths) > 1 or len(codings) > 1 or codings and minor == 0:
        faults.add(400)
    for coding in codings:
        parts = [part.strip(b' \t').lower() for part in coding.split(b',')]
        if parts[-1] != b'chunked' or b'chunked' in parts[:-1] or not all(re.fullmatch(TOKEN, part) for part in parts):
            faults.add(400)
        elif len(parts) > 1:
            faults.add(501)
    for length in lengths:
        if not re.fullmatch(rb'[0-9]+', length):
            faults.add(400)
        elif int(length) >= 1 << 63:
            faults.add(413)
    if faults:
        raise Refused(*faults)
    return ('chunked', 0) if codings else ('length', int(lengths[0]) if lengths else 0)


def read_head(data):
    """(method, target, host, framing) of the lines of a head."""
    lines = data.split(b'\r\n')
    first = REQUEST_LINE.fullmatch(lines[0])
    fields = [FIELD.fullmatch(line) for line in lines[1:]]
    if not first or not all(fields):
        raise Refused(400)
    fields = [(match[1].lower(), match[2]) for match in fields]
    method, target, major, minor = first[1], first[2], int(first[3]), int(first[4])
    names = collections.Counter(name for name, _ in fields)
    hosts = [value for name, value in fields if name == b'host']
    faults = set()
    if major != 1:
        faults.add(505)
    if len(hosts) > 1 or not hosts and minor > 0 or not all(HOST.fullmatch(host) for host in hosts):
        faults.add(400)
    if any(names[name] > 1 for name in ONCE) or b'%00' in target:
        faults.add(400)
    for step in (lambda: target_of(method, target, hosts[0] if hosts else b''), lambda: framing_of(fields, minor)):
        try:
            step()
        except Refused as refused:
            faults |= refused.statuses
    if faults:
        raise Refused(*faults)
    path, host = target_of(method, target, hosts[0] if hosts else b'')
    if len(path) > MAX_TARGET:
        raise Refused(414)
    return method, path, host, framing_of(fields, minor)


def line_at(data, at, most):
    """A line of the chunked coding, and where the next begins."""
    end = data.find(b'\r\n', at)
    line = data[at:end] if end >= 0 else data[at:]
    if re.search(rb'[\x00-\x08\x0a-\x1f\x7f]', line[:-1] if end < 0 and line.endswith(b'\r') else line) or len(line) > most:
        raise Refused(400)
    if end < 0:
        raise Incomplete
    return line, end + 2


def read_chunks(data):
    """The body, and how many bytes it took."""
    at, body = 0, b''
    while True:
        line, at = line_at(data, at, 1000)
        match = CHUNK.fullmatch(line)
        if not match:
            raise Refused(400)
        size = int(match[1], 16)
        if size >= 1 << 60:
            raise Refused(413)
        if size == 0:
            break
        body += data[at:at + size]
        at += size
        behind = data[at:at + 2]
        if not b'\r\n'.startswith(behind):
            raise Refused(400)
        if len(behind) < 2:
            raise Incomplete
        at += 2
    while True:
        line, at = line_at(data, at, 1000)
        if not line:
            return body, at
        if not FIELD.fullmatch(line):
            raise Refused(400)


def read(data):
    """The next request of a stream, and how many bytes it took."""
    skipped = 0
    while data.startswith(b'\r\n', skipped):
        skipped += 2
    end = data.find(b'\r\n\r\n', skipped)
    if end < 0:
        raise Incomplete
    method, target, host, (kind, length) = read_head(data[skipped:end])
    if end + 4 - skipped > MAX_HEAD:
        raise Refused(431)
    at = end + 4
    if kind == 'chunked':
        body, size = read_chunks(data[at:])
    else:
        body, size = data[at:at + length], length
        if len(body) < length:
            raise Incomplete
    return Request(method, target, host, at, body), at + size
