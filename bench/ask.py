#!/usr/bin/env python3
"""POST /predict, as bench/turns.py asks for it: bench/ask.py CXRD WEIGHTS FILM [CLIENTS]

A server of the program CXRD, which may be an older one, with the model of the file WEIGHTS. A number n is answered by n times of one
prediction of FILM in seconds: with 1 client (the default) from the request to its answer, with more those of n requests a client, all at
once, over the number of requests.

    bench/turns.py --runs 40 "now=bench/ask.py build/release/cxrd cnn4.safetensors film.png" "before=bench/ask.py BEFORE/cxrd cnn4.safetensors film.png"
"""
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time


class Client:

    def __init__(self, address, film):
        self.connection, self.film = http.client.HTTPConnection(address, timeout=120), film
        self.connection.connect()

    def ask(self, target='/predict', body=None, kind='image/png'):
        self.connection.request('POST', target, self.film if body is None else body, {'Content-Type': kind})
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise SystemExit(f'{target}: {reply.status} {text.decode()}')
        return json.loads(text)

    def timed(self):
        begun = time.monotonic()
        self.ask()
        return time.monotonic() - begun


def all_at_once(clients, n):
    def many(client):
        for _ in range(n):
            client.ask()
    threads = [threading.Thread(target=many, args=(client,)) for client in clients]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [(time.monotonic() - begun) / (n * len(clients))] * n


def main():
    cxrd, weights, film = sys.argv[1:4]
    n_clients = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    with open(film, 'rb') as file:
        picture = file.read()
    with open(weights, 'rb') as file:
        model = file.read()
    with tempfile.TemporaryDirectory() as state:
        server = subprocess.Popen([cxrd, 'serve', '--listen', '127.0.0.1:0', '--state', os.path.join(state, 's'), '--log-level', 'error'],
                                  stdout=subprocess.PIPE, text=True)
        address = re.search(r'http://(\S+)', server.stdout.readline()).group(1).rstrip('/')
        clients = [Client(address, picture) for _ in range(n_clients)]
        card = clients[0].ask('/models', model, 'application/octet-stream')
        clients[0].ask(f'/models/{card["id"]}/activate', b'', 'application/json')
        for line in sys.stdin:
            n = int(line)
            times = [clients[0].timed() for _ in range(n)] if n_clients == 1 else all_at_once(clients, n)
            print(*times, flush=True)
        server.terminate()
        server.wait()


if __name__ == '__main__':
    main()
