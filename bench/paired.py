#!/usr/bin/python3
"""Whether one build serves /predict as fast as another: the two take turns, and a round's figures are divided.

    bench/paired.py BEFORE AFTER IMAGE.png [ROUNDS] [SECONDS]

Needs wrk. Both programs answer with the same weights, made by a short training on drawn chests. Prints the ratio AFTER /
BEFORE of requests a second and of p99: the median over the rounds and its quartiles.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))


def weights(program, folder):
    data, out = os.path.join(folder, 'data'), os.path.join(folder, 'out')
    subprocess.run([program, 'phantom', '--out', os.path.join(data, 'phantom'), '--images', '64', '--size', '256'], check=True,
                   capture_output=True)
    subprocess.run([program, 'train', '--datasets', data, '--dataset', 'phantom', '--out', out, '--set', 'epochs=1'], check=True,
                   capture_output=True)
    return os.path.join(out, 'weights.safetensors')


class Server:

    def __init__(self, program, file):
        self.state = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([program, 'serve', '--listen', '127.0.0.1:0', '--state', self.state.name, '--log-level', 'error'],
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        with open(file, 'rb') as bytes_of:
            card = self.post('/models', bytes_of.read(), 'application/octet-stream')
        self.post(f'/models/{card["id"]}/activate')

    def post(self, path, body=b'', kind='application/json'):
        request = urllib.request.Request(self.url + path, body, {'Content-Type': kind}, method='POST')
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def load(self, image, seconds, clients=8, script='post.lua', arguments=()):
        done = subprocess.run(['wrk', '-t1', f'-c{clients}', f'-d{seconds}s', '--latency', '-s', os.path.join(HERE, script),
                               self.url + '/predict', '--', image, *map(str, arguments)], check=True, capture_output=True, text=True)
        figures = {}
        for line in done.stdout.splitlines():
            if line.startswith('{'):
                figures |= json.loads(line)
        assert figures['errors'] == 0, figures
        return figures

    def stop(self):
        self.process.terminate()
        self.process.wait()


def main(before, after, image, rounds=12, seconds=4):
    with tempfile.TemporaryDirectory() as folder:
        file = weights(before, folder)
        servers = [Server(program, file) for program in (before, after)]
        ratios = {'requests_per_s': [], 'p99_ms': []}
        for turn in range(int(rounds)):
            order = servers if turn % 2 == 0 else servers[::-1]
            figures = {server: server.load(image, int(seconds)) for server in order}
            for name, list_of in ratios.items():
                list_of.append(figures[servers[1]][name] / figures[servers[0]][name])
        for server in servers:
            server.stop()
    for name, list_of in ratios.items():
        low, middle, high = statistics.quantiles(list_of, n=4)
        print(f'{name}: {middle:.3f} [{low:.3f} to {high:.3f}] of {len(list_of)} rounds')


if __name__ == '__main__':
    main(*sys.argv[1:])
