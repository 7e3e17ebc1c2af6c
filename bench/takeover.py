#!/usr/bin/python3
"""How long a job whose server was killed waits for another one: from SIGKILL of its owner to the first row that the next owner writes, its
claim, by the database's clock, which is this machine's.

    CXRD_BIN=build/release/cxrd bench/takeover.py [--repeats 10]

Two servers over one PostgreSQL, whose COMMITs wait for the disk; the killed one is started again. Prints one JSON line: seconds of each, and
how much of its lease the job had left when its owner was killed, which is the time that no server may take it."""
import argparse
import json
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'http'))

from support import case, dataset, postgresql, program  # noqa: E402

LEASE_S = 15
JOB = {**case.LONG, 'steps_per_epoch': 50}
DATABASE = 'takeover'


def lease(cluster):
    """The job's token, the end of its lease in seconds since 1970, and the address of its owner."""
    row = cluster.sql('SELECT token, leases.until, address FROM leases LEFT JOIN replicas ON id = holder', DATABASE).split('|')
    return int(row[0]), int(row[1]) / 1e3, row[2]


def takeover(cluster, servers):
    """Kill the owner: its index, seconds to the next claim, and seconds that the lease had left."""
    token, _, address = lease(cluster)
    owner = next(i for i, server in enumerate(servers) if server.url.partition('://')[2] == address)
    servers[owner].terminate(signal.SIGKILL)
    killed = time.time()
    until = lease(cluster)[1]
    while (now := lease(cluster))[0] == token:  # far oftener than the next owner renews, which moves the end of the lease
        time.sleep(0.02)
    servers[owner].wait()
    return owner, now[1] - LEASE_S - killed, until - killed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--repeats', type=int, default=10)
    options = parser.parse_args()
    cluster = postgresql.Cluster(durable=True)
    store, datasets = cluster.database(DATABASE), dataset.tiny()

    def serve():
        return program.Server('--store', store, datasets=datasets, threads=1)

    servers = [serve(), serve()]
    job = case.submit(servers[0], JOB)
    case.wait_state(servers[0], job, 'running')
    took, left = [], []
    for i in range(options.repeats):
        time.sleep(0.7 * i % 4)  # at another moment between two renewals each time
        owner, seconds, rest = takeover(cluster, servers)
        took.append(round(seconds, 3))
        left.append(round(rest, 3))
        servers[owner] = serve()
    for server in servers:
        server.kill()
    cluster.stop()
    after = sorted(a - b for a, b in zip(took, left))
    print(json.dumps({'repeats': len(took), 'seconds': took, 'lease_left': left, 'most_s': max(took), 'after_lease_median_s': round(after[len(after) // 2], 3),
                      'after_lease_most_s': round(after[-1], 3), 'bar_s': LEASE_S + 1}))


if __name__ == '__main__':
    main()
