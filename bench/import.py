#!/usr/bin/env python3
"""How long it takes from an ONNX file to the first answer, over HTTP: bench/import.py CXRD FILE FILM [QUERY] [TIMES]

Each time a server starts on an empty state; the file is imported (POST /models?QUERY), activated, and a film is predicted. Told are the
seconds of each step, least of TIMES (5), and beside them the server's CPU seconds, which other work on the machine does not change.

    cxrd export densenet121.safetensors -o densenet121.onnx      # a file of cxrd's own needs no QUERY
    bench/import.py build/release/cxrd densenet121.onnx film.png
    bench/import.py build/release/cxrd efficientnet_b0.onnx film.png 'labels=chexnet&scaling=imagenet'
"""
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time


def cpu_seconds(pid):
    with open(f'/proc/{pid}/stat', encoding='ascii') as file:
        fields = file.read().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def ask(address, method, target, body=b'', kind='application/octet-stream'):
    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request(method, target, body, {'Content-Type': kind})
    reply = connection.getresponse()
    text = reply.read()
    connection.close()
    if reply.status >= 300:
        raise SystemExit(f'{method} {target}: {reply.status} {text.decode()}')
    return json.loads(text)


def once(cxrd, model, film, query):
    with tempfile.TemporaryDirectory() as state, open(os.path.join(state, 'log'), 'w+', encoding='utf-8') as log:
        server = subprocess.Popen([cxrd, 'serve', '--listen', '127.0.0.1:0', '--state', os.path.join(state, 's')], stdout=log, stderr=log)
        try:
            address = None
            while not address and server.poll() is None:
                time.sleep(0.02)
                log.seek(0)
                address = re.search(r'http://([0-9.:]+)', log.read())
            address = address.group(1)
            before, steps = cpu_seconds(server.pid), [time.monotonic()]
            card = ask(address, 'POST', f'/models?{query}' if query else '/models', model)
            steps.append(time.monotonic())
            ask(address, 'POST', f'/models/{card["id"]}/activate')
            steps.append(time.monotonic())
            ask(address, 'POST', '/predict', film, 'image/png')
            steps.append(time.monotonic())
            return [b - a for a, b in zip(steps, steps[1:])] + [steps[-1] - steps[0], cpu_seconds(server.pid) - before]
        finally:
            server.terminate()
            server.wait()


def main():
    cxrd, path, film = sys.argv[1:4]
    query = sys.argv[4] if len(sys.argv) > 4 else ''
    times = int(sys.argv[5]) if len(sys.argv) > 5 else 5
    with open(path, 'rb') as file:
        model = file.read()
    with open(film, 'rb') as file:
        pixels = file.read()
    best = [min(column) for column in zip(*(once(cxrd, model, pixels, query) for _ in range(times)))]
    print(f'{os.path.basename(path)}, {len(model) / 1e6:.1f} MB: ' +
          ', '.join(f'{name} {seconds:.3f} s' for name, seconds in zip(('import', 'activate', 'predict', 'all', 'CPU'), best)))


main()
