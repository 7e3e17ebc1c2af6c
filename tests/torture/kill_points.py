#!/usr/bin/python3
"""One of two servers over one PostgreSQL is killed before the k-th message that it sends to the database, for every k of each operation.

    CXRD_BIN=build/release/cxrd tests/torture/kill_points.py [--long] [--seed 1] [--points 2] [--only claim,activate] [--hold] [--tap FILE]

The operations of a job are the transactions that its runner writes, in their order: claim, what begins it, each event and record, each checkpoint
and other file, the model, the end; and a renewal. Others are requests: submit, cancel, activate. A run without a kill counts the messages of
each (tap.py); then each point has a run of its own: the server is killed before that message, the other, which has been alive throughout, takes the
job over or is asked the same with the same Idempotency-Key, the first is started anew, and both are asked for everything. history.py judges what was
answered; beside that the tables are read: tokens, epochs, the journal, the one active model; and the audit log of the server that was killed.

The other server has no data set until the first is dead, so that it is the first which has the job. A dead server's leases are ended by hand: that they end by
themselves after 15 s, and the job has another runner 1 s later, is nemesis.py's and test_replicas.py's to show.

--long runs all points; the short form draws --points of each operation by the seed, and names them. --hold kills nobody: what the server sends is
held back there, and goes on when the other has done the job, with a token that is old by then; the operations of a job alone. For a program that is broken on purpose
--until-found ends with status 0 at the first violation, and with 1 where there was none."""
import argparse
import json
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), 'http')]

import history  # noqa: E402
import load  # noqa: E402
import tap  # noqa: E402
from support import case, client, dataset, events, picture, postgresql, program  # noqa: E402

TRAINING = {'dataset': 'tiny', 'image_size': dataset.SIZE, 'epochs': 2, 'steps_per_epoch': 1, 'batch_size': 8, 'patience': 0,
            'learning_rate': 0.003}
RENEWED = 4.3  # seconds that a job is held up, so that its lease is renewed
REQUESTS = ('submit', 'cancel', 'activate')
DATABASE = 'points'
TRIES = 3  # of a point that was passed by: a renewal came between, or a statement had a name already


class Other:
    """The server that stays alive. `give` and `take_away` are its data set."""

    def __init__(self, cluster):
        self.folder, self.away = program.new_folder('datasets'), program.new_folder('away')
        dataset.write_table(os.path.join(self.away, 'tiny'))
        dataset.write_images(os.path.join(self.away, 'tiny'))
        self.server = program.Server('--store', cluster.url(DATABASE), '--job-queue', '100', '--keep-models', '100000', '--log-level', 'error',
                                     datasets=self.folder, threads=1)

    def give(self):
        os.rename(os.path.join(self.away, 'tiny'), os.path.join(self.folder, 'tiny'))

    def take_away(self):
        if os.path.exists(os.path.join(self.folder, 'tiny')):
            os.rename(os.path.join(self.folder, 'tiny'), os.path.join(self.away, 'tiny'))


