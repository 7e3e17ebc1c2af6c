#!/usr/bin/python3
"""How long an activation takes with several servers over one PostgreSQL, from the request to the reply, which comes when every server answers
by the new model; beside clients each of which predicts, waits 50 ms and predicts again.

    CXRD_BIN=build/release/cxrd bench/activation.py [--activations 100] [--servers 3] [--clients 4]

COMMITs wait for the disk, as in a server that counts. Prints one JSON line: milliseconds (least, median, p99, most), predictions meanwhile."""
import argparse
import json
import os
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'http'))

from support import case, client, dataset, picture, postgresql, program  # noqa: E402


def predict(server, over, answers):
    film = picture.noise(1, 64, 64)
    with client.Client(server) as one:
        while not over.is_set():
            answers.append(one.request('POST', '/predict', film, Content_Type='image/png').status)
            client.SEEN.clear()
            over.wait(0.05)


def activations(servers, models, count):
    """Seconds of each, by the servers in turn."""
    took = []
    for i in range(count):
        begun = time.monotonic()
        reply = client.post(servers[i % len(servers)], f'/models/{models[i % 2]}/activate')
        took.append(time.monotonic() - begun)
        if reply.status != 200:
            raise AssertionError(reply)
    return took


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--activations', type=int, default=100)
    parser.add_argument('--servers', type=int, default=3)
    parser.add_argument('--clients', type=int, default=4)
    options = parser.parse_args()
    cluster = postgresql.Cluster(durable=True)
    store = cluster.database('activation')
    servers = [program.Server('--store', store, datasets=dataset.tiny(), threads=1) for _ in range(options.servers)]
    models = [case.import_model(servers[0], dataset.weights(seed))['id'] for seed in (1, 2)]
    over, answers = threading.Event(), []
    threads = [threading.Thread(target=predict, args=(servers[i % len(servers)], over, answers)) for i in range(options.clients)]
    for thread in threads:
        thread.start()
    took = sorted(1e3 * seconds for seconds in activations(servers, models, options.activations))
    over.set()
    for thread in threads:
        thread.join()
    for server in servers:
        server.stop()
    cluster.stop()
    print(json.dumps({'servers': options.servers, 'activations': len(took), 'least_ms': round(took[0], 1), 'median_ms': round(took[len(took) // 2], 1),
                      'p99_ms': round(took[(99 * len(took) - 1) // 100], 1), 'most_ms': round(took[-1], 1), 'predictions': len(answers),
                      'not_200': sum(status != 200 for status in answers)}))


if __name__ == '__main__':
    main()
