#!/usr/bin/python3
"""Three servers over one PostgreSQL, with nginx in front of them, under load and a nemesis, and a checker of what their clients saw.

    CXRD_BIN=build/release/cxrd tests/torture/nemesis.py [--seconds 1200] [--seed 1] [--short] [--history FILE] [--tap FILE]
                                                         [--until G3] [--only FAULT,FAULT]

The load is predictions, activations, small trainings, lists and readers of events (load.py). The nemesis kills servers, stops them for
shorter and longer than their leases, restarts the database and takes it away, cuts servers off from it in both directions and in one, and
loses the answers of COMMITs (links.py). Then all is mended, every job must come to its end, and history.py judges G1 to G6 from what was
written down. It ends with counts, and with status 1 where a guarantee was broken or not put to the test, or a server did not end well.

--short does each fault but the longest once, for half as long. --until G3 is for a program that is broken on purpose: the guarantee must be found broken; it
ends as soon as that is seen, and with status 1 where it was not. --only has the faults to choose from.

No verdict depends on how fast the machine is: the checker compares orders of times, and whatever must come is waited for."""
import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), 'http')]

import history  # noqa: E402
import links  # noqa: E402
import load  # noqa: E402
from support import case, client, dataset, picture, postgresql, program, proxy  # noqa: E402

SERVERS = 3
TRAINING = {'dataset': 'tiny', 'image_size': dataset.SIZE, 'epochs': 5, 'steps_per_epoch': 5, 'batch_size': 8, 'patience': 0,
            'learning_rate': 0.003}
RECIPES = {f'seed {seed}': {**TRAINING, 'seed': seed} for seed in (1, 2)}
FILMS = 3
JOB_LEASE = 15  # seconds, of jobs/store; only so that some pauses are longer

NGINX = '''daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    upstream cxrd {{ {servers} }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://cxrd; proxy_set_header Host 127.0.0.1; proxy_http_version 1.1; proxy_buffering off; proxy_read_timeout 60s;
            add_header X-Upstream $upstream_addr always;
        }}
    }}
}}
'''


def quiet_port(taken):
    """A port that is free, and that the kernel gives to nobody by itself, so that it can be listened at again and again."""
    while True:
        port = random.SystemRandom().randrange(12000, 30000)
        if port not in taken:
            try:
                client.socket.create_server(('127.0.0.1', port)).close()
            except OSError:
                continue
            taken.add(port)
            return port


class Node:
    """A server, its state folder, and its way to the database."""

    def __init__(self, number, cluster, port):
        self.number, self.port = number, port
        self.link = links.Link(cluster.port)
        self.store = cluster.url('nemesis', self.link.port)
        self.state = program.new_folder('state')
        self.server = None

    def start(self):
        """It needs the database at its start, so it is tried until there is one."""
        reasons = []

        def began():
            try:
                self.server = program.Server('--listen', f'127.0.0.1:{self.port}', '--store', self.store, '--job-queue', '100',
                                             '--keep-models', '100000',  # the checker looks for the model of each job
                                             '--log-level', 'warn', state=self.state, datasets=dataset.tiny(), threads=1)
            except AssertionError as error:
                reasons.append(error)
                return False
            return True
        try:
            program.poll(began, f'server {self.number} begins')
        except AssertionError as error:
            raise AssertionError(f'{error}; tried {len(reasons)} times, at last: {reasons[-1]}') from None

    def is_ready(self):
        return load.ask(('127.0.0.1', self.port), 'GET', '/readyz').status == 200


class Site:
    """The database, the servers, and nginx; where there is none, clients go round the servers themselves."""

    def __init__(self):
        self.cluster = postgresql.Cluster()
        self.cluster.database('nemesis')
        taken = set()
        self.nodes = [Node(i, self.cluster, quiet_port(taken)) for i in range(SERVERS)]
        self.addresses = [('127.0.0.1', node.port) for node in self.nodes]
        for node in self.nodes:
            node.start()
        self.front = ('127.0.0.1', quiet_port(taken))
        self.nginx = self.start_nginx() if proxy.NGINX else None
        if not self.nginx:
            self.front = self.addresses[0]

    def start_nginx(self):
        folder = program.new_folder('nginx')
        servers = ' '.join(f'server 127.0.0.1:{node.port} max_fails=0;' for node in self.nodes)
        with open(os.path.join(folder, 'nginx.conf'), 'w', encoding='ascii') as file:
            file.write(NGINX.format(folder=folder, servers=servers, port=self.front[1]))
        process = subprocess.Popen([proxy.NGINX, '-c', f'{folder}/nginx.conf', '-e', f'{folder}/error.log'],
                                   preexec_fn=program.die_with_us)
        program.poll(lambda: load.ask(self.front, 'GET', '/livez').status == 200, 'nginx answers')
        return process

    def number(self, upstream):
        """Of the server that nginx says has answered, the last one that it tried."""
        port = int(upstream.split(',')[-1].rpartition(':')[2])
        return next((node.number for node in self.nodes if node.port == port), None)

    def stop(self):
        """Returns what did not end well."""
        wrong = []
        for node in self.nodes:
            try:
                node.server.stop()
            except AssertionError as error:
                wrong.append(f'server {node.number}: {error}')
        if self.nginx:
            self.nginx.terminate()
            self.nginx.wait()
        for node in self.nodes:
            node.link.close()
        self.cluster.stop()
        return wrong


