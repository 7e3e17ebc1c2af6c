#!/usr/bin/python3
"""Run a share of the checks that are too long for every commit.

    tests/rotation.py TURN [--until=SECONDS]
    tests/rotation.py --list

TURN is a number. It chooses one of the turns that --list prints: how much of a part, model, jobs, decode or server, the part's unit
programs execute, against the floor in tests/coverage.tsv; or a share of the unit programs of jobs and server under ThreadSanitizer.
Standard output says what ran and what did not. SECONDS, since 1970, is when it has to be over: programs that have not ended by then
are named and do not count. Results are in the folder tap of the build folder, build/coverage or build/tsan.
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
# The parts whose threads share memory, and into how many shares their unit programs are dealt. Those of model/ take ThreadSanitizer
# hours, nearly all of them in vector loops of one thread; ./dev test tsan runs them, and the tests over HTTP.
SHARES = {'jobs': 2, 'server': 1}
# Programs that a turn leaves out, by the preset: they take longer than it has, or have not been seen to end there yet. ./dev coverage
# and ./dev test tsan run them.
LEFT_OUT = {
    'coverage': ('unit_batch_gradient', 'unit_explain', 'unit_network', 'unit_plan', 'unit_random_graphs'),  # 800 s of processor time
    'tsan': ('unit_checkpoint', 'unit_drift_monitor', 'unit_follower', 'unit_inputs', 'unit_old_jobs', 'unit_registry', 'unit_regression',
             'unit_runner', 'unit_split', 'unit_store_copy', 'unit_table', 'unit_trainer'),
}
LEAST = 20  # seconds that make it worth beginning a program
SKIPPED = 77  # the status of a program that lacks what it needs; its TAP file says so


def end(program):
    """End a program and its group; it has some seconds to end what it started outside of it, such as a database."""
    for sign, seconds in (signal.SIGTERM, 10), (signal.SIGKILL, None):
        try:
            os.killpg(program.pid, sign)
        except ProcessLookupError:
            return
        try:
            program.wait(seconds)
        except subprocess.TimeoutExpired:
            pass


class Rotation:
    """One turn in one build folder: runs programs until the time is over, and keeps what came of them."""

    def __init__(self, preset, until):
        self.build = os.path.join(ROOT, 'build', preset)
        self.preset = preset
        self.until = until
        self.failures = []
        self.ran = []
        self.not_run = []
        self.skipped = []

    def left(self):
        return self.until - time.time()

    def configure(self):
        subprocess.run(['cmake', '--preset', self.preset], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        tap = os.path.join(self.build, 'tap')
        os.makedirs(tap, exist_ok=True)
        for name in os.listdir(tap):
            os.remove(os.path.join(tap, name))

    def make(self, programs):
        """Build them; False where there was no time to."""
        targets = [name.replace('unit_', 'test_', 1) for name, _, _ in programs]
        build = subprocess.Popen(['cmake', '--build', '--preset', self.preset, '--target', *targets], cwd=ROOT, start_new_session=True)
        try:
            if build.wait(max(1, self.left())):
                sys.exit(f'rotation: {self.preset} does not build')
            return True
        except subprocess.TimeoutExpired:
            end(build)  # the compilers too: they would go on
            print(f'rotation: no time was left to build {self.preset}: nothing of this turn ran', flush=True)
            return False

    def programs(self, part):
        """The unit programs of a part that a turn runs, in ctest's order: name, command (empty before it is built), environment."""
        text = subprocess.run(['ctest', '--test-dir', self.build, '--show-only=json-v1'], capture_output=True, text=True,
                              check=True).stdout
        for test in json.loads(text)['tests']:
            properties = {p['name']: p['value'] for p in test.get('properties', [])}
            environment = dict(word.split('=', 1) for word in properties.get('ENVIRONMENT', []))
            if part in properties.get('LABELS', []) and test['name'] not in LEFT_OUT[self.preset]:
                yield test['name'], test.get('command', []), environment

    def run(self, name, command, environment):
        """One program; a failure of its own is in its TAP file, any other is told here."""
        tap = os.path.join(self.build, 'tap', f'{name}.tap')
        if self.left() < LEAST:
            self.not_run.append(name)
            return
        begun = time.time()
        program = subprocess.Popen(command, env={**os.environ, **environment}, cwd=self.build, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors='replace', start_new_session=True)
        try:
            output, _ = program.communicate(timeout=self.left())
        except subprocess.TimeoutExpired:
            end(program)
            self.not_run.append(name)
            if os.path.exists(tap):
                os.remove(tap)
            return
        self.ran.append(name)
        print(f'{self.preset}: {name}: {"ended with " + str(program.returncode) if program.returncode else "passed"} '
              f'in {time.time() - begun:.0f} s', flush=True)
        if program.returncode == SKIPPED:
            self.skipped.append(name)
        elif program.returncode:
            print(output[-20000:], flush=True)
            if not os.path.exists(tap) or '\nnot ok' not in '\n' + open(tap, encoding='utf-8').read():
                self.failures.append((f'{name} under {self.preset} ended with {program.returncode}', output[-4000:]))

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
        print(f'rotation: ran {" ".join(self.ran) or "nothing"}; never in a turn: {" ".join(LEFT_OUT[self.preset])}')
        if self.not_run:
            print(f'rotation: NOT run, for want of time: {" ".join(self.not_run)}')
        return not self.failures and all(passed for passed, _ in results)


def turns():
    """(what it is in words, how to run it, its arguments) of each turn."""
    floors = coverage_floor.read()
    for part in sorted(floors):
        yield f'how much of {part}/ its own tests execute', with_coverage, (floors[part],)
    for part, shares in SHARES.items():
        for share in range(shares):
            yield f'ThreadSanitizer, unit programs of {part}/, share {share + 1} of {shares}', under_tsan, (part, share, shares)


def under_tsan(until, part, share, shares):
    rotation = Rotation('tsan', until)
    rotation.configure()
    if not rotation.make(list(rotation.programs(part))[share::shares]):
        return True
    rotation.run_all(list(rotation.programs(part))[share::shares])
    return rotation.end()


def with_coverage(until, floor):
    rotation = Rotation('coverage', until)
    rotation.configure()
    if not rotation.make(list(rotation.programs(floor.part))):
        return True
    coverage_floor.forget(rotation.build)
    rotation.run_all(list(rotation.programs(floor.part)))
    if rotation.not_run or rotation.skipped:
        print(f'rotation: the floor of {floor.part}/ was not judged')
        return rotation.end()
    return rotation.end([coverage_floor.judge(rotation.build, floor)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--list', action='store_true')
    parser.add_argument('turn', metavar='TURN', type=int, nargs='?', default=0)
    parser.add_argument('--until', metavar='SECONDS', type=float, default=time.time() + 24 * 3600)
    arguments = parser.parse_args()
    all_turns = list(turns())
    if arguments.list:
        print(*(f'{turn} {words}' for turn, (words, _, _) in enumerate(all_turns)), sep='\n')
        return 0
    words, run, values = all_turns[arguments.turn % len(all_turns)]
    print(f'rotation: turn {arguments.turn % len(all_turns)} of {len(all_turns)}: {words}; the others are NOT run', flush=True)
    return 0 if run(arguments.until, *values) else 1


if __name__ == '__main__':
    sys.exit(main())
