#!/usr/bin/python3
"""Kill the program and take its disk away, at random and at every single point, and see that nothing is lost.

    torture.py [--tap=FILE] [--long] [--cycles=N] [--seed=N] [--part=I/N] [PATTERN...]

CXRD_BIN names the program, CXRD_FAULT_LIB the library that makes calls fail (fault.c). The short form is a sample for
every day; --long goes through all points, and through N cycles of kill -9 (100). With --part=2/8 it takes the second
eighth of the points, so that eight processes share them.
"""
import argparse
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), 'http')]

from run import Printed, flatten  # noqa: E402
from support import program, workers  # noqa: E402


def part(text):
    i, n = (int(word) for word in text.split('/'))
    if not 1 <= i <= n:
        raise ValueError(text)
    return i - 1, n


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--tap', metavar='FILE')
    parser.add_argument('--long', action='store_true')
    parser.add_argument('--cycles', type=int)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--part', type=part, default=(0, 1), metavar='I/N')
    parser.add_argument('pattern', nargs='*')
    arguments = parser.parse_args()
    for name in ('CXRD_BIN', 'CXRD_FAULT_LIB'):
        if not os.access(os.environ.get(name, ''), os.R_OK):
            print(f'{name} must name a file', file=sys.stderr)
            return 2
    import harness
    harness.LONG = arguments.long
    harness.SEED = arguments.seed
    harness.PART, harness.PARTS = arguments.part
    harness.CYCLES = arguments.cycles or (100 if arguments.long else 3)
    tests = list(flatten(unittest.defaultTestLoader.discover(HERE, 'test_*.py', top_level_dir=HERE)))
    tests = [t for t in tests if not arguments.pattern or any(p in t.id() for p in arguments.pattern)]
    begun = time.monotonic()
    with open(arguments.tap or os.devnull, 'w', encoding='utf-8') as file:
        result = Printed(file)
        workers.run(tests, 1, result.add)
        print(f'1..{result.passed + result.failed + result.skipped}', file=file)
    print(f'{result.passed} passed, {result.failed} failed, {result.skipped} skipped '
          f'in {time.monotonic() - begun:.0f} s, {os.path.basename(program.BINARY)}')
    return 1 if result.failed or not tests else 0


if __name__ == '__main__':
    sys.exit(main())
