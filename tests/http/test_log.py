"""A log whose reader stalls: nothing waits for it, and what is lost is counted."""
import fcntl
import json
import os
import socket
import threading

from support import client, program
from support.case import Case

MANY = 2500  # requests, whose lines are more than a pipe holds and the server keeps


class Stalled(Case):

    def setUp(self):
        self.reader, writer = os.pipe()
        self.addCleanup(lambda: os.close(self.reader))
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        self.server = program.Server(stderr=writer)
        os.close(writer)
        self.addCleanup(self.server.kill)

    def ask_many(self, first, n):
        """GET /livez in a row, each with the number as its id; all are answered."""
        with socket.create_connection(self.server.address, timeout=60) as s:
            asked = b''.join(b'GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: number-%d\r\n%s\r\n'
                             % (i, b'Connection: close\r\n' if i == first + n - 1 else b'') for i in range(first, first + n))
            sender = threading.Thread(target=s.sendall, args=(asked,), daemon=True)
            sender.start()
            got = bytearray()
            while (some := s.recv(1 << 16)):
                got += some
            sender.join()
        self.assertEqual(got.count(b'HTTP/1.1 200'), n)

    def lost(self):
        for line in client.get(self.server, '/metrics').body.decode().splitlines():
            if line.startswith('cxrd_log_lines_lost_total '):
                return int(line.split()[1])
        return None

    def read_log(self, enough):
        """The lines that come until they are enough, as objects."""
        text = b''
        lines = []

        def more():
            nonlocal text, lines
            try:
                text += os.read(self.reader, 1 << 16)
            except BlockingIOError:
                pass
            lines = [json.loads(line) for line in text.split(b'\n')[:-1]]
            return enough(lines)

        os.set_blocking(self.reader, False)
        program.poll(more, 'the log says so')
        return lines

    def test_row_42_a_reader_of_the_log_that_stalls_stops_nothing(self):
        self.ask_many(0, MANY)
        lost = self.lost()
        self.assertGreater(lost, 0)
        self.assertEqual(client.get(self.server, '/readyz').status, 503)  # no model: an answer all the same

        def numbers(lines):
            return [int(x['request_id'].removeprefix('number-')) for x in lines if x.get('request_id', '').startswith('number-')]

        lines = self.read_log(lambda lines: any(x['message'] == 'log lines lost' for x in lines))
        written = numbers(lines)
        self.assertEqual(written, list(range(len(written))), 'in order, and only what comes last is missing')
        report = next(x for x in lines if x['message'] == 'log lines lost')
        self.assertEqual(lines[-1], report, 'the gap is where the line says so')
        self.assertGreaterEqual(report['lost'], MANY - len(written))
        self.assertGreaterEqual(self.lost(), report['lost'])
        self.ask_many(MANY, 3)
        lines = self.read_log(lambda lines: len(numbers(lines)) >= 3)
        self.assertEqual(numbers(lines), [MANY, MANY + 1, MANY + 2], 'and then it goes on')

    def test_row_42_a_reader_of_the_log_that_stalls_stops_no_end(self):
        self.ask_many(0, MANY)
        self.server.terminate()
        self.assertEqual(self.server.wait(), 0)

    def test_row_42_the_last_lines_are_written_for_a_reader_who_is_slow(self):
        self.ask_many(0, 100)
        self.server.terminate()
        lines = self.read_log(lambda lines: any(x['message'] == 'stopping' for x in lines))
        self.assertEqual(sum(x['message'] == 'request' for x in lines), 100)
        self.assertEqual(self.server.wait(), 0)

    def test_row_42_a_log_without_a_reader_is_counted(self):
        os.close(self.reader)
        self.reader = os.open('/dev/null', os.O_RDONLY)
        self.ask_many(0, 10)
        program.poll(lambda: self.lost() >= 10, 'they are counted')
