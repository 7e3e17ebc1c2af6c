"""Server-sent events as a client reads them (WHATWG HTML, "Server-sent events")."""
import collections
import http.client
import json

from . import client

Event = collections.namedtuple('Event', 'id name data')


def parse(text):
    """The events of a whole stream, its comments, and what stands after the last empty line."""
    events, comments = [], []
    blocks = text.split('\n\n')
    for block in blocks[:-1]:
        fields = collections.defaultdict(list)
        for line in block.split('\n'):
            name, _, value = line.partition(':')
            (comments if name == '' else fields[name]).append(value.removeprefix(' '))
        if fields['data']:
            events.append(Event(int(fields['id'][0]), fields['event'][0], json.loads('\n'.join(fields['data']))))
    return events, comments, blocks[-1]


class Stream:
    """A reader of a job's events on a connection of its own."""

    def __init__(self, address, job, last=None, prefix='', seconds=client.SECONDS, **headers):
        self.connection = http.client.HTTPConnection(*address, timeout=seconds)
        self.connection.request('GET', f'{prefix}/jobs/{job}/events',
                                headers=headers if last is None else {'Last-Event-ID': str(last), **headers})
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.headers = {name.lower(): value for name, value in self.response.getheaders()}
        self.text = ''
        self.events = []
        self.comments = []

    def lines(self):
        """Lines as they come, until the stream ends."""
        for line in iter(self.response.readline, b''):
            yield line.decode()

    def read(self):
        """Events as they come, until the stream ends."""
        for line in self.lines():
            self.text += line
            if line == '\n':
                events, comments, self.text = parse(self.text)
                self.comments += comments
                self.events += events
                yield from events

    def until(self, wanted):
        """Read until an event is what is wanted; returns it."""
        for event in self.read():
            if wanted(event):
                return event
        raise AssertionError(f'the stream ended: {self.events[-3:]}')

    def rest(self):
        """All events, to the end."""
        for _ in self.read():
            pass
        return self.events

    def close(self):
        self.response.close()
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def milestones(stream_events):
    """Everything but the steps."""
    return [event for event in stream_events if event.name != 'step']
