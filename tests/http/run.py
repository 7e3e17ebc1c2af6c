#!/usr/bin/python3
"""Run the black-box tests of the program named by CXRD_BIN.

    run.py [--tap=FILE] [--seen=FILE] [--jobs=N] [PATTERN...]

The environment may set CXRD_TEST_UNTIL, in seconds since 1970: no class of tests begins later, and those that have not are named.
CXRD_TEST_TURN, a number, moves the class that is the first.

A PATTERN selects tests whose name contains it. N processes share the classes of tests (1): a test waits for its server for
half of its time, so two of them end sooner on the same cores. Results go to standard output and, as TAP, to FILE. The
contract's tests come last: they judge what all others have seen. --seen keeps it for tests/contract: a line of JSON for
every reply that is JSON.
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

from support import client, program, workers  # noqa: E402


class Printed:
    """Results as lines of standard output and of a TAP file, and their counts."""

    def __init__(self, file):
        self.file = file
        self.passed = self.failed = self.skipped = 0

    def add(self, outcome):
        if outcome.skip:
            self.skipped += 1
        elif outcome.why:
            self.failed += 1
        else:
            self.passed += 1
        text = f'{"not ok" if outcome.why else "ok"} - {outcome.name.replace("#", "")}{outcome.skip and f" # SKIP {outcome.skip}"}'
        print(text + (f'  ({outcome.seconds:.2f}s)' if outcome.seconds else ''), flush=True)
        print(text, file=self.file, flush=True)
        if outcome.why:  # below the line: in TAP such lines are comments
            print(outcome.why, flush=True)
            print(*(f'# {line}' for line in outcome.why.splitlines()), sep='\n', file=self.file, flush=True)


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
    parser.add_argument('--jobs', metavar='N', type=int, default=1)
    parser.add_argument('pattern', nargs='*')
    arguments = parser.parse_args()
    if not os.access(program.BINARY, os.X_OK):
        print('CXRD_BIN must name the program to test', file=sys.stderr)
        return 2
    tests = list(flatten(unittest.defaultTestLoader.discover(HERE, 'test_*.py', top_level_dir=HERE)))
    tests = [t for t in tests if not arguments.pattern or any(p in t.id() for p in arguments.pattern)]
    begun = time.monotonic()
    with open(arguments.tap or os.devnull, 'w', encoding='utf-8') as file:
        printed = Printed(file)
        of_contract = [t for t in tests if t.id().startswith('test_openapi')]
        left_out = workers.run([t for t in tests if t not in of_contract], arguments.jobs, printed.add,
                               float(os.environ.get('CXRD_TEST_UNTIL', 'inf')), int(os.environ.get('CXRD_TEST_TURN', '0')))
        client.WHOLE_RUN = not arguments.pattern and not left_out
        workers.run(of_contract, 1, printed.add)
        if arguments.seen:
            write_seen(arguments.seen)
        print(f'1..{printed.passed + printed.failed + printed.skipped}', file=file)
    if left_out:
        print(f'NOT run, for want of time: {len(left_out)} classes of {sum(map(len, left_out))} tests: '
              f'{" ".join(unittest.util.strclass(type(group[0])) for group in left_out)}')
    print(f'{printed.passed} passed, {printed.failed} failed, {printed.skipped} skipped '
          f'in {time.monotonic() - begun:.0f} s')
    return 1 if printed.failed or not tests else 0


if __name__ == '__main__':
    sys.exit(main())
