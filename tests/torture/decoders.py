#!/usr/bin/python3
"""Decoders are killed and stopped over pictures, under load: each signal costs one picture at most, which is 400 or 503, all others are
200, and no descriptor, process, mapping or memory is left.

    CXRD_BIN=build/release/cxrd tests/torture/decoders.py [--count 1000] [--decoders 24] [--decode-timeout 5] [--only WHOM] [--tap FILE]

WHOM: killed (SIGKILL to a helper that has a picture), stopped (SIGSTOP to one; cxrd gives it up 5 s after --decode-timeout), child (SIGKILL
to the process of a picture). The long form is the default; ctest runs a short one. CXRD_SANITIZE set: memory is not judged.
"""
import argparse
import os
import re
import signal
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'http'))

from support import client, dataset, dicom, jpeg, picture, program  # noqa: E402
from support.case import import_model  # noqa: E402
from swap import FLAT, LAST, resident  # noqa: E402

WIDTH, HEIGHT = 1200, 1000  # of a film that is decoded for long enough to be met at it


def children(pid):
    found = []
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as file:
            found += [int(child) for child in file.read().split()]
    return found


def children_of_helper(helper):
    try:
        return children(helper)
    except OSError:
        return []  # it has gone


def state(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='ascii') as file:
            return file.read().rsplit(') ', 1)[1][0]
    except OSError:
        return ''


def kept(pid):
    """Descriptors, and mappings of memory that is shared with helpers."""
    with open(f'/proc/{pid}/maps', encoding='ascii') as maps:
        return len(os.listdir(f'/proc/{pid}/fd')), sum('memfd:cxrd' in line for line in maps)


def counted(server, family, label):
    return int(re.search(rf'^{family}{{[a-z]+="{label}"}} (\d+)$', client.get(server, '/metrics').body.decode(), re.M).group(1))


def films():
    """A deflated one, which takes long for its size, one of more than 1 MiB, and a JPEG file."""
    stored = b''.join(struct.pack(f'<{WIDTH}H', *(((x * x + 3 * y * x) >> 4) % 4096 for x in range(WIDTH))) for y in range(HEIGHT))
    said = {'bits': 12, 'WindowCenter': '2000', 'WindowWidth': '3000', 'PixelData': stored}
    rows = [[0] * WIDTH] * HEIGHT
    slow = dicom.film(rows, syntax=dicom.DEFLATED, **said)
    return [slow, slow, dicom.film(rows, **said), jpeg.squares([[40 + 20 * ((x + y) % 9) for x in range(8)] for y in range(8)])]


class Crowd:
    """Clients that ask for pictures that are decoded outside, and one that asks for PNG."""

    def __init__(self, server, clients):
        self.server, self.over, self.lock = server, threading.Event(), threading.Lock()
        self.outside, self.said, self.png, self.wrong = {}, {}, 0, []  # guarded by `lock`
        given, self.noise = films(), picture.noise(1, 300, 300)
        self.threads = [threading.Thread(target=self.guarded, args=(self.ask, given[i % len(given):] + given[:i % len(given)]))
                        for i in range(clients)]
        self.threads.append(threading.Thread(target=self.guarded, args=(self.ask_png,)))
        for thread in self.threads:
            thread.start()

    def guarded(self, work, *arguments):
        try:
            work(*arguments)
        except Exception as error:  # pylint: disable=broad-except
            with self.lock:
                self.wrong.append(repr(error))  # a connection that broke is a failure too

    def ask(self, given):
        with client.Client(self.server) as one:
            while not self.over.is_set():
                given = given[1:] + given[:1]
                reply = one.request('POST', '/predict', given[0])
                with self.lock:
                    self.outside[reply.status] = self.outside.get(reply.status, 0) + 1
                    if reply.status != 200:
                        said = reply.json()['detail']
                        self.said[said] = self.said.get(said, 0) + 1
                client.SEEN.clear()  # not everything must be remembered for long

    def ask_png(self):
        with client.Client(self.server) as one:
            while not self.over.wait(0.05):
                reply = one.request('POST', '/predict', self.noise)
                with self.lock:
                    self.png += 1
                    if reply.status != 200:
                        self.wrong.append(f'PNG: {reply}')

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def judge(self, signals, late):
        """`late`: pictures that were given up for want of a processor, which is no signal's doing."""
        unlike = sum(n for status, n in self.outside.items() if status != 200)
        if set(self.outside) - {200, 400, 503}:
            self.wrong.append(f'another answer: {self.outside}')
        if unlike > signals + late:
            self.wrong.append(f'{unlike} pictures were not answered, of {signals} signals and {late} late ones')
        if not self.outside.get(200) or not self.png:
            self.wrong.append('nothing was tested')
        return self.wrong


