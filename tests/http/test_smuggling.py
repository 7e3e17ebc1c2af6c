"""The same bytes for the server and for a strict reader of RFC 9112: they agree on where every head and every body
ends, and on what is refused. Behind each case stands a marker, a request of its own: behind valid requests it is answered
once, behind a refusal never."""
import collections
import random
import unittest

from support import client, program, rfc9112
from support.case import ServerCase

CASES = 800
SEED = 9112
HIDDEN = b'GET /livez HTTP/1.1\r\nHost: h\r\nX-Request-Id: smuggled\r\n\r\n'  # never a request: it stands in bodies
JOB = b'POST /jobs/train HTTP/1.1'


def request(line, *fields, body=b''):
    return b'\r\n'.join([line, b'Host: 127.0.0.1', *fields]) + b'\r\n\r\n' + body


def folds():
    """A line that goes on in the next, which libmicrohttpd makes a part of the header's name."""
    for blank in (b' ', b'\t', b'  '):
        for name, value in ((b'Content-Length', b'%d' % len(HIDDEN)), (b'Transfer-Encoding', b'chunked'), (b'Host', b'evil'), (b'X', b'y')):
            yield request(JOB, name + b':\r\n' + blank + value, body=HIDDEN)
            yield request(JOB, name + b': ' + value + b'\r\n' + blank + b'x', body=HIDDEN)
            yield request(JOB, b'X: y\r\n' + blank + name + b': ' + value, body=HIDDEN)
    yield JOB + b'\r\n Content-Length: 5\r\nHost: h\r\n\r\nabcde'


def bytes_of_their_own():
    """Control characters, and line ends of one byte, everywhere."""
    whole = request(JOB, b'Content-Length: 3', b'X-Request-Id: a', body=b'abc')
    head = whole.index(b'\r\n\r\n') + 4
    for character in (b'\0', b'\1', b'\x0b', b'\x0c', b'\x1b', b'\x7f', b'\r', b'\n'):
        for at in range(1, head, 7):
            yield whole[:at] + character + whole[at:]
    for at in [i for i in range(head) if whole[i:i + 2] == b'\r\n']:
        yield whole[:at] + whole[at + 1:]           # LF alone
        yield whole[:at + 1] + whole[at + 2:]       # CR alone
    yield request(b'GET /jobs\0/../x HTTP/1.1')
    yield request(JOB, b'Transfer-Encoding: chunked\0x', body=b'0\r\n\r\n')
    yield JOB + b'\r\nHost: 127.0.0.1\0.evil\r\n\r\n'


def lengths():
    for value in (b'3', b'003', b'+3', b'-3', b'3, 3', b'3 3', b'3 ', b' 3\t', b'3,', b',3', b'0x3', b'3.0', b'', b'3;', b'"3"', b'3e0',
                  b'\xb3', b'9223372036854775808', b'18446744073709551619', b'99999999999999999999999', b'3\t3', b'three'):
        yield request(JOB, b'Content-Length: ' + value, body=b'abc')
        yield request(JOB, b'content-length:' + value, body=b'abc')
    for first, second in ((b'3', b'3'), (b'3', b'30'), (b'0', b'%d' % len(HIDDEN))):
        yield request(JOB, b'Content-Length: ' + first, b'Content-Length: ' + second, body=HIDDEN)
        yield request(JOB, b'Content-Length: ' + first, b'Transfer-Encoding: chunked', body=b'0\r\n\r\n' + HIDDEN)
        yield request(JOB, b'Transfer-Encoding: chunked', b'Content-Length: ' + first, body=b'0\r\n\r\n' + HIDDEN)


def codings():
    for value in (b'chunked', b'CHUNKED', b' chunked ', b'chunked,', b'chunked, chunked', b'gzip, chunked', b'chunked, gzip', b'identity',
                  b'chunked;q=1', b'"chunked"', b'x chunked', b'\tchunked', b'', b',chunked', b'gzip', b'xchunked', b'chunke\xe4'):
        for name in (b'Transfer-Encoding', b'transfer-encoding', b'Transfer_Encoding', b'Transfer-Encoding '):
            yield request(JOB, name + b': ' + value, body=b'3\r\nabc\r\n0\r\n\r\n' if name != b'Transfer_Encoding' else b'')
    yield JOB.replace(b'1.1', b'1.0') + b'\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'