class Nemesis:
    """The faults. Each is a generator: it breaks something, yields for how many seconds at least and at most, and mends it when it goes on.

    All of them run in the thread that has begun the servers: a child that dies with the tests dies with its parent's thread."""

    def __init__(self, site, seed, over, pace):
        self.site, self.over, self.pace = site, over, pace
        self.random = random.Random(seed)
        self.counts = collections.Counter()

    def kill(self, node):
        node.server.kill()
        yield 0, 6
        node.start()

    def pause(self, node):
        node.server.terminate(signal.SIGSTOP)
        yield 1, 8
        node.server.terminate(signal.SIGCONT)

    def long_pause(self, node):
        node.server.terminate(signal.SIGSTOP)
        yield JOB_LEASE + 1, JOB_LEASE + 8
        node.server.terminate(signal.SIGCONT)

    def cut_off(self, node, *directions):
        node.link.stop(*directions)
        yield 1, 14
        node.link.go_on(cut=self.random.random() < 0.5)

    def partition(self, node):
        return self.cut_off(node, links.UP, links.DOWN)

    def partition_up(self, node):
        return self.cut_off(node, links.UP)

    def partition_down(self, node):
        return self.cut_off(node, links.DOWN)

    def lose_commits(self, node):
        node.link.lose_commits(self.random.randrange(1, 4))
        yield 1, 4
        node.link.lose_commits(0)

    def drop(self, node):
        node.link.cut()
        yield 0, 0

    def restart(self, mode, away):
        self.site.cluster.end(mode)
        yield 0, away
        self.site.cluster.start()

    def restart_immediate(self, _):
        return self.restart('immediate', 0)

    def restart_fast(self, _):
        return self.restart('fast', 0)

    def database_away(self, _):
        return self.restart('immediate', 18)

    OF_DATABASE = (restart_immediate, restart_fast, database_away)
    BRIEF = (kill, pause, partition, partition_up, partition_down, lose_commits, drop, restart_immediate, restart_fast)
    FAULTS = (*BRIEF, long_pause, database_away)

    def do(self, *faults):
        """Pairs of a fault and a server, all of which begin at once. A server that was killed is the last to be mended: it needs the
        database to begin."""
        begun, going = time.monotonic(), []
        for fault, node in faults:
            steps = fault(self, node)
            least, most = next(steps)
            going.append((fault is Nemesis.kill, (least + (most - least) * self.random.random()) * self.pace, len(going), steps))
            self.counts[fault.__name__] += 1
        for _, seconds, _, steps in sorted(going, key=lambda one: one[:3]):
            self.over.wait(max(0, begun + seconds - time.monotonic()))
            collections.deque(steps, maxlen=0)

    def some(self, faults):
        """One fault, or at times two on two servers at once."""
        pairs = list(zip(self.random.choices(faults, k=2), self.random.sample(self.site.nodes, 2)))
        alone = all(fault in Nemesis.OF_DATABASE for fault, _ in pairs) or self.random.random() < 0.7
        self.do(*pairs[:1 if alone else 2])
        self.over.wait(self.random.random() * 4)


def golden(notebook, films, models):
    """The weights and answers of one server that nobody disturbs, and that has a store of its own."""
    server = program.Server(datasets=dataset.tiny())
    for recipe, training in RECIPES.items():
        record = case.wait_state(server, case.submit(server, training), 'succeeded')
        weights = client.get(server, f'/models/{record["model"]}/weights').body
        notebook.write(op='golden', recipe=recipe, digest=load.tensors_digest(weights))
    server.stop()
    for model, seed in models.items():
        for film, said in enumerate(dataset.predict_here(films, dataset.weights_path(seed))):
            notebook.write(op='golden', model=model, film=film, answer=load.digest(said['probabilities']))


def mend(site):
    """Wait until every server answers; the nemesis has mended what it broke."""
    for node in site.nodes:
        program.poll(node.is_ready, f'server {node.number} is ready', 600)


def read_all(site, clients):
    """Wait for the last job, then ask every server for everything."""
    def all_ended():
        told = clients.list('final', (0, site.addresses[0]))
        return told and all(state not in ('queued', 'running') for state in told['jobs'].values())

    program.poll(all_ended, 'all jobs have ended', 900)
    for number, address in enumerate(site.addresses):
        there = number, address
        told = program.poll(lambda there=there: clients.list('final', there, final=True), 'all jobs are listed')
        for job in sorted(set(clients.jobs)):
            clients.read_events('final', there, job, 0, 60, final=True)
        for job in sorted(job for job, state in told['jobs'].items() if state != 'succeeded' and number == 0):
            record = load.ask(address, 'GET', f'/jobs/{job}').json()
            print(f'# job {job} is {record["state"]}: {record["error"]}', file=sys.stderr)
        made = sorted(model for model, job in told['models'].items() if job)
        for i, model in enumerate(made):
            if i % SERVERS == number or i < 20:  # each by one server, some by all
                reply = load.ask(address, 'GET', f'/models/{model}/weights')
                clients.notebook.write(client='final', op='weights', server=number, model=model, final=True, outcome='ok',
                                       digest=load.tensors_digest(reply.body) if reply.status == 200 else f'none: {reply.status}')
        for model in [None, *clients.models, *made[:5]]:
            clients.predict('final', there, 0, model, final=True)


