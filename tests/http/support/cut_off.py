"""Two servers over one PostgreSQL in a network of their own, where the kernel drops the packets between the second and the database.

`-m support.cut_off DIRECTION` is run by run() in a new network namespace, and prints as JSON what was seen: DIRECTION is up (to the database), down
(from it) or both. Each server has an address of the database's own, so that the rules of nft(8) can tell their packets apart. Unlike the relay of
tests/torture/links.py this meets TCP's own timers: nothing that is sent arrives, and nobody is told."""
import json
import os
import shutil
import subprocess
import sys
import time

from . import case, client, dataset, picture, postgresql, program

TRAINING = {'dataset': 'tiny', 'image_size': dataset.SIZE, 'epochs': 8, 'steps_per_epoch': 6, 'batch_size': 8, 'patience': 0, 'learning_rate': 0.003}
ADDRESSES = ('127.0.0.1', '127.0.0.2')  # of the database: for the first server, and for the second
RULES = {'up': 'ip daddr {address} tcp dport {port} drop', 'down': 'ip saddr {address} tcp sport {port} drop'}


def why_not():
    """Why packets cannot be dropped here; None: they can."""
    if os.geteuid() != 0:
        return 'network namespaces need root here, as PostgreSQL needs another user'
    done = subprocess.run(['unshare', '-n', 'nft', 'add', 'table', 'ip', 'cut'], capture_output=True, text=True, check=False)
    return f'no namespace with nft: {done.stderr.strip()}' if done.returncode else None


def run(direction):
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run(['unshare', '-n', sys.executable, '-B', '-m', 'support.cut_off', direction], capture_output=True, text=True,
                          timeout=600 * program.PATIENCE, check=False, env={**os.environ, 'PYTHONPATH': here})
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


def tensors(server, model):
    body = client.get(server, f'/models/{model}/weights').body
    return body[8 + int.from_bytes(body[:8], 'little'):]


def activate(server, model):
    return int(client.post(server, f'/models/{model}/activate').headers['x-model-epoch'])


def predict(server):
    return client.post(server, '/predict', picture.noise(), Content_Type='image/png')


def nft(words):
    subprocess.run(['nft', *words.split()], check=True)


def see(cluster, direction):
    folder = program.new_folder('datasets')  # of the first: empty, so that the second has the job
    store = [cluster.url('cut', address=address) for address in ADDRESSES]
    first, second = (program.Server('--store', url, datasets=datasets, threads=1) for url, datasets in zip(store, (folder, dataset.tiny())))
    models = [case.import_model(first, dataset.weights(i + 1), activate=False)['id'] for i in range(2)]
    activate(first, models[0])
    job = case.submit(second, TRAINING)
    program.poll(lambda: case.job_of(first, job)['epochs'], 'an epoch has ended')
    for rule in ('up', 'down') if direction == 'both' else (direction,):
        nft('add rule ip cut in ' + RULES[rule].format(address=ADDRESSES[1], port=cluster.port))
    was = case.job_of(first, job)['state']
    shutil.copytree(os.path.join(dataset.tiny(), 'tiny'), os.path.join(folder, 'tiny'))
    epoch = activate(first, models[1])
    after = predict(second).status
    record = case.wait_state(first, job, 'succeeded')
    written = cluster.sql('SELECT count(*) FROM models', 'cut')
    time.sleep(1)
    nft('flush chain ip cut in')
    program.poll(lambda: client.get(second, '/readyz').status == 200, 'the second is in step again')
    answer = predict(second)
    seen = {'was': was, 'after_reply': after, 'epochs': [one['epoch'] for one in record['epochs']], 'models': int(written), 'epoch': epoch,
            'answer': [answer.json()['model']['id'] == models[1], int(answer.headers['x-model-epoch'])],
            'said': [line['message'] for line in second.log()]}
    weights = tensors(first, record['model'])
    for server in (first, second):
        server.stop()
    alone = program.Server(datasets=dataset.tiny(), threads=1)
    golden = case.wait_state(alone, case.submit(alone, TRAINING), 'succeeded')['model']
    seen['golden'] = tensors(alone, golden) == weights
    alone.stop()
    return seen


def main(direction):
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    nft('add table ip cut')
    nft('add chain ip cut in { type filter hook input priority 0 ; }')
    cluster = postgresql.Cluster(listen=','.join(ADDRESSES))
    try:
        cluster.database('cut')
        print(json.dumps(see(cluster, direction)))
    finally:
        cluster.stop()


if __name__ == '__main__':
    main(sys.argv[1])