class Site:
    def __init__(self):
        self.cluster = postgresql.Cluster()
        self.cluster.database(DATABASE)
        self.tap = tap.Tap(self.cluster.port)
        self.state = program.new_folder('state')
        self.audit = os.path.join(program.new_folder('audit'), 'audit')
        self.other = Other(self.cluster)
        self.server = None
        self.film = picture.noise(0, 64, 64)
        self.models = [case.import_model(self.other.server, dataset.weights(seed), activate=False)['id'] for seed in (1, 2)]
        case.client.post(self.other.server, f'/models/{self.models[0]}/activate')  # without an active model none is ready
        self.activations = []  # lines of a history: those of all points, as epochs grow through all of them
        self.n, self.job = 0, None
        self.golden = self.make_golden()
        self.start()
        self.job, _ = self.submit(self.server.address, 'first', TRAINING)
        ended(self, self.job, 0)
        self.fresh()

    def make_golden(self):
        server = program.Server(datasets=dataset.tiny())
        record = case.wait_state(server, case.submit(server, TRAINING), 'succeeded')
        digest = load.tensors_digest(client.get(server, f'/models/{record["model"]}/weights').body)
        server.stop()
        return digest

    def start(self):
        """The server that is killed: anew, with the state that it had."""
        self.server = program.Server('--store', self.cluster.url(DATABASE, self.tap.port) + '?sslmode=disable', '--job-queue', '100', '--keep-models',
                                     '100000', '--audit', self.audit, '--log-level', 'error', state=self.state, datasets=dataset.tiny(), threads=1)
        self.tap.process = self.server.process
        program.poll(lambda: load.ask(self.server.address, 'GET', '/readyz').status == 200, 'the server is ready', 60)
        self.predict(self.places()[0])
        if self.job:
            self.told(self.job)

    def fresh(self):
        """A server that has done nothing yet but start(): which statements have names decides how many messages there are."""
        if self.server.alive():
            self.server.terminate(9)
            self.server.wait()
        self.bury()
        self.start()

    def bury(self):
        """The leases of the dead end now; and the audit that it has written is whole."""
        self.server.kill()
        port = self.other.server.address[1]
        self.sql(f"UPDATE replicas SET until = 1 WHERE address NOT LIKE '%:{port}'; UPDATE leases SET until = 1 WHERE holder IN"
                 " (SELECT id FROM replicas WHERE until = 1); NOTIFY cxrd")

    def sql(self, text):
        return self.cluster.sql(text, DATABASE)

    def key(self):
        self.n += 1
        return f'point {self.n}'

    def stop(self):
        self.server.stop()
        self.other.server.stop()
        self.tap.close()
        self.cluster.stop()

    # ---- what is asked ----

    def places(self):
        return (0, self.server.address), (1, self.other.server.address)

    def submit(self, address, key, training):
        """(the job or None, a line of the history)"""
        line = {'client': 'c', 'op': 'submit', 'server': None, 'invoked': time.monotonic(), 'key': key, 'recipe': 'tiny'}
        reply = load.ask(address, 'POST', '/jobs/train', json.dumps(training), Content_Type='application/json', Idempotency_Key=key)
        line |= {'completed': time.monotonic() if reply.status else None, 'outcome': 'ok' if reply.status == 202 else 'unknown'}
        if reply.status == 202:
            line['job'] = reply.json()['id']
        return line.get('job'), line

    def activate(self, address, key, model):
        line = {'client': 'c', 'op': 'activate', 'server': None, 'invoked': time.monotonic(), 'key': key, 'model': model}
        reply = load.ask(address, 'POST', f'/models/{model}/activate', b'', Idempotency_Key=key)
        line |= {'completed': time.monotonic() if reply.status else None, 'outcome': 'ok' if reply.status == 200 else 'unknown'}
        if reply.status == 200:
            line['epoch'] = int(reply.headers['x-model-epoch'])
        return line

    def predict(self, place):
        number, address = place
        line = {'client': 'c', 'op': 'predict', 'server': number, 'invoked': time.monotonic(), 'film': 0, 'asked': None, 'final': True}
        reply = load.ask(address, 'POST', '/predict', self.film, Content_Type='image/png')
        if reply.status != 200:
            return {**line, 'completed': time.monotonic(), 'outcome': 'fail'}
        said = reply.json()
        return {**line, 'completed': time.monotonic(), 'outcome': 'ok', 'model': said['model']['id'], 'answer': load.digest(said['probabilities']),
                'epoch': int(reply.headers['x-model-epoch'])}

    def told(self, job):
        """Lines of a history: what both servers say of a job in the end."""
        lines = []
        for number, address in self.places():
            now = time.monotonic()
            record, cards = got(address, f'/jobs/{job}'), got(address, '/models?limit=100')['models']
            models = {card['id']: job for card in cards if card['job'] == job}
            with events.Stream(address, job, seconds=60) as stream:
                had = [[e.id, e.name, load.told_of(e.name, e.data)] for e in stream.rest()]
            lines.append({'op': 'list', 'server': number, 'invoked': now, 'final': True, 'jobs': {job: record['state']}, 'models': models})
            lines.append({'op': 'events', 'server': number, 'invoked': now, 'final': True, 'job': job, 'after': 0, 'events': had,
                          'ended': bool(had) and load.is_end(had[-1])})
            for model in models:
                reply = load.ask(address, 'GET', f'/models/{model}/weights')
                lines.append({'op': 'weights', 'server': number, 'model': model, 'final': True, 'outcome': 'ok',
                              'digest': load.tensors_digest(reply.body) if reply.status == 200 else f'none: {reply.status}'})
        return lines

    # ---- what must hold of the tables, and of the audit ----

    def check_tables(self, job, begun):
        """Sentences: what is wrong."""
        wrong = []
        if job:
            token, running, twice = self.sql(
                f"SELECT coalesce(max(token), 0), (SELECT count(*) FROM events WHERE job = '{job}' AND name = 'state' AND data LIKE '%running%'),"
                f" (SELECT count(*) - count(DISTINCT seq) FROM events WHERE job = '{job}') FROM leases WHERE job = (SELECT seq FROM jobs WHERE id = '{job}')").split('|')
            if int(token) < begun or int(running) > int(token) or twice != '0':
                wrong.append(f'token {token}, begun {running} times, {twice} events doubled; it was {begun}')
            if int(token) > begun + 1:  # no fault: it could not renew its lease in time, as on a machine that has much to do
                print(f'# the other server has claimed it {int(token) - begun} times', flush=True)
        wrong += self.check_epochs()
        audit = program.run('audit', self.audit)
        if audit.returncode:
            wrong.append(f'the audit: {audit.stdout}{audit.stderr}')
        return wrong

    def check_epochs(self):
        """Also before the client asks again, which would mend an epoch that is half there."""
        epochs, last, active, newest = self.sql(
            "SELECT count(*), coalesce(max(epoch), 0), (SELECT count(*) FROM settings WHERE name = 'active_model'),"
            " (SELECT count(*) FROM settings WHERE name = 'active_model' AND value = (SELECT model FROM epochs ORDER BY epoch DESC LIMIT 1)) FROM epochs").split('|')
        if epochs != last or active != newest or (epochs != '0' and active != '1'):
            return [f'{epochs} epochs, the last {last}; {active} active models, {newest} of the last epoch']
        return []


