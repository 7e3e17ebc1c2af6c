#!/usr/bin/python3
"""Run a share of the checks that are too long for every commit.

    tests/rotation.py [--tsan] TURN [--until=SECONDS]

TURN is a number. It chooses a part, model, jobs, decode or server, and measures
how much of it the part's unit programs execute, against the floor in tests/coverage.tsv. With --tsan it chooses one in SHARES of the
unit programs, which run under ThreadSanitizer. Standard output says what ran and what did not. SECONDS, since 1970, is when it has
to be over: programs that have not ended by then are named and do not count. Results are in the folder tap of the build folder.
"""
import argparse
import concurrent.futures
import json
import os
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import coverage_floor  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHARES = 6
# Under ThreadSanitizer each of these takes longer than all that CI has; ./dev test tsan runs them.
TOO_LONG = ('unit_trainer',)
LEAST = 20  # seconds that make it worth beginning a program


class Rotation:
    """One turn in one build folder: runs programs until the time is over, and keeps what came of them."""

    def __init__(self, preset, until):
        self.build = os.path.join(ROOT, 'build', preset)
        self.preset = preset
        self.until = until
        self.failures = []
        self.ran = []
        self.not_run = []

    def left(self):
        return self.until - time.time()

    def configure(self):
        subprocess.run(['cmake', '--preset', self.preset], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        tap = os.path.join(self.build, 'tap')
        os.makedirs(tap, exist_ok=True)
        for name in os.listdir(tap):
            os.remove(os.path.join(tap, name))

    def make(self, names):
        """Build the programs of these tests; False where there was no time to."""
        targets = [name.replace('unit_', 'test_', 1) for name in names]
        build = subprocess.Popen(['cmake', '--build', '--preset', self.preset, '--target', *targets], cwd=ROOT, start_new_session=True)
        try:
            if build.wait(max(1, self.left())):
                sys.exit(f'rotation: {self.preset} does not build')
            return True
        except subprocess.TimeoutExpired:
            os.killpg(build.pid, signal.SIGKILL)  # the compilers too: they would go on
            build.wait()
            print(f'rotation: no time was left to build {self.preset}: nothing of this turn ran', flush=True)
            return False

    def programs(self):
        """The tests that ctest knows, in its order: name, command, environment, labels."""
        text = subprocess.run(['ctest', '--test-dir', self.build, '--show-only=json-v1'], capture_output=True, text=True,
                              check=True).stdout
        for test in json.loads(text)['tests']:
            properties = {p['name']: p['value'] for p in test.get('properties', [])}
            environment = dict(word.split('=', 1) for word in properties.get('ENVIRONMENT', []))
            yield test['name'], test.get('command', []), environment, properties.get('LABELS', [])

    def run(self, name, command, environment):
        """One program; a failure of its own is in its TAP file, any other is told here."""
        tap = os.path.join(self.build, 'tap', f'{name}.tap')
        if self.left() < LEAST:
            self.not_run.append(name)
            return
        begun = time.time()
        try:
            done = subprocess.run(command, env={**os.environ, **environment}, cwd=self.build, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, errors='replace', check=False, timeout=self.left())
        except subprocess.TimeoutExpired:
            self.not_run.append(name)
            if os.path.exists(tap):
                os.remove(tap)
            return
        self.ran.append(name)
        print(f'{self.preset}: {name}: {"ended with " + str(done.returncode) if done.returncode else "passed"} '
              f'in {time.time() - begun:.0f} s', flush=True)
        if done.returncode:
            print(done.stdout[-20000:], flush=True)
            if not os.path.exists(tap) or '\nnot ok' not in '\n' + open(tap, encoding='utf-8').read():
                self.failures.append((f'{name} under {self.preset} ended with {done.returncode}', done.stdout[-4000:]))

    def run_all(self, chosen):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(lambda program: self.run(*program), chosen))

    def end(self, results=()):
        """Write what no program has written of itself, say what ran; results: (passed, words) of more checks."""
        with open(os.path.join(self.build, 'tap', 'rotation.tap'), 'w', encoding='utf-8') as file:
            for words, output in self.failures:
                print(f'not ok - rotation: {words}', *(f'# {line}' for line in output.splitlines()), sep='\n', file=file)
            for passed, words in results:
                print(f'{"ok" if passed else "not ok"} - {words}', file=file)
        print(f'rotation: ran {" ".join(self.ran) or "nothing"}')
        if self.not_run:
            print(f'rotation: NOT run, for want of time: {" ".join(self.not_run)}')
        return not self.failures and all(passed for passed, _ in results)


def under_tsan(turn, until):
    share = turn % SHARES
    print(f'rotation: ThreadSanitizer, share {share + 1} of {SHARES} of the unit programs; never {", ".join(TOO_LONG)}, nor the tests '
          'over HTTP', flush=True)
    rotation = Rotation('tsan', until)
    rotation.configure()
    names = [p[0] for p in rotation.programs() if p[3] and p[0] not in TOO_LONG][share::SHARES]  # p[3]: its part
    if not rotation.make(names):
        return True
    rotation.run_all([p[:3] for p in rotation.programs() if p[0] in names])
    return rotation.end()


def with_coverage(turn, until):
    floors = coverage_floor.read()
    part = sorted(floors)[turn % len(floors)]
    print(f'rotation: how much of {part}/ its own tests execute; not measured: {", ".join(sorted(set(floors) - {part}))}',
          flush=True)
    rotation = Rotation('coverage', until)
    rotation.configure()
    if not rotation.make([name for name, _, _, labels in rotation.programs() if part in labels]):
        return True
    coverage_floor.forget(rotation.build)
    rotation.run_all([p[:3] for p in rotation.programs() if part in p[3]])
    if rotation.not_run:
        print(f'rotation: the floor of {part}/ was not judged')
        return rotation.end()
    return rotation.end([coverage_floor.judge(rotation.build, floors[part])])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--tsan', action='store_true')
    parser.add_argument('turn', metavar='TURN', type=int)
    parser.add_argument('--until', metavar='SECONDS', type=float, default=time.time() + 24 * 3600)
    arguments = parser.parse_args()
    turn = under_tsan if arguments.tsan else with_coverage
    print(f'rotation: turn {arguments.turn}')
    return 0 if turn(arguments.turn, arguments.until) else 1


if __name__ == '__main__':
    sys.exit(main())
