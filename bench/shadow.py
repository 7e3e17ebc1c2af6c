#!/usr/bin/python3
"""The cost of a model in the shadow for the predictions of the one that answers: with it and without it take turns, on one server.

    bench/shadow.py CXRD IMAGE.png [ROUNDS] [SECONDS]

Needs wrk. Requests come at random moments (a Poisson process), at 80 % of the rate that eight clients without a pause reached just
before. A round is three turns of SECONDS in an order drawn at random: with a shadow, without, and without again, which says what the machine alone
does to the figures. One turn has too few answers for a p99, so the answers of all rounds are put together: prints the ratio of their p99, and
of p50, and between which values it is in 95 % of 2,000 bootstrap samples of the rounds; how many pictures the shadow looked at and
shed; and the ratio of requests a second with eight clients without a pause, the median over the rounds and its quartiles. A request that is
answered by anything but a 200 ends the measurement.
"""
import json
import random
import statistics
import sys
import tempfile
import urllib.request

from paired import Server, weights

CONNECTIONS = 64


def set_shadow(server, candidate, on):
    request = urllib.request.Request(f'{server.url}/models/{candidate}/shadow', method='PUT' if on else 'DELETE')
    with urllib.request.urlopen(request) as reply:
        reply.read()


def looked_at(server, candidate):
    with urllib.request.urlopen(f'{server.url}/models/{candidate}/shadow') as reply:
        told = json.load(reply)
    return told['pictures'], told['shed']['queue'] + told['shed']['memory']


def quantile(turns, share):
    """Of the answers of all turns, to 0.1 ms; each turn is a list of microseconds and how many answers took as long."""
    counts = {}
    for turn in turns:
        for us, n in turn:
            counts[us - us % 100] = counts.get(us - us % 100, 0) + n
    left = share * sum(counts.values())
    for us in sorted(counts):
        left -= counts[us]
        if left <= 0:
            return us
    raise AssertionError('no answers')


def compare(rounds, share, arm):
    """The ratio of a quantile with `arm` to that without, and the interval of it."""
    def ratio(chosen):
        return quantile([one[arm] for one in chosen], share) / quantile([one['off'] for one in chosen], share)
    drawn = random.Random(1)
    samples = sorted(ratio(drawn.choices(rounds, k=len(rounds))) for _ in range(2000))
    return ratio(rounds), samples[50], samples[-51]


def one_round(server, candidate, image, seconds, turn):
    """The latencies of the three turns, how many pictures the shadow looked at and shed, and the ratio of rates at overload."""
    most = server.load(image, 3)
    pause = CONNECTIONS / (0.8 * most['requests_per_s']) * 1e3 - most['median_ms'] / 2
    found, looked = {}, (0, 0)
    for which in random.Random(turn).sample(('off', 'on', 'again'), 3):
        if which == 'on':
            set_shadow(server, candidate, True)
        found[which] = server.load(image, seconds, CONNECTIONS, 'poisson.lua', (pause, turn))['latencies']
        if which == 'on':
            looked = looked_at(server, candidate)
            set_shadow(server, candidate, False)
    without = server.load(image, 3)
    set_shadow(server, candidate, True)
    with_it = server.load(image, 3)
    set_shadow(server, candidate, False)
    return found, looked, with_it['requests_per_s'] / without['requests_per_s']


def main(program, image, rounds=12, seconds=10):
    with tempfile.TemporaryDirectory() as folder:
        file = weights(program, folder)
        server = Server(program, file)
        with open(file, 'rb') as data:
            candidate = server.post('/models', data.read(), 'application/octet-stream')['id']
        found, looked, overload = zip(*(one_round(server, candidate, image, seconds, turn) for turn in range(int(rounds))))
        server.stop()
    for name, share in (('p99', 0.99), ('p50', 0.5)):
        for words, arm in (('with / without', 'on'), ('without / without', 'again')):
            ratio, low, high = compare(found, share, arm)
            print(f'{name} {words}: {ratio:.3f} [{low:.3f} to {high:.3f}], {sum(n for one in found for _, n in one[arm])} answers in {len(found)} rounds')
    low, middle, high = statistics.quantiles(overload, n=4)
    print(f'requests a second at overload, with / without: {middle:.3f} [{low:.3f} to {high:.3f}]')
    print(f'the shadow looked at {sum(n for n, _ in looked)} pictures and shed {sum(n for _, n in looked)}; every answer was a 200')


if __name__ == '__main__':
    main(*sys.argv[1:])
