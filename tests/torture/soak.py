#!/usr/bin/python3
"""A server under everything at once, for as long as one likes: predictions, trainings that finish and trainings that are
cancelled, models swapped under load, and clients who mean no good.

    soak.py [--seconds N] [--rate R] [--sample S] [--trace FILE]

It holds when the server lives and ends well, every prediction is the exact answer of one of the two models that take
turns, every hostile request gets a refusal or nothing, and what the process keeps does not grow: the median resident
memory of the last third after the warm-up is within 2 % of the first third's, as many files are open, and when all
clients have gone there are as many descriptors as before they came.
"""
import argparse
import glob
import json
import os
import random
import socket
import statistics
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'http'))
sys.dont_write_bytecode = True

from support import case, client, dataset, picture, program  # noqa: E402

DRIFT = 0.02  # of resident memory
WARM_UP = 0.25  # of the time: the allocator's arenas and the caches fill
CANCEL_EVERY = 3  # a training in so many is cancelled
PICTURES = 6
PATIENCE = 900  # seconds that a training may take to see that it is cancelled
LINGER = 25  # seconds until the server has given up connections whose client went without a word


class Soak:
    def __init__(self, server, seconds, rate):
        self.server = server
        self.rate = rate
        self.end = time.monotonic() + seconds
        self.lock = threading.Lock()  # guards all below
        self.counts = {}
        self.faults = []
        self.quiet = threading.Event()  # no training is under way
        self.quiet.set()

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def fault(self, text):
        with self.lock:
            self.faults.append(text)
        print(f'soak: {text}', file=sys.stderr, flush=True)

    def over(self):
        return time.monotonic() >= self.end or not self.server.alive()

    def pause(self, seconds):
        """Wait, but not beyond the end."""
        time.sleep(max(0.0, min(seconds, self.end - time.monotonic())))

    def loop(self, step, pause):
        """Do a step again and again until the end; what it raises is a fault."""
        while not self.over():
            try:
                step()
            except (AssertionError, OSError, ValueError, KeyError) as error:
                self.fault(f'{step.__name__}: {error!r} {traceback.format_exc(limit=-1)}')
                self.pause(1)
            self.pause(pause)

    # ---- predictions, and models that take turns ----

    def prepare(self):
        """Two models, and what each says of every picture."""
        self.pictures = [picture.noise(i, 96 + 32 * i, 80 + 16 * i) for i in range(PICTURES)]
        self.models = [case.import_model(self.server, dataset.weights(seed))['id'] for seed in (1, 2)]
        self.golden = {}
        for model in self.models:
            client.post(self.server, f'/models/{model}/activate')
            for i, data in enumerate(self.pictures):
                self.golden[model, i] = self.ask(data)[1]
        self.turn = 0

    def ask(self, data):
        reply = client.post(self.server, '/predict', data, Content_Type='image/png')
        if reply.status != 200:
            raise AssertionError(f'/predict: {reply}')
        answer = reply.json()
        return answer['model']['id'], answer['probabilities']

    def predict(self):
        i = random.randrange(PICTURES)
        model, probabilities = self.ask(self.pictures[i])
        if probabilities != self.golden[model, i]:
            raise AssertionError(f'picture {i} is another to model {model} than before')
        self.count('predictions')

    def swap(self):
        self.turn ^= 1
        reply = client.post(self.server, f'/models/{self.models[self.turn]}/activate')
        if reply.status != 200:
            raise AssertionError(f'activate: {reply}')
        self.count('swaps')

    # ---- trainings ----

    def train(self):
        """A training has the least priority: on a busy machine it takes what it takes."""
        n = self.counts.get('trainings', 0)
        long = n % CANCEL_EVERY == CANCEL_EVERY - 1
        self.quiet.clear()
        try:
            job = case.submit(self.server, case.LONG if long else {**case.QUICK, 'seed': n})
            if long:
                self.wait(job, lambda record: record['state'] == 'running' and record['dataset'])
            if long or not self.wait(job, lambda record: record['state'] in case.ENDED):
                client.post(self.server, f'/jobs/{job}/cancel')
            state = case.wait_state(self.server, job, 'succeeded', 'cancelled', seconds=PATIENCE)['state']
            self.count(state)
        finally:
            self.quiet.set()
        self.count('trainings')

    def wait(self, job, condition):
        """Until a job's record is so, or the soak is over; which of them."""
        while not self.over():
            if condition(case.job_of(self.server, job)):
                return True
            self.pause(0.5)
        return False

    # ---- hostile clients ----

    def raw(self, data, wait=True):
        """Send bytes; take what comes, or go at once. A reply is HTTP."""
        with socket.create_connection(self.server.address, timeout=60) as connection:
            try:
                connection.sendall(data)
                if wait:
                    connection.shutdown(socket.SHUT_WR)
                    got = connection.recv(65536)
                    if got and not got.startswith(b'HTTP/1.'):
                        raise AssertionError(f'no HTTP: {got[:80]!r}')
            except (BrokenPipeError, ConnectionResetError):
                pass  # it need not listen

    def hostile(self):
        kind = random.randrange(6)
        if kind == 0:  # any of the fuzzer's requests
            with open(random.choice(self.requests), 'rb') as file:
                self.raw(file.read()[1:])
        elif kind == 1:  # a file that is no picture
            with open(random.choice(self.broken), 'rb') as file:
                data = bytearray(file.read())
            if data:
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            reply = client.post(self.server, '/predict', bytes(data), Content_Type='image/png')
            if reply.status not in (200, 400, 413, 415, 422):
                raise AssertionError(f'/predict with {bytes(data[:40])!r}: {reply}')
        elif kind == 2:  # gone in the middle of a body
            self.raw(client.head('POST', '/predict', 'Content-Length: 1000000') + bytes(70000), wait=False)
        elif kind == 3:  # says little, stays a while
            with socket.create_connection(self.server.address, timeout=60) as connection:
                connection.sendall(b'POST /predict HTTP/1.1\r\nHo')
                self.pause(random.random() * 2)
        elif kind == 4:  # a job that is wrong
            reply = client.post_json(self.server, '/jobs/train', {'dataset': '../x', 'epochs': -1, 'nope': [1e300]})
            if reply.status != 422:
                raise AssertionError(f'/jobs/train: {reply}')
        else:  # a file that is no weights
            data = dataset.weights()[:random.randrange(200000)]
            reply = client.post(self.server, '/models', data, Content_Type='application/octet-stream')
            if reply.status not in (400, 413, 422):
                raise AssertionError(f'/models: {reply}')
        self.count('hostile')

    # ---- what the process keeps ----

    def sample(self):
        """When, KiB in memory, descriptors of files and the like, descriptors of sockets."""
        folder = f'/proc/{self.server.pid}'
        with open(f'{folder}/status', encoding='ascii') as status:
            kib = next(int(line.split()[1]) for line in status if line.startswith('VmRSS:'))
        sockets = files = 0
        for name in os.listdir(f'{folder}/fd'):
            try:
                is_socket = os.readlink(f'{folder}/fd/{name}').startswith('socket:')
            except FileNotFoundError:
                continue  # closed meanwhile
            sockets += is_socket
            files += not is_socket
        return time.monotonic(), kib, files, sockets

    def watch(self, interval, trace):
        """Samples from moments without a training, whose memory is another matter."""
        samples = []
        while not self.over():
            self.pause(interval)
            self.quiet.wait(timeout=10)
            if self.server.alive() and self.quiet.is_set():
                samples.append(self.sample())
                print(*samples[-1], json.dumps(self.counts), file=trace, flush=True)
        return samples


