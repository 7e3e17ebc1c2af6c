#!/usr/bin/python3
"""How many lists of jobs a second, and how long a write beside them waits.

    bench/lists.py CXRD [CLIENTS] [SECONDS]

Puts 300 jobs of 100 epochs into the program's database, with their summaries where it keeps such, and asks for
`GET /jobs?limit=100` while another client deletes a job ten times a second. It knows the tables of version 5 and of those before.
"""
import http.client
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time

JOBS, EPOCHS = 300, 100
MADE_AT = '2026-01-01T00:00:00.000Z'


def record():
    epoch = {'epoch': 1, 'loss': 0.2345678, 'top5_accuracy': 0.712345, 'val_loss': 0.2456789, 'val_top5_accuracy': 0.712345,
             'val_macro_auroc': 0.712345, 'images_per_s': 61.1234, 'seconds': 52.1234}
    return json.dumps({'dataset': {'rows': 112120, 'filler': 'x' * 3000}, 'epochs': [dict(epoch, epoch=i + 1) for i in range(EPOCHS)],
                       'validation_loss': 0.2456789, 'top5_accuracy': 0.712345,
                       'baseline': {'validation_loss': 0.3034, 'top5_accuracy': 0.721},
                       'evaluation': {'validation': {'findings': [[0.12345] * 20] * 14}}, 'model': None, 'error': None, 'warnings': []})


def name(i):
    return f'{i:08x}-8688-4a37-8088-e0270140338f'


class Server:

    def __init__(self, program, state):
        self.process = subprocess.Popen([program, 'serve', '--listen', '127.0.0.1:0', '--state', state, '--log-level', 'error'],
                                        stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().rsplit(':', 1)[1])

    def stop(self):
        self.process.terminate()
        self.process.wait()


def fill(program, state):
    Server(program, state).stop()  # makes the tables
    with sqlite3.connect(os.path.join(state, 'cxrd.db')) as db:
        one = record()
        db.executemany("insert into jobs(id, type, state, created_at, started_at, finished_at, config, record) "
                       "values(?, 'train', 'succeeded', ?, ?, ?, ?, ?)",
                       [(name(i), MADE_AT, MADE_AT, MADE_AT, '{"dataset": "nih", "epochs": 100}', one) for i in range(JOBS)])
        if db.execute('pragma user_version').fetchone()[0] > 3:
            long_parts = "'$.config', '$.dataset', '$.calibration', '$.epochs', '$.evaluation'"
            db.execute(f'insert into summaries select seq, json_remove(record, {long_parts}) from jobs')
            db.execute('update jobs set ended = seq')


def ask(port, until, took):
    connection = http.client.HTTPConnection('127.0.0.1', port)
    while time.monotonic() < until:
        begun = time.monotonic()
        connection.request('GET', '/jobs?limit=100')
        reply = connection.getresponse()
        listed = json.loads(reply.read()) if not took else reply.read() and None
        assert reply.status == 200 and (listed is None or len(listed['jobs']) == 100)
        took.append(time.monotonic() - begun)


def write(port, until, took):
    connection = http.client.HTTPConnection('127.0.0.1', port)
    for i in range(JOBS - 100):
        if time.monotonic() >= until:
            return
        begun = time.monotonic()
        connection.request('DELETE', f'/jobs/{name(i)}')
        reply = connection.getresponse()
        reply.read()
        assert reply.status == 204
        took.append(time.monotonic() - begun)
        time.sleep(0.1)


def main(program, clients=2, seconds=8):
    with tempfile.TemporaryDirectory() as state:
        fill(program, state)
        server = Server(program, state)
        lists, writes = [[] for _ in range(int(clients))], []
        begun = time.monotonic()
        until = begun + float(seconds)
        threads = [threading.Thread(target=ask, args=(server.port, until, took)) for took in lists]
        threads.append(threading.Thread(target=write, args=(server.port, until, writes)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        n = sum(len(took) for took in lists)
        print(f'{n / (time.monotonic() - begun):.0f} lists of 100 jobs a second by {clients} clients; '
              f'a write beside them: median {statistics.median(writes) * 1e3:.1f} ms, at most {max(writes) * 1e3:.1f} ms')
        server.stop()


if __name__ == '__main__':
    main(*sys.argv[1:])
