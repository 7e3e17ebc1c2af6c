"""The way between a server and its database: a relay of TCP connections that a test can cut, stop in one direction or in both, and make
lose the answers of COMMITs.

A direction that is stopped is read no more and sent no more, as where a network drops packets: nobody is told, and what was sent meanwhile
arrives late when it goes on, unless the connections are cut. A network drops them on their way; here they wait in buffers of one machine,
so the sender's kernel believes that they have arrived, and TCP's own timers see nothing. A process of this program that is cut off by
nftables in a namespace has those timers too; this relay needs no rights, and is there everywhere."""
import select
import socket
import threading

# A CommandComplete of PostgreSQL's protocol that says COMMIT.
COMMITTED = b'C\x00\x00\x00\x0bCOMMIT\x00'
UP, DOWN = 'up', 'down'  # to the database, from it
TURN_SECONDS = 0.02


class Relay:
    """One connection on its way."""

    def __init__(self, link, near, far):
        self.link, self.ends = link, (near, far)
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.pump, args=ends, daemon=True)
                        for ends in ((near, far, UP), (far, near, DOWN))]
        for thread in self.threads:
            thread.start()

    def pump(self, source, sink, direction):
        try:
            while not self.over.is_set():
                self.link.flowing[direction].wait(TURN_SECONDS)
                if not self.link.flowing[direction].is_set() or not select.select([source], [], [], TURN_SECONDS)[0]:
                    continue
                data = source.recv(1 << 16)
                while not self.link.flowing[direction].wait(TURN_SECONDS) and not self.over.is_set():
                    pass
                if not data or (direction == DOWN and COMMITTED in data and self.link.take_order()):
                    break
                sink.sendall(data)
        except (OSError, ValueError):
            pass  # an end has gone
        self.cut()

    def cut(self):
        self.over.set()
        for end in self.ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.cut()
        for thread in self.threads:
            thread.join()
        for end in self.ends:
            end.close()


class Link:
    """A port of ours that leads to a port of a database."""

    def __init__(self, port):
        self.to = ('127.0.0.1', port)
        self.flowing = {UP: threading.Event(), DOWN: threading.Event()}
        for direction in self.flowing.values():
            direction.set()
        self.lock = threading.Lock()  # guards what follows
        self.orders = self.lost = 0
        self.relays = []
        self.over = threading.Event()
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while not self.over.is_set():
            if not select.select([self.listener], [], [], TURN_SECONDS)[0]:
                continue
            near, _ = self.listener.accept()
            try:
                relay = Relay(self, near, socket.create_connection(self.to))
            except OSError:
                near.close()  # there is no database: refused
                continue
            with self.lock:
                gone = [one for one in self.relays if one.over.is_set()]
                self.relays = [one for one in self.relays if not one.over.is_set()] + [relay]
            for one in gone:
                one.close()

    def stop(self, *directions):
        for direction in directions:
            self.flowing[direction].clear()

    def go_on(self, cut):
        """All goes on that was stopped; with `cut`, on new connections."""
        if cut:
            self.cut()
        for direction in self.flowing.values():
            direction.set()

    def cut(self):
        with self.lock:
            relays = list(self.relays)
        for relay in relays:
            relay.cut()

    def lose_commits(self, count):
        """So many of the next answers to a COMMIT are lost, with their connections; 0: no more."""
        with self.lock:
            self.orders = count

    def take_order(self):
        with self.lock:
            ordered = self.orders > 0
            self.orders -= ordered
            self.lost += ordered
        return ordered

    def close(self):
        self.over.set()
        self.thread.join()
        self.listener.close()
        for relay in self.relays:
            relay.close()