def judge(samples, begun, ended, faults):
    """The figures, and what of them does not hold."""
    warm = [s for s in samples if s[0] >= begun + WARM_UP * (ended - begun)]
    third = len(warm) // 3
    figures = {'samples': len(samples)}
    if third < 3:
        faults.append(f'only {len(warm)} samples after the warm-up: too short a soak')
        return figures
    first, last = warm[:third], warm[-third:]
    kib = [statistics.median(s[1] for s in part) for part in (first, last)]
    files = [statistics.median_low(s[2] for s in part) for part in (first, last)]
    figures |= {'rss_kib': kib, 'rss_drift': round(kib[1] / kib[0] - 1, 5), 'files': files,
                'rss_kib_max': max(s[1] for s in samples), 'sockets_max': max(s[3] for s in samples)}
    if kib[1] / kib[0] - 1 > DRIFT:
        faults.append(f'resident memory went from {kib[0]} to {kib[1]} KiB')
    if files[1] > files[0]:
        faults.append(f'open files went from {files[0]} to {files[1]}')
    return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=float, default=3600)
    parser.add_argument('--rate', type=float, default=20, help='predictions a second, at most (20)')
    parser.add_argument('--sample', type=float, default=None, help='seconds between two samples (a 240th of the time)')
    parser.add_argument('--trace', metavar='FILE', default=os.devnull, help='every sample as it is taken')
    options = parser.parse_args()
    server = program.Server('--log-level', 'warn', datasets=dataset.tiny(), threads=2)
    soak = Soak(server, options.seconds, options.rate)
    corpus = os.path.join(HERE, '..', 'fuzz', 'corpus')
    soak.requests = sorted(glob.glob(os.path.join(corpus, 'http', '*')))
    soak.broken = sorted(glob.glob(os.path.join(corpus, 'png', '*')))
    soak.prepare()
    time.sleep(1)  # the last connection of the preparations ends
    before = soak.sample()
    begun = time.monotonic()
    soak.end = begun + options.seconds
    steps = ((soak.predict, 1 / options.rate), (soak.swap, 2.0), (soak.hostile, 4 / options.rate), (soak.train, 100 / options.rate))
    threads = [threading.Thread(target=soak.loop, args=step) for step in steps]
    for thread in threads:
        thread.start()
    with open(options.trace, 'w', encoding='utf-8') as trace:
        samples = soak.watch(options.sample or options.seconds / 240, trace)
    for thread in threads:
        thread.join()
    ended = time.monotonic()
    time.sleep(LINGER)
    if not server.alive():
        after = ()
        soak.fault(f'the server died: {server.log_text()[-2000:]}')
    else:
        after = soak.sample()
        if after[2] > before[2] or after[3] > before[3]:
            soak.fault(f'files and sockets went from {before[2:]} to {after[2:]}')
    try:
        server.stop()
    except AssertionError as error:
        soak.fault(str(error))
    figures = judge(samples, begun, ended, soak.faults)
    result = {'descriptors': before[2:] + after[2:], 'seconds': round(ended - begun), **soak.counts, **figures, 'faults': soak.faults}
    print(json.dumps(result, indent=1))
    return 1 if soak.faults else 0


if __name__ == '__main__':
    sys.exit(main())