def chunks():
    n = b'%x' % len(HIDDEN)
    for body in (n + b'\r\n' + HIDDEN + b'\r\n0\r\n\r\n', n.upper() + b';a\r\n' + HIDDEN + b'\r\n00\r\n\r\n',
                 b'000' + n + b' ; a = "b;\\"c" ;d\r\n' + HIDDEN + b'\r\n0;x=y\r\nA: b\r\nC:d\r\n\r\n',
                 n + b'\n' + HIDDEN + b'\r\n0\r\n\r\n', n + b'\r\n' + HIDDEN + b'\n0\r\n\r\n', n + b'\r\n' + HIDDEN + b'\r\n0\n\r\n',
                 n + b'\r\n' + HIDDEN + b'\r\n0\r\n\n', n + b'\r' + HIDDEN + b'\r\n0\r\n\r\n', n + b' \r\n' + HIDDEN + b'\r\n0\r\n\r\n',
                 b' ' + n + b'\r\n' + HIDDEN + b'\r\n0\r\n\r\n', b'0x' + n + b'\r\n' + HIDDEN + b'\r\n0\r\n\r\n',
                 b'+' + n + b'\r\n' + HIDDEN + b'\r\n0\r\n\r\n', b'-1\r\n', b'\r\n0\r\n\r\n', b';a\r\n', b'g\r\n', b'3\r\nabcd\r\n0\r\n\r\n',
                 b'3\r\nab\r\n0\r\n\r\n', b'3\r\nabc0\r\n\r\n', b'3;a=\r\nabc\r\n0\r\n\r\n', b'3;a="\r\nabc\r\n0\r\n\r\n',
                 b'3;a\0\r\nabc\r\n0\r\n\r\n', b'3;=b\r\nabc\r\n0\r\n\r\n', b'3;\r\nabc\r\n0\r\n\r\n', b'3 3\r\nabc\r\n0\r\n\r\n',
                 b'3' + b';a' * 600 + b'\r\nabc\r\n0\r\n\r\n', b'f' * 15 + b'\r\n' * 0 + b'f\r\nabc', b'10000000000000000\r\nabc',
                 b'10000000000000003\r\nabc\r\n0\r\n\r\n', b'0\r\n A: b\r\n\r\n', b'0\r\nA b\r\n\r\n', b'0\r\nA : b\r\n\r\n', b'0\r\nA: \0\r\n\r\n',
                 b'0\r\nA: b\n\r\n', b'0\r\n:b\r\n\r\n', b'0\r\nContent-Length: 9\r\nTransfer-Encoding: x\r\n\r\n', b'0\r\n\r\n',
                 b'0\r\nCxrd-Fault: 400 x\r\n\r\n', b'1\r\na\r\n' * 50 + b'0\r\n\r\n'):
        yield request(JOB, b'Transfer-Encoding: chunked', body=body)


