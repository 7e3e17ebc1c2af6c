#!/usr/bin/python3
"""SIGTERM with 100 predictions in flight and a job in training, again and again: everyone is answered, the job is
interrupted, the exit status is 0, and it does not take longer than 20 s.

    CXRD_BIN=build/release/cxrd tests/torture/sigterm.py [--times 5]
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'http'))
sys.dont_write_bytecode = True

from support import client, dataset, picture, program  # noqa: E402
from support.case import LONG, import_model, job_of, submit, wait_training  # noqa: E402

CLIENTS, MOST_SECONDS = 100, 20


def once(state):
    """(answers, those with a 200, seconds, exit status, state of the job afterwards)"""
    server = program.Server('--queue', '128', state=state, datasets=dataset.tiny())
    if client.get(server, '/readyz').status != 200:
        import_model(server, dataset.weights())
    job = submit(server, LONG)
    wait_training(server, job)
    film = picture.noise(1, 500, 500)
    head = client.head('POST', '/predict', f'Content-Length: {len(film)}')
    ones = [client.Raw(server) for _ in range(CLIENTS)]
    for one in ones:
        one.send(head + film)
    begun = time.monotonic()
    server.terminate()
    replies = [one.reply() for one in ones]
    status = server.wait()
    took = time.monotonic() - begun
    for one in ones:
        one.close()
    server.stop()
    after = program.Server(state=state, datasets=dataset.tiny())
    record = job_of(after, job)
    client.post(after, f'/jobs/{job}/cancel')
    after.stop()
    answers = [reply.status for reply in replies if reply]
    return answers, took, status, record['state']


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--times', type=int, default=5)
    times = parser.parse_args().times
    state, total, ok = program.new_folder('state'), 0, True
    for i in range(times):
        answers, took, status, job = once(state)
        good = len(answers) == CLIENTS and set(answers) <= {200, 503} and status == 0 and took <= MOST_SECONDS and job == 'interrupted'
        print(f'{i + 1}: {len(answers)} answers, {answers.count(200)} with 200, exit {status} after {took:.1f} s, job {job}'
              f'{"" if good else "  NOT OK"}', flush=True)
        total += len(answers)
        ok = ok and good
    print(f'{total} answers of {times * CLIENTS}: {"ok" if ok else "not ok"}')
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
