#!/usr/bin/python3
"""Hold what the tests execute against tests/coverage.tsv.

    tests/coverage_floor.py BUILD_FOLDER

Prints the share of each part's lines that have been executed in that folder, as TAP; fails where one is below its floor.
"""
import collections
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
Floor = collections.namedtuple('Floor', 'part percent')


def read():
    """{part: Floor} of tests/coverage.tsv."""
    floors = {}
    with open(os.path.join(HERE, 'coverage.tsv'), encoding='utf-8') as file:
        for line in file:
            if line.strip() and not line.startswith('#'):
                part, percent = line.rstrip('\n').split('\t')
                floors[part] = Floor(part, float(percent))
    return floors


def forget(build):
    """Counts of earlier runs."""
    for folder, _, names in os.walk(build):
        for name in names:
            if name.endswith('.gcda'):
                os.remove(os.path.join(folder, name))


def measure(build, part):
    """Percent of the part's lines that were executed."""
    with tempfile.TemporaryDirectory() as folder:
        summary = os.path.join(folder, 'summary.json')
        subprocess.run(['gcovr', '--root', ROOT, '--filter', f'{ROOT}/{part}/', '-j', str(os.cpu_count()), '--json-summary', summary,
                        os.path.join(build, 'CMakeFiles')], check=True)
        with open(summary, encoding='utf-8') as file:
            return json.load(file)['line_percent']


def judge(build, floor):
    """(held, words)"""
    percent = measure(build, floor.part)
    return percent >= floor.percent, f'coverage::{floor.part}: {percent:.1f} % of the lines are executed, the floor is {floor.percent:.1f} %'


def main():
    results = [judge(sys.argv[1], floor) for floor in read().values()]
    for held, words in results:
        print(f'{"ok" if held else "not ok"} - {words}')
    return 0 if all(held for held, _ in results) else 1


if __name__ == '__main__':
    sys.exit(main())