def lines():
    """Request lines, hosts and header lines that are nearly right."""
    for line in (b'GET /livez HTTP/1.1', b'GET  /livez HTTP/1.1', b'GET /livez  HTTP/1.1', b'GET /livez HTTP/1.1 ', b' GET /livez HTTP/1.1',
                 b'GET\t/livez HTTP/1.1', b'GET /a b HTTP/1.1', b'GET /livez', b'GET /livez HTTP/1', b'GET /livez http/1.1', b'GET /livez HTTP/1.2',
                 b'GET /livez HTTP/2.0', b'GET /livez HTTP/0.9', b'GET /livez HTTP/1.10', b'GET /livez HTTP/11', b'GET /livez HTTP /1.1',
                 b'GET livez HTTP/1.1', b'GET /livez#x HTTP/1.1', b'GET ?x HTTP/1.1', b'GET * HTTP/1.1', b'OPTIONS * HTTP/1.1', b'options * HTTP/1.1',
                 b'GET http://h/livez HTTP/1.1', b'GET HTTP://h:80/livez?x HTTP/1.1', b'GET https://h HTTP/1.1', b'GET http://h?x HTTP/1.1',
                 b'OPTIONS http://h HTTP/1.1', b'GET http:///livez HTTP/1.1', b'GET http://u@h/livez HTTP/1.1', b'GET http://h:x/ HTTP/1.1',
                 b'GET http://[::1]:1/livez HTTP/1.1', b'GET ftp://h/ HTTP/1.1', b'GET http:/livez HTTP/1.1', b'CONNECT h:80 HTTP/1.1', b'CONNECT / HTTP/1.1',
                 b'GET /%00 HTTP/1.1', b'GET /\xc3\xa9 HTTP/1.1', b'GET /' + b'a' * 4094 + b' HTTP/1.1', b'GET /' + b'a' * 4095 + b' HTTP/1.1',
                 b'G@T /livez HTTP/1.1', b'"GET" /livez HTTP/1.1', b'F\xc3\xb6 /livez HTTP/1.1', b'F_!~ /livez HTTP/1.1', b'', b'GET', b'/livez',
                 b'PRI * HTTP/2.0'):
        yield request(line)
    for value in (b'h', b'h:80', b'h:', b'[::1]', b'[::1]:80', b'', b'h h', b'h/x', b'h,h', b'h@h', b'[::1', b'::1', b'h:8x', b'h\xe9', b'[v1.x]',
                  b'[]', b'%41', b'%4', b':80', b'h?', b'h#', b'127.0.0.1'):
        yield b'GET /livez HTTP/1.1\r\nHost: ' + value + b'\r\n\r\n'
    for field in (b'A: b', b'A:b', b'A:', b'A:\t b \t', b'A : b', b'A\t: b', b' A: b', b': b', b'A b', b'A', b'A\xe9: b', b'A: \xe9', b'A(: b', b'A,: b',
                  b'A;: b', b'A:: b', b'Cxrd-Fault: 400 x', b'Cxrd-Target: /predict', b'Content-Length\t: 0', b'Content-Length : 0', b'host: h', b'HOST : h',
                  b'X-Request-Id: ' + b'x' * 300, b'Authorization: Bearer ' + b'k' * 300, b'Connection: x, keep-alive', b'Upgrade: h2c'):
        yield request(b'GET /livez HTTP/1.1', field)
    for name in (b'Authorization', b'Content-Type', b'Idempotency-Key', b'Origin', b'Accept', b'Cookie', b'X-Request-Id'):
        yield request(b'GET /livez HTTP/1.1', name + b': a', name.lower() + b': a')
    yield b'\r\n\r\n' + request(b'GET /livez HTTP/1.1')
    yield b'\n' + request(b'GET /livez HTTP/1.1')
    yield b'\r' + request(b'GET /livez HTTP/1.1')
    yield b'GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n'
    yield b'GET /livez HTTP/1.1\r\n\r\n'
    yield b'GET /livez HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n'
    yield request(b'GET /livez HTTP/1.1', *[b'X-%d: %s' % (i, b'y' * 70) for i in range(200)])
    yield request(b'GET /livez HTTP/1.1', *[b'X-%d: %s' % (i, b'y' * 70) for i in range(220)])
    yield request(b'GET /livez?' + b'&' * 1000 + b' HTTP/1.1')


