"""Tests run here or shared by several processes, a class at a time: what happens to each is told as it ends.

A process of the second kind is a fork that is sent the place of a class and sends back an Outcome a test, then what its
clients have seen (client.SEEN, so that the contract is judged over all of it). One that dies is a failure of its class.
"""
import collections
import itertools
import math
import multiprocessing
import time
import unittest
from multiprocessing.connection import wait

from . import client

# skip: why it was left out, or ''. why: what went wrong, or ''. seconds: 0 where there was no test, as of setUpClass.
Outcome = collections.namedtuple('Outcome', 'name skip why seconds')


def words(test):
    """test_jobs.Cancel.test_a_queued_job -> "test_jobs::Cancel: a queued job"."""
    parts = test.id().split('.')
    if len(parts) < 3 or ' ' in test.id():
        return test.id()  # setUpClass (…) and its like
    return f'{parts[-3]}::{parts[-2]}: {parts[-1].removeprefix("test_").replace("_", " ")}'


class Results(unittest.TestResult):
    """Calls tell(Outcome) as each test ends."""

    def __init__(self, tell):
        super().__init__()
        self.tell = tell
        self.skip = self.why = ''
        self.begun = 0

    def startTest(self, test):
        super().startTest(test)
        self.skip = self.why = ''
        self.begun = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        self.tell(Outcome(words(test), '' if self.why else self.skip, self.why, time.monotonic() - self.begun))

    def fail(self, test, err, inside=''):
        text = inside + self._exc_info_to_string(err, test)
        if isinstance(test, unittest.TestCase):
            self.why += text
        else:  # a class or a module: no stopTest() will come
            self.tell(Outcome(words(test), '', text, 0))

    def addError(self, test, err):
        self.fail(test, err)

    def addFailure(self, test, err):
        self.fail(test, err)

    def addSubTest(self, test, subtest, err):
        if err:
            self.fail(test, err, f'in {subtest.id()}\n')

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase):
            self.skip = self.skip or reason
        else:
            self.tell(Outcome(words(test), reason, '', 0))


def work(classes, pipe):
    """Run the classes whose places come through the pipe, until it is closed."""
    while True:
        try:
            tests = classes[pipe.recv()]
        except EOFError:
            return
        del client.SEEN[:]
        unittest.TestSuite(tests).run(Results(pipe.send))
        pipe.send(list(client.SEEN))


def received(pipe):
    """An Outcome, or the list of what was seen in a class that has ended, or None where the process has died."""
    try:
        return pipe.recv()
    except (EOFError, ConnectionResetError):
        return None


def share(classes, jobs, tell, until):
    fork = multiprocessing.get_context('fork')
    waiting = collections.deque(range(len(classes)))
    at = {}  # a pipe: the place of the class that its process runs

    def give(pipe):
        if not waiting or time.time() >= until:
            at.pop(pipe, None)
            pipe.close()
        else:
            at[pipe] = waiting.popleft()
            pipe.send(at[pipe])

    def begin():
        ours, theirs = fork.Pipe()
        # A process must not hold the other ends: its own pipe would never be seen to close.
        process = fork.Process(target=lambda: ([p.close() for p in (ours, *at)], work(classes, theirs)))
        process.start()
        theirs.close()
        give(ours)
        return process

    processes = [begin() for _ in range(jobs)]
    while at:
        for pipe in wait(list(at)):
            news = received(pipe)
            if isinstance(news, Outcome):
                tell(news)
            elif isinstance(news, list):
                client.SEEN.extend(news)
                give(pipe)
            else:
                name = unittest.util.strclass(type(classes[at.pop(pipe)][0]))
                tell(Outcome(name, '', 'the process that ran this class has died', 0))
                pipe.close()
                processes.append(begin())
    for process in processes:
        process.join()
    return [classes[place] for place in waiting]


def run(tests, jobs, tell, until=math.inf, turn=0):
    """All tests, those of one class one after the other in one process. tell(Outcome) is called here, as each ends.

    With one job that process is this one, so that a test can look at client.SEEN, which holds what earlier runs have seen.
    No class begins after until, in seconds since 1970: returns the tests of those that have not, in a list for each class. turn, a
    number, moves the class that is the first, so that other ones are left out another time."""
    classes = [list(group) for _, group in itertools.groupby(tests, type)]
    first = turn % max(1, len(classes))
    classes = classes[first:] + classes[:first]
    if jobs > 1:
        return share(classes, jobs, tell, until)
    for place, tests_of_class in enumerate(classes):
        if time.time() >= until:
            return classes[place:]
        unittest.TestSuite(tests_of_class).run(Results(tell))
    return []
