"""The way between one server and its database, which counts the messages that the server sends and acts before one of them.

Messages are those of PostgreSQL's protocol: a letter, a length, and a text. They are held until the flight is whole to which they belong (up to a Sync,
or a query in one message), as a server waits for nothing before; so it is known what a flight asks for before the first of it is sent on.

What is counted is the transactions of one job, in the order in which its runner writes them: the claim is 0, those behind it that look at the
job's token are 1, 2, 3…; a renewal, which a clock asks for, is `renew`. Or else every message of the server from a moment on."""
import collections
import os
import select
import signal
import socket
import threading

CHECKPOINT = 'of the checkpoint'
# The work of a transaction is told by a piece of a statement in it; the first of these that is found.
KINDS = (('claim', 'INSERT INTO leases('), ('renew', 'UPDATE leases SET until'), ('checkpoint', CHECKPOINT),
         ('file', 'INSERT INTO job_files('), ('finish', 'UPDATE jobs SET state = $1, finished_at'), ('keep', 'UPDATE leases SET asked = coalesce'),
         ('model', 'INSERT INTO models('), ('drop', 'DELETE FROM job_files'), ('begin', 'UPDATE jobs SET state'),
         ('record', 'UPDATE jobs SET record'), ('event', 'INSERT INTO events('))
FENCE = 'SELECT state, coalesce(token, 0) FROM jobs'

# Act before message `message` (from 1) of transaction `transaction`: a number, or 'renew'; None: of all that are sent.
Point = collections.namedtuple('Point', 'transaction message')
# Of transaction `transaction` so many messages were sent; `kind` is what it did.
Seen = collections.namedtuple('Seen', 'transaction kind messages')


class Talk:
    """One connection, and all that it has said so far."""

    def __init__(self):
        self.begun = False  # the first message has been, which has no letter
        self.rest = b''
        self.names = {}  # of prepared statements: their texts
        self.transaction = None

    def flights(self, data):
        """Lists of whole messages; None in place of the letter of the first ones."""
        self.rest += data
        flight, at = [], 0
        while True:
            lettered = self.begun
            if len(self.rest) < at + 4 + lettered:
                break
            size = int.from_bytes(self.rest[at + lettered:at + lettered + 4], 'big') + lettered
            if len(self.rest) < at + size:
                break
            message = self.rest[at:at + size]
            self.begun = self.begun or message[4:8] == b'\0\3\0\0'
            flight.append(message)
            at += size
            if not lettered or message[:1] in b'SQXHp':
                yield flight
                self.rest, flight, at = self.rest[at:], [], 0

    def texts(self, flight):
        """The statements that a flight asks for."""
        for message in flight:
            parts = message[5:].split(b'\0', 2)
            if message[:1] == b'P':
                self.names[parts[0]] = parts[1].decode()
            elif message[:1] == b'B':
                text = self.names.get(parts[1], '')
                yield text + CHECKPOINT if 'INSERT INTO job_files(' in text and b'checkpoint' in message else text


class Transaction:
    def __init__(self):
        self.number = None  # None: of something else than the job
        self.texts, self.messages = [], 0

    def kind(self):
        return next((kind for kind, piece in KINDS if any(piece in text for text in self.texts)), 'other')


class Tap:
    """A port of ours that leads to a port of a database, for one server, which is `process` once it runs."""

    def __init__(self, port):
        self.to = ('127.0.0.1', port)
        self.process = None
        self.lock = threading.Lock()  # guards what follows
        self.point, self.action = None, None
        self.slow = None  # seconds for which the first transaction of the job behind its claim is held back
        self.held = threading.Event()  # set: what was held goes on
        self.acted = threading.Event()
        self.counting = False
        self.last, self.sent, self.seen = 0, 0, []
        self.sockets = []
        self.over = threading.Event()
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.listen, daemon=True).start()

    def arm(self, point, action=None, slow=None):
        """Count from now on, and act at that point: 'kill', or 'hold' all that the server sends until go_on(). None: only count."""
        with self.lock:
            self.point, self.action, self.slow = point, action, slow
            self.last, self.sent, self.seen = 0, 0, []
            self.held.clear()
            self.acted.clear()
            self.counting = True

    def disarm(self):
        """Returns a Seen for each transaction of the job, and how many messages there were of any kind."""
        with self.lock:
            self.counting = False
            self.held.set()
            return [Seen(t.number, t.kind(), t.messages) for t in self.seen], self.sent

    def go_on(self):
        self.held.set()

    def listen(self):
        while not self.over.is_set():
            if not select.select([self.listener], [], [], 0.1)[0]:
                continue
            try:
                near, _ = self.listener.accept()
            except OSError:
                return  # closed
            try:
                far = socket.create_connection(self.to)
            except OSError:
                near.close()
                continue
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets += [near, far]
            threading.Thread(target=self.up, args=(near, far), daemon=True).start()
            threading.Thread(target=self.down, args=(far, near), daemon=True).start()

    def down(self, source, sink):
        try:
            while data := source.recv(1 << 16):
                sink.sendall(data)
        except OSError:
            pass  # an end has gone
        shut(source, sink)

    def up(self, source, sink):
        talk = Talk()
        try:
            while data := source.recv(1 << 16):
                for flight in talk.flights(data):
                    self.pass_on(talk, flight, sink)
        except OSError:
            pass  # an end has gone, or has been killed
        shut(source, sink)

    def pass_on(self, talk, flight, sink):
        texts = list(talk.texts(flight))
        with self.lock:
            counting, slow = self.counting, None
            if counting:
                slow = self.note(talk, texts)
        if slow:
            self.held.wait(slow)
        for i, message in enumerate(flight):
            with self.lock:
                counting = self.counting
                here = counting and self.is_here(talk.transaction)
                if here:
                    action, self.point = self.action, None
            if here:
                sink.sendall(b''.join(flight[:i]))
                self.act(action)
                flight = flight[i:]
                break
        sink.sendall(b''.join(flight))
        if talk.transaction and any(text in ('COMMIT', 'ROLLBACK') for text in texts):
            talk.transaction = None

    def note(self, talk, texts):
        """With the lock held: which transaction of the job this flight belongs to. Returns how long it is to be held back."""
        if 'BEGIN' in texts:
            talk.transaction = Transaction()
        t = talk.transaction
        if not t:
            return None
        t.texts += texts
        if t.number is not None or 'BEGIN' not in texts:
            return None
        kind = t.kind()
        if kind == 'claim':
            t.number, self.last = 0, 0
        elif kind == 'renew':
            t.number = 'renew'
        elif any(FENCE in text for text in texts):
            self.last += 1
            t.number = self.last
        else:
            return None
        self.seen.append(t)
        if self.slow and t.number == 2:
            slow, self.slow = self.slow, None
            return slow
        return None

    def is_here(self, transaction):
        """With the lock held: count the next message; whether it is the one."""
        self.sent += 1
        if transaction:
            transaction.messages += 1
        if not self.point:
            return False
        if self.point.transaction is None:
            return self.sent == self.point.message
        return transaction is not None and transaction.number == self.point.transaction and transaction.messages == self.point.message

    def act(self, action):
        if action == 'hold':
            self.acted.set()
            self.held.wait()
            return
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.acted.set()
        raise ConnectionAbortedError

    def close(self):
        self.over.set()
        self.held.set()
        self.listener.close()
        shut(*self.sockets)
        for end in self.sockets:
            end.close()


def shut(*ends):
    for end in ends:
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