def mixed(rng):
    """Valid parts put together at random, and at random one of them spoilt."""
    fields = [b'Accept: */*', b'x-a:\t1 ', b'Cookie: a=b; c="d"', b'Connection: keep-alive', b'TE: trailers', b'Expect: nothing', b'Range: bytes=0-1']
    body = rng.choice([b'', b'abc', HIDDEN, HIDDEN * 40])
    parts = rng.sample(fields, rng.randrange(len(fields)))
    if rng.random() < 0.5:
        at, framed = 0, b''
        while at < len(body):
            n = rng.randrange(1, len(body) + 1)
            framed += b'%0*x' % (rng.randrange(4), len(body[at:at + n])) + rng.choice([b'', b';a=b']) + b'\r\n' + body[at:at + n] + b'\r\n'
            at += n
        parts.insert(rng.randrange(len(parts) + 1), rng.choice([b'Transfer-Encoding: chunked', b'TRANSFER-ENCODING:Chunked']))
        framed += rng.choice([b'0\r\n\r\n', b'0\r\nA: b\r\n\r\n'])
    else:
        framed = body
        parts.insert(rng.randrange(len(parts) + 1), b'Content-Length: %d' % len(body))
    case = request(rng.choice([JOB, b'POST /nothing HTTP/1.1']), *parts, body=framed)
    if case.startswith(JOB) and rng.random() < 0.6:
        at = rng.randrange(case.index(b'\r\n\r\n') + 4)
        case = rng.choice([lambda: case[:at] + bytes([rng.choice(b'\0\t\n\r ,:;\x0b\x7f\xe9')]) + case[at:], lambda: case[:at] + case[at + 1:],
                           lambda: case[:at] + bytes([rng.randrange(256)]) + case[at + 1:]])()
    return rng.randrange(2) * request(b'GET /livez HTTP/1.1', b'X-Request-Id: first') + case


def cases():
    rng = random.Random(SEED)
    every = [case for make in (folds, bytes_of_their_own, lengths, codings, chunks, lines) for case in make()]
    while len(every) < CASES:
        every.append(mixed(rng))
    return every


class Differential(ServerCase):

    def expected(self, data):
        """The requests of a stream as the strict reader sees them, and the statuses of the refusal that ends it."""
        requests = []
        while data:
            try:
                one, size = rfc9112.read(data)
            except rfc9112.Refused as refused:
                return requests, refused.statuses
            except rfc9112.Incomplete:
                return requests, {None}
            requests.append(one)
            data = data[size:]
        return requests, set()

    def replies(self, data, methods):
        replies = []
        with client.Raw(self.server) as raw:
            raw.send(data)
            while True:
                reply = raw.reply(methods[len(replies)] if len(replies) < len(methods) else 'GET')
                if reply is None:
                    return replies
                if reply.status != 100:
                    replies.append(reply)

    def check(self, i, case):
        marker = b'GET /version HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nX-Request-Id: marker-%d\r\n\r\n' % i
        requests, refusal = self.expected(case + marker)
        if refusal == {None}:
            return 'incomplete'  # it waits for more, as it should; its time limit has tests of its own
        replies = self.replies(case + marker, [one.method.decode('latin-1') for one in requests])
        self.assertEqual(len(replies), len(requests) + len(refusal and {1}), replies)
        marked = [reply.headers['x-request-id'] for reply in replies].count(f'marker-{i}')
        if refusal:
            self.assert_problem(replies[-1], replies[-1].status)
            self.assertIn(replies[-1].status, refusal)
            self.assertEqual(replies[-1].headers['connection'].lower(), 'close')
            self.assertEqual(marked, 0)
            return 'refused'
        self.assertEqual(marked, 1)
        self.assertEqual(replies[-1].status, 200)
        self.bodies.update((reply.headers['x-request-id'], len(one.body)) for reply, one in zip(replies, requests))
        return 'valid'

    def test_row_38_every_head_and_body_ends_where_a_strict_reader_says(self):
        self.bodies = collections.Counter()  # (id, bytes of the body) of the requests that were answered
        every = cases()
        told = []
        for i, case in enumerate(every):
            with self.subTest(i=i, case=case[:300]):
                told.append(self.check(i, case))
        self.assertGreater(told.count('valid'), 100)
        self.assertGreater(told.count('refused'), 300)
        self.assertLess(told.count('incomplete'), 30)
        self.check_bodies()

    def check_bodies(self):
        """The log says of each request, in lines that come after the answers, how many bytes its body had."""
        def logged(*fields):
            lines = [line for line in self.server.log() if line['message'] == 'request']
            return collections.Counter(tuple(line[field] for field in fields) for line in lines)

        ids = collections.Counter((name,) for name, _ in self.bodies.elements())
        program.poll(lambda: ids <= logged('request_id'), 'all are logged')
        self.assertEqual(self.bodies - logged('request_id', 'bytes'), collections.Counter())


if __name__ == '__main__':
    unittest.main()