def judged(lines, guarantees=history.GUARANTEES):
    return [f'{one.guarantee}: {one.what}' for one in history.judge(lines)[0] if one.guarantee in guarantees]


def state_of(address, job):
    """'' where the server cannot say so now: on a machine that has much to do its database may be out of reach for a moment."""
    reply = load.ask(address, 'GET', f'/jobs/{job}')
    return reply.json()['state'] if reply.status == 200 else ''


def ended(site, job, place=1):
    address = site.places()[place][1]
    return program.poll(lambda: (state := state_of(address, job)) in history.ENDS and state, f'job {job} has ended')


def got(address, target):
    """A reply that must come, now or later."""
    return program.poll(lambda: (reply := load.ask(address, 'GET', target)).status == 200 and reply, f'{target} is told', 120).json()


# ---- a job ----

def job_counts(site):
    """The transactions of an undisturbed job, and of one renewal."""
    site.tap.arm(None, slow=RENEWED)
    job, _ = site.submit(site.server.address, site.key(), TRAINING)
    ended(site, job, 0)
    time.sleep(0.5)  # what follows its end
    seen, _ = site.tap.disarm()
    site.fresh()
    found = {}
    for one in seen:
        found.setdefault(one.transaction, one)  # one renewal is enough, and the claims behind the first find nothing
    return found.values()


