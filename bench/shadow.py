#!/usr/bin/python3
"""The cost of a model in the shadow for the predictions of the one that answers: with it and without it take turns, on one server.

    bench/shadow.py CXRD IMAGE.png [ROUNDS] [SECONDS]

Needs wrk. Requests come at random moments (a Poisson process), at 80 % of the rate that eight clients without a pause reached just
before. Prints the ratio of p99, and of p50, with a shadow to without: the median over the rounds and its quartiles; how many pictures the
shadow looked at and shed; and the ratio of requests a second with those eight clients. A request that is answered by anything but a 200
ends the measurement. Beside it the same of two turns without a shadow, which says what the machine alone does to the figures.
"""
import json
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


def show(name, ratios):
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f'{name}: {middle:.3f} [{low:.3f} to {high:.3f}] of {len(ratios)} rounds')


def main(program, image, rounds=12, seconds=10):
    with tempfile.TemporaryDirectory() as folder:
        file = weights(program, folder)
        server = Server(program, file)
        with open(file, 'rb') as data:
            candidate = server.post('/models', data.read(), 'application/octet-stream')['id']
        ratios = {'p99 with / without': [], 'p99 without / without': [], 'p50 with / without': [], 'p50 without / without': [],
                  'rate with / without': [], 'overload with / without': []}
        looked = shed = 0
        for turn in range(int(rounds)):
            most = server.load(image, 3)
            pause = CONNECTIONS / (0.8 * most['requests_per_s']) * 1e3 - most['median_ms'] / 2
            found = {}
            for which in (('off', 'on', 'again'), ('again', 'on', 'off'))[turn % 2]:
                if which == 'on':
                    set_shadow(server, candidate, True)
                found[which] = server.load(image, seconds, CONNECTIONS, 'poisson.lua', (pause, turn))
                if which == 'on':
                    n = looked_at(server, candidate)
                    looked, shed = looked + n[0], shed + n[1]
                    set_shadow(server, candidate, False)
            for part, figure in (('p99', 'p99_ms'), ('p50', 'median_ms')):
                ratios[f'{part} with / without'].append(found['on'][figure] / found['off'][figure])
                ratios[f'{part} without / without'].append(found['again'][figure] / found['off'][figure])
            ratios['rate with / without'].append(found['on']['requests_per_s'] / found['off']['requests_per_s'])
            without = server.load(image, 3)
            set_shadow(server, candidate, True)
            with_it = server.load(image, 3)
            set_shadow(server, candidate, False)
            ratios['overload with / without'].append(with_it['requests_per_s'] / without['requests_per_s'])
        server.stop()
    for name, values in ratios.items():
        show(name, values)
    print(f'the shadow looked at {looked} pictures and shed {shed}; every answer was a 200')


if __name__ == '__main__':
    main(*sys.argv[1:])
