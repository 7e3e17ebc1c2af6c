#!/usr/bin/python3
"""Run the black-box tests of the program named by CXRD_BIN.

    run.py [--tap=FILE] [--seen=FILE] [PATTERN...]

A PATTERN selects tests whose name contains it. Results go to standard output and, as TAP, to FILE. The contract's
tests come last: they judge what all others have seen. --seen keeps it for tests/contract: a line of JSON for every
reply that is JSON.
"""
import argparse
import json
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

from support import client, program  # noqa: E402


def words(test):
    """test_jobs.Cancel.test_a_queued_job -> "test_jobs::Cancel: a queued job"."""
    parts = test.id().split('.')
    if len(parts) < 3 or ' ' in test.id():
        return test.id()  # setUpClass (…) and its like
    return f'{parts[-3]}::{parts[-2]}: {parts[-1].removeprefix("test_").replace("_", " ")}'


class Tap(unittest.TestResult):
    """A line a test, as it ends, and what went wrong below it."""

    def __init__(self, file):
        super().__init__()
        self.file = file
        self.passed = self.failed = self.skipped_count = 0
        self.outcome = None
        self.begun = 0

    def line(self, ok, name, skip='', took=''):
        text = f'{"ok" if ok else "not ok"} - {name.replace("#", "")}{skip and f" # SKIP {skip}"}'
        print(text + took, flush=True)
        print(text, file=self.file, flush=True)

    def why(self, text):
        """What went wrong, below the line that says so: in TAP such lines are comments."""
        print(text, flush=True)
        print(*(f'# {line}' for line in text.splitlines()), sep='\n', file=self.file, flush=True)

    def startTest(self, test):
        super().startTest(test)
        self.outcome = None
        self.begun = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        took = f'  ({time.monotonic() - self.begun:.2f}s)'
        if self.outcome is None:
            self.passed += 1
            self.line(True, words(test), took=took)
        elif self.outcome[0] == 'skip':
            self.skipped_count += 1
            self.line(True, words(test), self.outcome[1])
        else:
            self.failed += 1
            self.line(False, words(test), took=took)
            self.why(self.outcome[1])

    def fail(self, test, err):
        text = self._exc_info_to_string(err, test)
        if not isinstance(test, unittest.TestCase):  # a class or a module: no stopTest() will come
            self.failed += 1
            self.line(False, words(test))
            self.why(text)
        elif self.outcome and self.outcome[0] == 'fail':
            self.outcome = ('fail', self.outcome[1] + text)
        else:
            self.outcome = ('fail', text)

    def addError(self, test, err):
        self.fail(test, err)

    def addFailure(self, test, err):
        self.fail(test, err)

    def addSubTest(self, test, subtest, err):
        if err:
            self.fail(test, err)
            self.outcome = ('fail', f'in {subtest.id()}\n{self.outcome[1]}')

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase):
            self.outcome = self.outcome or ('skip', reason)
        else:
            self.skipped_count += 1
            self.line(True, words(test), reason)


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def write_seen(path):
    with open(path, 'w', encoding='utf-8') as file:
        for reply in client.SEEN:
            kind = reply.headers.get('content-type', '')
            if kind.endswith('json') and reply.method != 'HEAD' and reply.body:
                print(json.dumps({'method': reply.method, 'target': reply.target, 'status': reply.status, 'type': kind,
                                  'body': json.loads(reply.body)}), file=file)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--tap', metavar='FILE')
    parser.add_argument('--seen', metavar='FILE')
    parser.add_argument('pattern', nargs='*')
    arguments = parser.parse_args()
    if not os.access(program.BINARY, os.X_OK):
        print('CXRD_BIN must name the program to test', file=sys.stderr)
        return 2
    tests = list(flatten(unittest.defaultTestLoader.discover(HERE, 'test_*.py', top_level_dir=HERE)))
    tests = [t for t in tests if not arguments.pattern or any(p in t.id() for p in arguments.pattern)]
    tests.sort(key=lambda t: t.id().startswith('test_openapi'))  # stable: the others keep their order
    client.WHOLE_RUN = not arguments.pattern
    begun = time.monotonic()
    with open(arguments.tap or os.devnull, 'w', encoding='utf-8') as file:
        result = Tap(file)
        unittest.TestSuite(tests).run(result)
        if arguments.seen:
            write_seen(arguments.seen)
        print(f'1..{result.passed + result.failed + result.skipped_count}', file=file)
    print(f'{result.passed} passed, {result.failed} failed, {result.skipped_count} skipped '
          f'in {time.monotonic() - begun:.0f} s')
    return 1 if result.failed or not tests else 0


if __name__ == '__main__':
    sys.exit(main())
