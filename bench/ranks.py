#!/usr/bin/python3
"""Two ranks of one core each against one process of one core: python3 bench/ranks.py BUILD [--pairs N] [--size S] [--steps N] [--batch N] [--link 1gbit]

Trains on pictures that it draws, in turns: `cxrd train` on core 0, then two ranks of cxrd-train on cores 0 and 1, and so on. With --link each turn has a third run:
two ranks in network namespaces of their own, with a cable of that rate between them (root, iproute2). Of each it has the
pictures a second of the second epoch, whose pictures are in the caches, and the processor time of the busiest process for a step: the difference of two
runs, one with fewer steps, so that what is not a step falls out. Beside other programs the processor time says more: it has no waiting in it.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'tests', 'http'))

from support import two_hosts  # noqa: E402

ENVIRONMENT = {**os.environ, 'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1', 'OPENBLAS_NUM_THREADS': '1'}
TIMED = r'''TIMEFORMAT="cpu %U %S"; time taskset -c "$1" "${@:2}"'''


def run(folder, command, steps, form, options):
    """Pictures a second, seconds of processor time of the busiest process."""
    out = tempfile.mkdtemp(dir=folder)
    words = ['--datasets', folder, '--dataset', 'phantom', '--out', os.path.join(out, 'o'), '--cache', os.path.join(folder, f'cache{form.ranks}'),
             '--threads', '1', *(word for pair in (f'image_size={options.size}', 'epochs=2', f'steps_per_epoch={steps}', f'batch_size={options.batch}', 'patience=0',
                                                   'validation_steps=1', 'validation_batch_size=2', 'test_rows=2') for word in ('--set', pair))]
    one = ['bash', '-c', TIMED, 'bash']
    line = [*one, '0', *command, *words]
    if form.ranks > 1:
        line = [*form.mpirun, '--bind-to', 'none', '-n', '1', *line, ':', '-n', '1', *one, '1', *command, *words]
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    epochs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
    return epochs[-1]['images_per_s'], max(float(user) + float(system) for user, system in re.findall(r'cpu ([0-9.]+) ([0-9.]+)', done.stderr))


class Form:
    """A way to train, with its measurements."""

    def __init__(self, name, ranks, mpirun=()):
        self.name, self.ranks, self.mpirun = name, ranks, mpirun
        self.speed, self.cpu = [], []

    def measure(self, folder, options):
        command = [os.path.join(options.build, 'cxrd-train')] if self.ranks > 1 else [os.path.join(options.build, 'cxrd'), 'train']
        less, more = (run(folder, command, steps, self, options) for steps in (options.steps // 4, options.steps))
        self.speed.append(more[0])
        self.cpu.append((more[1] - less[1]) / (2 * (options.steps - options.steps // 4)))


def compare(one, other):
    """The last pair, as text."""
    return f'{other.name} {other.speed[-1]:.1f} ({other.speed[-1] / one.speed[-1]:.2f}x; processor {other.cpu[-1]:.3f} s a step, {one.cpu[-1] / other.cpu[-1]:.2f}x)'


def measure_all(folder, forms, options):
    one = forms[0]
    for _ in range(options.pairs):
        for form in forms:
            form.measure(folder, options)
        print(f'pictures/s: {one.speed[-1]:.1f} ({one.cpu[-1]:.3f} s a step)   {"   ".join(compare(one, form) for form in forms[1:])}   '
              f'load {os.getloadavg()[0]:.0f}', flush=True)
    for form in forms[1:]:
        print(f'{form.name}: best {max(form.speed) / max(one.speed):.2f}x, median of pairs {statistics.median(y / x for x, y in zip(one.speed, form.speed)):.2f}x; '
              f'processor time: least {min(one.cpu) / min(form.cpu):.2f}x, median {statistics.median(x / y for x, y in zip(one.cpu, form.cpu)):.2f}x')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('build')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--size', type=int, default=256)
    parser.add_argument('--steps', type=int, default=8)
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--link', metavar='RATE', help='as tc(8) has it: 1gbit')
    a = parser.parse_args()
    a.build = os.path.abspath(a.build)
    forms, hosts = [Form('one', 1), Form('two ranks', 2, ['mpirun'])], None
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(a.build, 'cxrd'), 'phantom', '--out', os.path.join(folder, 'phantom'), '--images', '160', '--size', str(a.size)],
                       check=True, stdout=subprocess.DEVNULL)
        try:
            if a.link:
                hosts = two_hosts.TwoHosts(folder)
                hosts.shape(a.link)
                forms.append(Form(f'over {a.link}', 2, hosts.how))
            measure_all(folder, forms, a)
        finally:
            if hosts:
                hosts.pull_down()


if __name__ == '__main__':
    main()