class Marksman:
    """Sends a signal to processes that have a picture, one to each."""

    def __init__(self, server, most_stopped):
        self.server, self.most_stopped, self.hit = server, most_stopped, set()

    def meet(self, whom):
        """Wait for one that has a picture, and send it its signal."""
        while True:
            self.hit = {one for one in self.hit if state(one) not in ('', 'Z') or whom == 'child' and state(one) == 'Z'}
            helpers = [one for one in children(self.server.pid) if one not in self.hit]
            if whom == 'stopped' and len(self.hit) >= self.most_stopped:
                helpers = []
            for helper in helpers:
                for child in children_of_helper(helper):
                    if child not in self.hit and state(child) in ('R', 'D') and self.send(whom, helper, child):  # S: it waits for a picture
                        return
            time.sleep(0.0005 if helpers else 0.05)

    def send(self, whom, helper, child):
        one = child if whom == 'child' else helper
        try:
            os.kill(one, signal.SIGSTOP if whom == 'stopped' else signal.SIGKILL)
        except ProcessLookupError:
            return False
        self.hit.add(one)
        return True


def torture(whom, options):
    """Returns complaints and a line of figures."""
    server = program.Server('--decoders', str(options.decoders), '--decode-timeout', str(options.decode_timeout))
    import_model(server, dataset.weights())
    assert client.post(server, '/predict', picture.noise(1)).status == 200
    before, memory = kept(server.pid), []
    most_stopped = options.decoders // 2  # the others are enough for all clients, so that none waits for one
    crowd, marksman = Crowd(server, options.decoders - most_stopped), Marksman(server, most_stopped)
    for _ in range(options.count):
        marksman.meet(whom)
        memory.append(resident(server.pid))
    program.poll(lambda: crowd.png and 200 in crowd.outside, 'pictures are answered')
    crowd.stop()
    late = counted(server, 'cxrd_decoder_pictures_total', 'late')
    restarts = {why: counted(server, 'cxrd_decoder_restarts_total', why) for why in ('ended', 'late', 'broken')}
    wrong = crowd.judge(options.count, late)
    helpers = children(server.pid)
    after = kept(server.pid)
    if after[0] > before[0] + 2 * options.decoders or after[1] or len(helpers) > options.decoders:
        wrong.append(f'descriptors and mappings before {before}, after {after}; helpers {len(helpers)} of {options.decoders}')
    quarter = max(LAST, len(memory) // 4)
    grown = min(memory[-LAST:]) - min(memory[quarter - LAST:quarter])
    if grown > FLAT and not os.environ.get('CXRD_SANITIZE'):
        wrong.append(f'resident memory grew by {grown} KiB')
    server.stop()  # which fails when a sanitizer had something to say
    return wrong, (f'{whom}: {options.count} signals, answers {dict(sorted(crowd.outside.items()))}, {crowd.said}, PNG {crowd.png} times 200, late {late}, '
                   f'helpers begun anew {restarts}; descriptors {before[0]} before, {after[0]} after; resident memory {memory[0]} KiB at first, '
                   f'{max(memory)} at most, {grown:+d} since a quarter of the signals; {len(wrong)} failures')


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--count', type=int, default=1000)
    parser.add_argument('--decoders', type=int, default=24)
    parser.add_argument('--decode-timeout', type=int, default=5)
    parser.add_argument('--only', choices=('killed', 'stopped', 'child'))
    parser.add_argument('--tap', metavar='FILE', default=os.devnull)
    options = parser.parse_args()
    lines, failed = [], False
    for whom in [options.only] if options.only else ['killed', 'stopped', 'child']:
        wrong, figures = torture(whom, options)
        failed |= bool(wrong)
        lines += [f'{"not ok" if wrong else "ok"} - decoders: {whom} over a picture', *(f'# {one}' for one in wrong[:10]), f'# {figures}']
        print(*lines[-2 - len(wrong[:10]):], sep='\n', flush=True)
    with open(options.tap, 'w', encoding='utf-8') as tap:
        print(*lines, f'1..{sum(not line.startswith("#") for line in lines)}', sep='\n', file=tap)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