def job_point(site, point, hold):
    """Whether the point was met, and what is wrong."""
    site.tap.arm(point, 'hold' if hold else 'kill', slow=RENEWED if point.transaction == 'renew' else None)
    key, other = site.key(), site.other.server.address
    asked = [site.submit(site.server.address, key, TRAINING)]
    if not asked[0][0]:  # killed before the reply: the client asks again
        asked.append(program.poll(lambda: (again := site.submit(other, key, TRAINING))[0] and again, 'it is acknowledged', 60))
    job = asked[-1][0]
    program.poll(lambda: site.tap.acted.is_set() or state_of(other, job) in history.ENDS, 'the point, or the end')
    met = site.tap.acted.is_set()
    token = int(site.sql(f"SELECT coalesce(max(token), 0) FROM leases WHERE job = (SELECT seq FROM jobs WHERE id = '{job}')"))
    site.other.give()
    if met and hold:
        hold_over(site, job)
    elif met:
        site.bury()
    ended(site, job)
    if met and hold:
        site.tap.go_on()
        time.sleep(1.5)  # what was held comes late, and is answered
    site.tap.disarm()
    site.other.take_away()
    if not met or hold:
        site.fresh()
    else:
        site.start()
    golden = {'op': 'golden', 'recipe': 'tiny', 'digest': site.golden}
    wrong = judged([golden, *(line for _, line in asked), *site.told(job)], ('G1', 'G4', 'G5', 'G6'))
    return met, wrong + site.check_tables(job, token)


def hold_over(site, job):
    """The lease ends while its server is held, as if that were paused: the database throws its open transaction out after 2 s."""
    other, begun = site.other.server.address, time.monotonic()
    while state_of(other, job) not in history.ENDS and time.monotonic() < begun + 60:
        site.sql(f"UPDATE leases SET until = 1 WHERE job = (SELECT seq FROM jobs WHERE id = '{job}') AND holder NOT IN (SELECT id FROM replicas"
                 f" WHERE address LIKE '%:{other[1]}'); NOTIFY cxrd")
        time.sleep(0.3)


# ---- requests ----

def request_point(site, operation, k):
    """One request to the first server, which is killed before the k-th message from there on; k None: how many there are."""
    key, model = site.key(), None
    job = lines = None
    if operation == 'cancel':
        job, line = site.submit(site.server.address, key, case.LONG)
        case.wait_training(site.server, job)
        lines = [line]
    if operation == 'activate':
        active = site.sql("SELECT coalesce(max(value), '') FROM settings WHERE name = 'active_model'")
        model = next(one for one in site.models if one != active)
    site.tap.arm(None if k is None else tap.Point(None, k), 'kill')
    reply = send(site, operation, site.server.address, key, model, job)
    if k is None and operation == 'cancel':
        ended(site, job)
    if k is None:
        sent = site.tap.disarm()[1]
    else:
        program.poll(site.tap.acted.is_set, 'the point', 60)
        site.tap.disarm()
        site.bury()
    wrong = site.check_epochs()
    again = program.poll(lambda: not is_unsure(answer := send(site, operation, site.other.server.address, key, model, job)) and [answer],
                         'the other answers', 60)[0]
    if operation == 'activate':
        site.activations += [reply, again]
    elif operation == 'submit':
        job = again[0]
        wrong += [f'acknowledged as {reply[0]}, then as {job}'] if reply[0] not in (None, job) or not job else []
        site.other.give()
        state = ended(site, job)
        wrong += [f'it is {state}'] if state != 'succeeded' else []
        count = site.sql(f"SELECT count(*) FROM jobs WHERE idempotency_key LIKE '%{key}%'")
        wrong += [f'{count} jobs of one key'] if count != '1' else []
    else:
        state = ended(site, job)
        wrong += [f'acknowledged {reply}, again {again}: it is {state}'] if state != 'cancelled' else []
    site.other.take_away()
    if k is None:
        site.fresh()
    else:
        site.start()
    if operation == 'activate':
        for line in site.activations:
            line.pop('final', None)  # it was the end of another point
        site.activations += [program.poll(lambda place=place: (line := site.predict(place))['outcome'] == 'ok' and line, 'a prediction', 60)
                             for place in site.places()]
        wrong += judged(site.activations, ('G2', 'G3', 'G4'))
    else:
        wrong += journal_faults(site.told(job))
    wrong += site.check_tables(None, 0)
    return (sent if k is None else True), wrong


