#!/usr/bin/python3
"""The cost of a model in the shadow for the predictions of the one that answers: with it and without it take turns, on one server.

    bench/shadow.py CXRD IMAGE.png [ROUNDS] [SECONDS]

Needs wrk. Requests come at random moments (a Poisson process), at 80 % of the rate that the same client reached just before without a
pause (it takes part of the machine, so wrk's rate would be too much for both), and are timed from the moment at which they were to be
sent. Prints the ratio of p99, and of p50, with a shadow to without: the median over the rounds and its quartiles, and of all rounds'
requests together; how many pictures the shadow looked at and shed; and then, with eight clients that never pause, how many answers were
no 200 and the ratio of requests a second. Beside it the same of two turns without a shadow, which says what the machine alone does to
the figures.
"""
import http.client
import json
import queue
import random
import statistics
import sys
import tempfile
import threading
import time
import urllib.request

from paired import Server, weights

SENDERS = 24


def set_shadow(server, candidate, on):
    request = urllib.request.Request(f'{server.url}/models/{candidate}/shadow', method='PUT' if on else 'DELETE')
    with urllib.request.urlopen(request) as reply:
        reply.read()


def looked_at(server, candidate):
    with urllib.request.urlopen(f'{server.url}/models/{candidate}/shadow') as reply:
        told = json.load(reply)
    return told['pictures'], told['shed']['queue'] + told['shed']['memory']


def open_loop(server, picture, rate, seconds, seed):
    """Latencies in ms of requests that come at `rate`, or where that is None as fast as they are answered; and how many were no 200."""
    host = server.url.split('/')[2]
    due, times, bad = queue.Queue(), [], []
    lock = threading.Lock()

    def send():
        one = http.client.HTTPConnection(host)
        while True:
            at = due.get()
            if at is None:
                return
            one.request('POST', '/predict', picture, {'Content-Type': 'image/png'})
            reply = one.getresponse()
            reply.read()
            with lock:
                times.append((time.monotonic() - at) * 1e3)
                if reply.status != 200:
                    bad.append(reply.status)

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    draw, at, end = random.Random(seed), time.monotonic(), time.monotonic() + seconds
    while at < end:
        if rate is None:
            at = time.monotonic()
            time.sleep(0.001)
            if due.qsize() > SENDERS:
                continue
        else:
            at += draw.expovariate(rate)
            time.sleep(max(0, at - time.monotonic()))
        due.put(at)
    for _ in threads:
        due.put(None)
    for thread in threads:
        thread.join()
    return times, len(bad)


def of(values, part):
    return sorted(values)[int(part * len(values))]


def show(name, ratios):
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f'{name}: {middle:.3f} [{low:.3f} to {high:.3f}] of {len(ratios)} rounds')


def main(program, image, rounds=12, seconds=10):
    with open(image, 'rb') as file:
        picture = file.read()
    with tempfile.TemporaryDirectory() as folder:
        file = weights(program, folder)
        server = Server(program, file)
        with open(file, 'rb') as data:
            candidate = server.post('/models', data.read(), 'application/octet-stream')['id']
        ratios = {'p99 with / without': [], 'p50 with / without': [], 'p99 without / without': [], 'overload with / without': []}
        together = {'off': [], 'on': [], 'again': []}
        looked = shed = bad = errors = 0
        for turn in range(int(rounds)):
            rate = 0.8 * len(open_loop(server, picture, None, 4.0, turn)[0]) / 4.0
            found = {}
            for which in (('off', 'on', 'again'), ('again', 'on', 'off'))[turn % 2]:
                if which == 'on':
                    set_shadow(server, candidate, True)
                found[which], wrong = open_loop(server, picture, rate, float(seconds), turn)
                together[which] += found[which]
                bad += wrong
                if which == 'on':
                    n = looked_at(server, candidate)
                    looked, shed = looked + n[0], n[1]
                    set_shadow(server, candidate, False)
            ratios['p99 with / without'].append(of(found['on'], 0.99) / of(found['off'], 0.99))
            ratios['p50 with / without'].append(of(found['on'], 0.5) / of(found['off'], 0.5))
            ratios['p99 without / without'].append(of(found['again'], 0.99) / of(found['off'], 0.99))
            without = server.load(image, 3)
            set_shadow(server, candidate, True)
            with_it = server.load(image, 3)
            errors += with_it['errors']
            set_shadow(server, candidate, False)
            ratios['overload with / without'].append(with_it['requests_per_s'] / without['requests_per_s'])
        server.stop()
    for name, values in ratios.items():
        show(name, values)
    for part in (0.5, 0.99):
        print(f'p{part * 100:.0f} of all rounds together: with / without {of(together["on"], part) / of(together["off"], part):.3f},'
              f' without / without {of(together["again"], part) / of(together["off"], part):.3f}; without {of(together["off"], part):.1f} ms')
    print(f'the shadow looked at {looked} pictures and shed {shed}; at 80 % {bad} answers were no 200, at overload {errors}')


if __name__ == '__main__':
    main(*sys.argv[1:])
