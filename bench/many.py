#!/usr/bin/python3
"""Whether `cxrd predict` is as fast on many pictures as a server that many clients ask: the two take turns.

    bench/many.py CXRD FOLDER [PICTURES] [ROUNDS] [SECONDS]

Needs wrk. The first PICTURES PNGs below FOLDER (2,000) and one file that is no picture go through `cxrd predict --csv`, which must name
that one, end with 1 and leave a row for each; the same PNGs are sent to the server over and over by 2, 4, 8 and 16 clients, of
which the best counts. Both answer with the same weights, made by a short training on drawn chests. Prints images a second of
each round, and their ratio: the median over the rounds and its quartiles.
"""
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from paired import HERE, Server, weights

CLIENTS = (2, 4, 8, 16)


def pictures_below(folder, n):
    found = sorted(os.path.join(at, name) for at, _, names in os.walk(folder) for name in names if name.endswith('.png'))
    assert len(found) >= n, f'{len(found)} pictures'
    return found[:n]


def by_command(program, file, listed, n, folder):
    """Images a second, the start of the program and the load of the model counted."""
    table = os.path.join(folder, 'table.csv')
    begun = time.monotonic()
    done = subprocess.run([program, 'predict', '--weights', file, '--csv', table, '--overwrite', '--list', listed], check=False,
                          capture_output=True, text=True)
    seconds = time.monotonic() - begun
    assert done.returncode == 1 and 'bad.png' in done.stderr and f'1 of {n + 1} pictures' in done.stderr, done
    with open(table, encoding='utf-8', newline='') as rows:
        rows = list(csv.DictReader(rows))
    assert len(rows) == n + 1 and [os.path.basename(row['file']) for row in rows if row['error']] == ['bad.png']
    return n / seconds


def by_server(server, listed, seconds):
    best = 0
    for clients in CLIENTS:
        done = subprocess.run(['wrk', '-t1', f'-c{clients}', f'-d{seconds}s', '-s', os.path.join(HERE, 'cycle.lua'), server.url + '/predict',
                               '--', listed], check=True, capture_output=True, text=True)
        figures = json.loads(done.stdout.strip().splitlines()[-1])
        assert figures['errors'] == 0, figures
        best = max(best, figures['requests_per_s'])
    return best


def main(program, folder, n=2000, rounds=5, seconds=8):
    with tempfile.TemporaryDirectory() as own:
        file = weights(program, own)
        found = pictures_below(folder, int(n))
        sent, listed, bad = (os.path.join(own, name) for name in ('sent', 'listed', 'bad.png'))
        with open(bad, 'wb') as no_picture:
            no_picture.write(b'no picture')
        for path, names in ((sent, found), (listed, [*found[:1000], bad, *found[1000:]])):
            with open(path, 'w', encoding='utf-8') as lines:
                lines.write('\n'.join(names) + '\n')
        server = Server(program, file)
        ratios = []
        for turn in range(int(rounds)):
            figures = {}
            for which in ('command', 'server') if turn % 2 == 0 else ('server', 'command'):
                figures[which] = by_command(program, file, listed, int(n), own) if which == 'command' else by_server(server, sent, int(seconds))
            ratios.append(figures['command'] / figures['server'])
            print(f'{figures["command"]:.0f} images/s by the command, {figures["server"]:.0f} by the server: {ratios[-1]:.3f}', flush=True)
        server.stop()
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f'command / server: {middle:.3f} [{low:.3f} to {high:.3f}] of {len(ratios)} rounds')


if __name__ == '__main__':
    main(*sys.argv[1:])
