#!/usr/bin/python3
"""10,000 slow connections beside honest clients: does anybody notice?

    CXRD_BIN=build/release/cxrd tests/torture/slow.py [--connections 10000] [--seconds 20]

Half of the slow ones never end their head, half never end their body; each sends a byte every few seconds. Eight honest
clients predict all the time, before and meanwhile. Fails when the honest p99 more than doubles, a request fails, memory
grows by more than 150 MB, or a slow connection is left 35 s after the last one came.
"""
import argparse
import os
import resource
import selectors
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'http'))
sys.dont_write_bytecode = True

from support import client, dataset, picture, program  # noqa: E402
from support.case import import_model  # noqa: E402

HONEST = 8


def resident(pid):
    with open(f'/proc/{pid}/statm', encoding='ascii') as statm:
        return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def honest(server, seconds):
    """Latencies of clients that predict for so long, and how many requests failed."""
    film, took, failed = picture.noise(1, 256, 256), [], []
    end = time.monotonic() + seconds

    def one():
        with client.Client(server) as mine:
            while time.monotonic() < end:
                begun = time.monotonic()
                try:
                    if mine.request('POST', '/predict', film).status != 200:
                        failed.append('status')
                except OSError as error:
                    failed.append(repr(error))
                    mine.close()
                took.append(time.monotonic() - begun)

    threads = [threading.Thread(target=one) for _ in range(HONEST)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(took), failed


def p99(took):
    return took[int(len(took) * 0.99)] * 1e3


class Crowd(threading.Thread):
    """The slow ones."""

    def __init__(self, address, connections):
        super().__init__(daemon=True)
        self.address, self.connections = address, connections
        self.all_there = threading.Event()
        self.gone_at = None

    def run(self):
        heads = (b'POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ',
                 b'POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n')
        look = selectors.DefaultSelector()
        left = {}
        for i in range(self.connections):
            one = socket.create_connection(self.address)
            one.sendall(heads[i % 2])
            one.setblocking(False)
            look.register(one, selectors.EVENT_READ)
            left[one] = time.monotonic()
            if i % 100 == 99:
                time.sleep(0.02)
        self.all_there.set()
        while left:
            for key, _ in look.select(0.2):
                look.unregister(key.fileobj)
                left.pop(key.fileobj)
                key.fileobj.close()
            now = time.monotonic()
            for one, last in list(left.items()):
                if now - last > 3:
                    left[one] = now
                    try:
                        one.send(b'a')
                    except OSError:
                        pass
        self.gone_at = time.monotonic()


def crowd_process(address, connections, report):
    """Run the crowd in a child; it writes a byte when all are there, another when none is left."""
    pid = os.fork()
    if pid:
        return pid
    crowd = Crowd(address, connections)
    crowd.start()
    crowd.all_there.wait()
    os.write(report, b'1')
    crowd.join()
    os.write(report, b'0')
    os._exit(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--connections', type=int, default=10000)
    parser.add_argument('--seconds', type=int, default=20)
    arguments = parser.parse_args()
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit < arguments.connections + 1000:
        print(f'slow: only {limit} descriptors may be open here', file=sys.stderr)
        return 2
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    server = program.Server('--log-level', 'off', '--queue', '256')
    import_model(server, dataset.weights())
    honest(server, 2)
    before, failed = honest(server, arguments.seconds)
    memory = resident(server.pid)
    reader, writer = os.pipe()
    pid = crowd_process(server.address, arguments.connections, writer)
    os.read(reader, 1)
    there = time.monotonic()
    meanwhile, failed_meanwhile = honest(server, arguments.seconds)
    grown = (resident(server.pid) - memory) / 1e6
    os.read(reader, 1)
    gone = time.monotonic() - there
    os.waitpid(pid, 0)
    ratio = p99(meanwhile) / p99(before)
    server.stop()
    print(f'{arguments.connections} slow connections: honest p99 {p99(before):.1f} -> {p99(meanwhile):.1f} ms ({ratio:.2f}x), '
          f'{len(before)} -> {len(meanwhile)} requests, {len(failed) + len(failed_meanwhile)} failed, '
          f'memory +{grown:.0f} MB, all slow ones gone after {gone:.1f} s')
    ok = ratio <= 2 and not failed and not failed_meanwhile and grown <= 150 and gone <= 35
    print('ok' if ok else f'not ok {failed[:3]} {failed_meanwhile[:3]}')
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
