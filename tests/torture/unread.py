#!/usr/bin/python3
"""The cost of replies that nobody reads, and how long an end takes behind the dearest pictures there are.

    CXRD_BIN=build/release/cxrd tests/torture/unread.py [--connections 12000]

Prints resident memory before, with and 30 s after that many connections each of which asked for the page's largest file
and reads nothing; then how long SIGTERM takes with 66 pictures that decode to 64 MiB each, 64 of them in the queue.
"""
import argparse
import collections
import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'http'))
sys.dont_write_bytecode = True

from support import client, dataset, picture, program  # noqa: E402
from support.case import import_model  # noqa: E402

SIDE = 5792  # of 16 bits: 64 MiB
PICTURES = 66


def resident(server):
    with open(f'/proc/{server.pid}/statm', encoding='ascii') as statm:
        return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6


def unread(connections):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, connections + 1000), hard))
    server = program.Server('--log-level', 'off')
    before, crowd = resident(server), []
    for _ in range(connections):
        try:
            one = client.Raw(server)
            one.send(client.head('GET', '/ui/markdown-it.js'))
            crowd.append(one)
        except OSError:
            pass  # there is no place for it
    time.sleep(2)
    during = resident(server)
    for one in crowd:
        one.close()
    time.sleep(30)
    print(f'{len(crowd)} unread replies: {before:.0f} MB before, {during:.0f} MB with them, {resident(server):.0f} MB 30 s after', flush=True)
    server.stop()


def end():
    server = program.Server('--log-level', 'off', '--queue', '64')
    import_model(server, dataset.weights())
    film = picture.flat(SIDE, SIDE, depth=16)
    ones = [client.Raw(server) for _ in range(PICTURES)]
    for one in ones:
        one.send(client.head('POST', '/predict', f'Content-Length: {len(film)}') + film)
    time.sleep(1)
    begun = time.monotonic()
    server.terminate()
    replies = collections.Counter(reply.status if reply else None for reply in [one.reply() for one in ones])
    status = server.wait()
    print(f'SIGTERM with {PICTURES} pictures of 64 MiB: exit {status} after {time.monotonic() - begun:.1f} s, {dict(replies)}')
    for one in ones:
        one.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--connections', type=int, default=12000)
    unread(parser.parse_args().connections)
    end()


if __name__ == '__main__':
    main()