def figures(lines, nemesis):
    """How often each thing was done, and with what outcome."""
    done = collections.Counter(f'{line["op"]} {line["outcome"]}' for line in lines if line['op'] != 'golden')
    states = collections.Counter(sum(name == 'state' and data['state'] == 'running' for _, name, data in line['events'])
                                 for line in lines if line['op'] == 'events' and line.get('final') and line['server'] == 0)
    return {'operations': sum(done.values()), **dict(sorted(done.items())), 'jobs': len({l['job'] for l in lines if l['op'] == 'submit' and l['outcome'] == 'ok'}),
            'jobs by times that they were begun': dict(sorted(states.items())), 'faults': dict(sorted(nemesis.counts.items()))}


def torture(options):
    """(what is wrong, figures, how often each guarantee was put to the test)"""
    notebook = load.Notebook(options.history or os.path.join(program.new_folder('history'), 'history.jsonl'))
    site = Site()
    films = [picture.noise(i, 64, 64) for i in range(FILMS)]
    models = {case.import_model(site.nodes[0].server, dataset.weights(seed), activate=False)['id']: seed for seed in (1, 2)}
    if not options.until:
        golden(notebook, films, models)
    clients = load.Load(site, notebook, films, sorted(models), RECIPES, options.seed)
    nemesis = Nemesis(site, options.seed, clients.over, 0.5 if options.short else 1)
    faults = [fault for fault in Nemesis.FAULTS if not options.only or fault.__name__ in options.only]
    clients.start()
    program.poll(lambda: options.until or has_begun(notebook), 'a job and an activation are acknowledged', 600)
    begun = time.monotonic()
    if options.short:
        for i, fault in enumerate(Nemesis.BRIEF):
            nemesis.do((fault, site.nodes[(options.seed + i) % SERVERS]))
    while not options.short and time.monotonic() < begun + options.seconds and not is_found(options.until, notebook):
        nemesis.some(faults)
    clients.stop()
    mend(site)
    if not is_found(options.until, notebook):
        read_all(site, clients)
    lines = notebook.so_far()
    wrong = clients.faults + site.stop()
    notebook.close()
    return wrong, lines, {'seconds': round(time.monotonic() - begun), 'seed': options.seed, 'nginx': bool(site.nginx), **figures(lines, nemesis)}


def has_begun(notebook):
    """Whether there is something to judge all guarantees by: faults that come before would leave a slow machine without it."""
    done = {line['op'] for line in notebook.so_far() if line.get('outcome') == 'ok'}
    return {'submit', 'activate', 'predict'} <= done


def is_found(guarantee, notebook):
    return guarantee and any(one.guarantee == guarantee for one in history.judge(notebook.so_far())[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--seconds', type=float, default=1200)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--short', action='store_true')
    parser.add_argument('--history', metavar='FILE')
    parser.add_argument('--tap', metavar='FILE', default=os.devnull)
    parser.add_argument('--until', choices=history.GUARANTEES)
    parser.add_argument('--only', type=lambda text: text.split(','))
    options = parser.parse_args()
    why_not = postgresql.why_not()
    with open(options.tap, 'w', encoding='utf-8') as tap:
        if why_not:
            print(f'ok - nemesis # SKIP {why_not}', '1..1', sep='\n', file=tap)
            print(f'SKIPPED: {why_not}', file=sys.stderr)
            return 77
        wrong, lines, told = torture(options)
        broken, counts = history.judge(lines)
        if options.until:
            found = [one for one in broken if one.guarantee == options.until]
            results = [(f'{options.until} is found broken', [] if found else ['it was not'])]
            print(*found[:3], sep='\n')
        else:
            results = [(f'{name}: {counts[name]} times put to the test', [one.what for one in broken if one.guarantee == name]
                        + ['nothing to judge it by'] * (counts[name] == 0)) for name in history.GUARANTEES]
            results.append(('servers answer and end as they should', wrong))
        for what, why in results:
            print(f'{"not ok" if why else "ok"} - nemesis: {what}', *(f'# {one}' for one in why[:10]), sep='\n', file=tap)
            print(f'{"NOT OK" if why else "ok"} {what}', *why[:10], sep='\n    ')
        print(f'1..{len(results)}', file=tap)
    print(json.dumps(told, indent=1))
    return 1 if any(why for _, why in results) else 0


if __name__ == '__main__':
    sys.exit(main())
