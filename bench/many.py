#!/usr/bin/python3
"""Whether `cxrd predict` is as fast on many pictures as a server that many clients ask: the two take turns.

    bench/many.py CXRD FOLDER [PICTURES] [ROUNDS]

Needs wrk. The first PICTURES PNGs below FOLDER (2,000) and one file that is no picture go through `cxrd predict --csv`, which must name
that one, end with 1 and leave a row for each; the same PNGs are sent to the server over and over by as many clients as it was fastest
with, of 2, 4, 8 and 16, for as long as the command took. Both answer with the same weights, made by a short training on drawn chests.
Prints images a second and CPU milliseconds an image, and the ratios command / server: the median over the rounds and its quartiles.
The first is worth something on a machine that nobody else uses: threads that always compute get less of a busy one than a server's, which
sleep between two requests. There `busy` helps: the part of the time in which the command's threads computed or waited for a core. Where it
is near 1, images a second of an idle machine go as the inverse of CPU milliseconds.
"""
import csv
import json
import os
import resource
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


def cpu_of(pid):
    """Seconds that a process has computed, all its threads and what it has waited for."""
    with open(f'/proc/{pid}/stat', encoding='ascii') as stat:
        return sum(int(ticks) for ticks in stat.read().rsplit(')', 1)[1].split()[11:15]) / os.sysconf('SC_CLK_TCK')


def busy_of(process, threads, begun):
    """Wait for a process; the part of its wall time that its busiest threads, so many, ran or waited for a core."""
    seen = {}
    while process.poll() is None:
        try:
            for thread in os.listdir(f'/proc/{process.pid}/task'):
                with open(f'/proc/{process.pid}/task/{thread}/schedstat', encoding='ascii') as stat:
                    seen[thread] = sum(int(ns) for ns in stat.read().split()[:2]) / 1e9
        except OSError:
            pass  # a thread or all of them have ended
        ended = time.monotonic()
        time.sleep(0.05)
    return sum(sorted(seen.values())[-threads:]) / threads / (ended - begun)


def by_command(program, file, listed, n, folder):
    """Seconds, CPU seconds, busy: the start of the program and the load of the model counted."""
    table, threads = os.path.join(folder, 'table.csv'), len(os.sched_getaffinity(0))
    begun, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen([program, 'predict', '--weights', file, '--csv', table, '--overwrite', '--list', listed], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        busy = busy_of(process, threads, begun)
        seconds, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        said = process.stderr.read()
    assert process.returncode == 1 and 'bad.png' in said and f'1 of {n + 1} pictures' in said, said
    with open(table, encoding='utf-8', newline='') as rows:
        rows = list(csv.DictReader(rows))
    assert len(rows) == n + 1 and [os.path.basename(row['file']) for row in rows if row['error']] == ['bad.png']
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, busy


def by_server(server, sent, clients, seconds):
    """Images a second, CPU seconds an image."""
    before = cpu_of(server.process.pid)
    done = subprocess.run(['wrk', '-t1', f'-c{clients}', f'-d{seconds:.0f}s', '--timeout', '30s', '-s', os.path.join(HERE, 'cycle.lua'), server.url + '/predict',
                           '--', sent], check=True, capture_output=True, text=True)
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    assert figures['errors'] == 0, figures
    return figures['requests_per_s'], (cpu_of(server.process.pid) - before) / figures['requests']


def main(program, folder, n=2000, rounds=5):
    n = int(n)
    with tempfile.TemporaryDirectory() as own:
        file = weights(program, own)
        found = pictures_below(folder, n)
        sent, listed, bad = (os.path.join(own, name) for name in ('sent', 'listed', 'bad.png'))
        with open(bad, 'wb') as no_picture:
            no_picture.write(b'no picture')
        for path, names in ((sent, found), (listed, [*found[:n // 2], bad, *found[n // 2:]])):
            with open(path, 'w', encoding='utf-8') as lines:
                lines.write('\n'.join(names) + '\n')
        server = Server(program, file)
        swept = [{clients: by_server(server, sent, clients, 3)[0] for clients in CLIENTS} for _ in range(3)]
        best = max(CLIENTS, key=lambda clients: statistics.median(sweep[clients] for sweep in swept))
        ratios = {'images/s': [], 'CPU ms an image': []}
        for _ in range(int(rounds)):
            seconds, cpu, busy = by_command(program, file, listed, n, own)
            rate, cpu_there = by_server(server, sent, best, max(seconds, 3))
            ratios['images/s'].append(n / seconds / rate)
            ratios['CPU ms an image'].append(cpu / n / cpu_there)
            print(f'command: {n / seconds:.0f} images/s, {cpu / n * 1e3:.2f} CPU ms an image, busy {busy:.3f}; server, {best} clients: {rate:.0f}, '
                  f'{cpu_there * 1e3:.2f}', flush=True)
        server.stop()
    for what, list_of in ratios.items():
        low, middle, high = statistics.quantiles(list_of, n=4)
        print(f'{what}, command / server: {middle:.3f} [{low:.3f} to {high:.3f}] of {len(list_of)} rounds')


if __name__ == '__main__':
    main(*sys.argv[1:])