def send(site, operation, address, key, model, job):
    if operation == 'activate':
        return site.activate(address, key, model)
    if operation == 'submit':
        return site.submit(address, key, case.NOTHING)
    return load.ask(address, 'POST', f'/jobs/{job}/cancel').status


def is_unsure(answer):
    """The client asks again."""
    return answer in (0, 503) or (isinstance(answer, tuple) and not answer[0]) or (isinstance(answer, dict) and answer['outcome'] != 'ok')


def journal_faults(lines):
    """Of a job without a model: both tell the same, and one end."""
    told = [line for line in lines if line['op'] == 'events']
    ends = [[data['state'] for _, name, data in line['events'] if name == 'state' and data['state'] in history.ENDS] for line in told]
    alike = history.milestones(told[0]['events']) == history.milestones(told[1]['events'])
    return [] if alike and all(len(one) == 1 for one in ends) else [f'two servers tell {ends}']


# ---- all of it ----

def chosen(points, options):
    if options.hold:  # between two messages of a flight a writer that is stopped keeps the store's lock: docs/internals/store.md
        points = [one for one in points if one[1].message == 1]
    if options.long:
        return points
    of = {}
    for operation, point in points:
        of.setdefault(operation, []).append((operation, point))
    draw = random.Random(options.seed)
    return [one for operation in sorted(of) for one in draw.sample(of[operation], min(options.points, len(of[operation])))]


def all_points(site, options):
    """Pairs of an operation and a point."""
    wanted = lambda operation: not options.only or operation in options.only
    points = [(one.kind, tap.Point(one.transaction, message)) for one in job_counts(site) if wanted(one.kind)
              for message in range(1, one.messages + 1)]
    for operation in REQUESTS:
        if wanted(operation) and not options.hold:
            sent, wrong = request_point(site, operation, None)
            if wrong:
                raise AssertionError(f'{operation}, undisturbed: {wrong}')
            points += [(operation, tap.Point(None, k)) for k in range(1, sent + 1)]
    return points


def run(options):
    """(how many points, those that were not met, what is wrong)"""
    site = Site()
    points = all_points(site, options)
    counts = {operation: sum(one == operation for one, _ in points) for operation, _ in points}
    print('# messages:', json.dumps(counts), flush=True)
    missed, wrong, done, begun = [], [], 0, time.monotonic()
    for operation, point in chosen(points, options):
        for _ in range(TRIES):
            if operation in REQUESTS:
                met, faults = request_point(site, operation, point.message)
            else:
                met, faults = job_point(site, point, options.hold)
            if met:
                break
        name = f'{operation} {"" if point.transaction is None else point.transaction}:{point.message}'
        done += met
        missed += [] if met else [name]
        wrong += [f'{name}: {fault}' for fault in faults]
        print(f'# {name}{"" if met else " passed by"}{": " + str(faults) if faults else ""} ({time.monotonic() - begun:.0f} s)', flush=True)
        if faults and options.until_found:
            break
    site.stop()
    return done, missed, wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--long', action='store_true')
    parser.add_argument('--hold', action='store_true')
    parser.add_argument('--until-found', action='store_true')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--points', type=int, default=1)
    parser.add_argument('--only', type=lambda text: text.split(','))
    parser.add_argument('--tap', metavar='FILE', default=os.devnull)
    options = parser.parse_args()
    why_not = postgresql.why_not()
    with open(options.tap, 'w', encoding='utf-8') as file:
        if why_not:
            print(f'ok - kill_points # SKIP {why_not}', '1..1', sep='\n', file=file)
            print(f'SKIPPED: {why_not}', file=sys.stderr)
            return 77
        done, missed, wrong = run(options)
        what = f'{done} points, {len(wrong)} violations, {len(missed)} points not met'
        bad = not wrong if options.until_found else bool(wrong or missed or not done)
        print(f'{"not ok" if bad else "ok"} - kill_points: {what}', '1..1', sep='\n', file=file)
    print(*(wrong + missed)[:20], what, sep='\n')
    return bool(bad)


if __name__ == '__main__':
    sys.exit(main())
