"""Clients of several servers over one database, each of which writes down what it asked and what it was answered (see history.py)."""
import hashlib
import http.client
import json
import random
import threading
import time

from support import events

PATIENCE = 60  # seconds that a client waits for an answer
BROKEN = (OSError, http.client.HTTPException, ValueError)  # a client sees these of a server that died, or of half an answer


def digest(value):
    data = value if isinstance(value, bytes) else json.dumps(value, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def tensors_digest(weights):
    """Of a weights file without its metadata, which name the job."""
    return digest(weights[8 + int.from_bytes(weights[:8], 'little'):])


class Reply:
    """`status` 0: none came."""

    def __init__(self, status=0, headers=(), body=b''):
        self.status, self.body = status, body
        self.headers = {name.lower(): value for name, value in headers}

    def json(self):
        return json.loads(self.body)


def ask(address, method, target, body=None, **headers):
    """One request on a connection of its own; whatever goes wrong is a reply without a status."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request(method, target, body, {name.replace('_', '-'): value for name, value in headers.items()})
        response = connection.getresponse()
        return Reply(response.status, response.getheaders(), response.read())
    except BROKEN:
        return Reply()
    finally:
        connection.close()


class Notebook:
    """The history as it is written: in memory, and in a file as JSON lines."""

    def __init__(self, path):
        self.file = open(path, 'w', encoding='utf-8')  # pylint: disable=consider-using-with
        self.lock = threading.Lock()  # guards what follows
        self.lines = []

    def write(self, **line):
        with self.lock:
            self.lines.append(line)
            print(json.dumps(line), file=self.file)

    def so_far(self):
        with self.lock:
            self.file.flush()
            return list(self.lines)

    def close(self):
        self.file.close()


class Load:
    """The clients. `site` has `front` (the address in front of all servers), `addresses` (of each), and `number(upstream)`.

    An address is drawn for each request: half of them go through the front, as nobody knows where. Clients run until `over` is set."""

    def __init__(self, site, notebook, films, models, recipes, seed):
        self.site, self.notebook, self.films, self.models, self.recipes = site, notebook, films, models, recipes
        self.random = random.Random(seed)
        self.over = threading.Event()
        self.lock = threading.Lock()  # guards what follows
        self.jobs = []  # acknowledged
        self.waiting = 0  # jobs that had not ended when somebody looked
        self.faults = []
        self.threads = []

    # ---- asking ----

    def place(self, direct=False):
        """(server's number or None, address)"""
        if not direct and self.random.random() < 0.5:
            return None, self.site.front
        number = self.random.randrange(len(self.site.addresses))
        return number, self.site.addresses[number]

    def timed(self, client, op, server, request, judge):
        """Ask, and write it down. judge(reply) -> (outcome, what was answered)."""
        line = {'client': client, 'op': op, 'invoked': time.monotonic()}
        reply = request()
        completed = time.monotonic() if reply.status else None
        try:
            outcome, told = judge(reply)
        except (ValueError, KeyError, TypeError) as error:
            self.fault(f'{op}: {reply.status} {reply.body[:200]!r}: {error!r}')
            outcome, told = 'unknown', {}
        upstream = reply.headers.get('x-upstream')
        line |= {'completed': completed, 'outcome': outcome, 'status': reply.status,
                 'server': self.site.number(upstream) if upstream else server}
        self.notebook.write(**line, **told)
        return outcome, told

    def fault(self, text):
        """Note a wrong answer that no guarantee covers."""
        with self.lock:
            self.faults.append(text)

    # ---- predictions and activations ----

    def predict(self, client, place, film, model=None, **more):
        server, address = place
        target = '/predict' if model is None else f'/predict?model={model}'

        def judge(reply):
            told = {'film': film, 'asked': model, **more}
            if reply.status != 200:
                if reply.status not in (0, 502, 503, 504):
                    self.fault(f'/predict: {reply.status} {reply.body[:200]!r}')
                return 'fail', told
            said = reply.json()
            return 'ok', {**told, 'model': said['model']['id'], 'answer': digest(said['probabilities']),
                          'epoch': int(reply.headers['x-model-epoch']) if model is None else None}

        return self.timed(client, 'predict', server, lambda: ask(address, 'POST', target, self.films[film], Content_Type='image/png'), judge)

    def predictor(self, client):
        film = self.random.randrange(len(self.films))
        model = self.random.choice(self.models) if self.random.random() < 0.1 else None
        self.predict(client, self.place(), film, model)
        self.over.wait(0.02)

    def activate(self, client, key, model):
        server, address = self.place()

        def judge(reply):
            told = {'key': key, 'model': model}
            if reply.status == 200:
                return 'ok', {**told, 'epoch': int(reply.headers['x-model-epoch'])}
            return 'fail' if 400 <= reply.status < 500 else 'unknown', told

        return self.timed(client, 'activate', server,
                          lambda: ask(address, 'POST', f'/models/{model}/activate', b'', Idempotency_Key=key), judge)[0]

    def activator(self, client):
        """As a careful client does it: the same key until there is an answer. Now and then two send it at once."""
        model, key = self.random.choice(self.models), f'{client}-{time.monotonic_ns()}'
        twice = None
        if self.random.random() < 0.2:
            twice = threading.Thread(target=self.activate, args=(client + "'", key, model))
            twice.start()
        while self.activate(client, key, model) == 'unknown' and not self.over.wait(0.2):
            pass
        if twice:
            twice.join()
        self.over.wait(self.random.random())

    # ---- jobs ----

    def submit(self, client, key, recipe):
        server, address = self.place()

        def judge(reply):
            told = {'key': key, 'recipe': recipe}
            if reply.status == 202:
                return 'ok', {**told, 'job': reply.json()['id']}
            return 'fail' if 400 <= reply.status < 500 else 'unknown', told

        return self.timed(client, 'submit', server, lambda: ask(address, 'POST', '/jobs/train', json.dumps(self.recipes[recipe]),
                                                                Content_Type='application/json', Idempotency_Key=key), judge)

    def submitter(self, client):
        if self.waiting >= 4:
            self.over.wait(0.2)
            return
        recipe, key = self.random.choice(sorted(self.recipes)), f'{client}-{time.monotonic_ns()}'
        while True:
            outcome, told = self.submit(client, key, recipe)
            if outcome == 'ok':
                with self.lock:
                    self.jobs.append(told['job'])
                    self.waiting += 1
            if outcome != 'unknown' or self.over.wait(0.2):
                break
        self.over.wait(self.random.random() * 2)

    def all_of(self, address, what):
        """Every page; raises ConnectionError where one does not come."""
        found, cursor = [], ''
        while cursor is not None:
            reply = ask(address, 'GET', f'/{what}?limit=100{cursor and "&cursor=" + cursor}')
            if reply.status != 200:
                raise ConnectionError(reply.status)
            page = reply.json()
            found += page[what]
            cursor = page['next_cursor']
        return found

    def list(self, client, place, final=False):
        """All jobs, and in the end all models too; None: there was no answer."""
        server, address = place
        invoked = time.monotonic()
        try:
            told = {'jobs': {job['id']: job['state'] for job in self.all_of(address, 'jobs')}}
            if final:
                told['models'] = {model['id']: model['job'] for model in self.all_of(address, 'models')}
        except (ConnectionError, ValueError):
            return None
        self.notebook.write(client=client, op='list', server=server, invoked=invoked, completed=time.monotonic(), outcome='ok', **told,
                            **({'final': True} if final else {}))
        return told

    def lister(self, client):
        told = self.list(client, self.place(direct=True))
        if told:
            with self.lock:
                self.waiting = sum(state in ('queued', 'running') for state in told['jobs'].values())
        self.over.wait(0.5)

    # ---- events ----

    def read_events(self, client, place, job, after, seconds, final=False):
        """Read on from an id, for so long or until the job's end; returns the last id and whether it ended."""
        server, address = place
        line = {'client': client, 'op': 'events', 'server': server, 'invoked': time.monotonic(), 'job': job, 'after': after}
        had, until, opened = [], time.monotonic() + seconds, False
        try:
            with events.Stream(address, job, last=after or None, seconds=seconds) as stream:
                opened = stream.status == 200
                for event in stream.read():
                    had.append([event.id, event.name, told_of(event.name, event.data)])
                    if time.monotonic() > until:
                        break
        except BROKEN:
            pass  # cut off, or silent for too long
        if not opened:
            return after, False
        ended = bool(had) and is_end(had[-1])
        self.notebook.write(**line, completed=time.monotonic(), outcome='ok', events=had, ended=ended, **({'final': True} if final else {}))
        return (had[-1][0] if had else after), ended

    def reader(self, client):
        """Follow a job to its end, by another server after every few seconds."""
        with self.lock:
            job = self.random.choice(self.jobs[-6:]) if self.jobs else None
        after, ended = 0, job is None
        while not ended and not self.over.is_set():
            after, ended = self.read_events(client, self.place(), job, after, 0.5 + 3 * self.random.random())
            self.over.wait(0.1)
        self.over.wait(0.5)

    # ---- all of it ----

    def loop(self, step, client):
        try:
            while not self.over.is_set():
                step(client)
        except Exception as error:  # pylint: disable=broad-exception-caught
            self.fault(f'{client} stopped: {error!r}')

    def start(self):
        steps = [self.predictor] * 4 + [self.activator] * 2 + [self.submitter] + [self.lister] + [self.reader] * 2
        self.threads = [threading.Thread(target=self.loop, args=(step, f'{step.__name__}{i}'), daemon=True) for i, step in enumerate(steps)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def told_of(name, data):
    """Of an event's data as much as a history is judged by."""
    return {key: data[key] for key in ('state', 'epoch', 'phase') if key in data} if name != 'step' else {}


def is_end(event):
    return event[1] == 'state' and event[2]['state'] in ('succeeded', 'failed', 'cancelled')
