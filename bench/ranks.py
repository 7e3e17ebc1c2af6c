#!/usr/bin/python3
"""Two ranks of one core each against one process of one core: python3 bench/ranks.py BUILD [--pairs N] [--size S] [--steps N]

Trains on pictures that it draws, in turns: `cxrd train` on core 0, then two ranks of cxrd-train on cores 0 and 1, and so on. Of each it has the
pictures a second of the second epoch, whose pictures are in the caches, and the processor time of the busiest process for a step: the difference of two
runs, one with fewer steps, so that what is not a step falls out. Beside other programs the processor time says more: it has no waiting in it.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import tempfile

ENVIRONMENT = {**os.environ, 'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1', 'OPENBLAS_NUM_THREADS': '1'}
TIMED = r'''TIMEFORMAT="cpu %U %S"; time taskset -c "$1" "${@:2}"'''


def run(folder, command, steps, size, ranks, how=()):
    """Pictures a second, seconds of processor time of the busiest process."""
    out = tempfile.mkdtemp(dir=folder)
    words = ['--datasets', folder, '--dataset', 'phantom', '--out', os.path.join(out, 'o'), '--cache', os.path.join(folder, f'cache{ranks}'),
             '--threads', '1', *(word for pair in (f'image_size={size}', 'epochs=2', f'steps_per_epoch={steps}', 'batch_size=32', 'patience=0',
                                                   'validation_steps=1', 'validation_batch_size=2', 'test_rows=2') for word in ('--set', pair))]
    one = ['bash', '-c', TIMED, 'bash']
    if ranks == 1:
        line = [*one, '0', *command, *words]
    else:
        line = ['mpirun', '--bind-to', 'none', *how, '-n', '1', *one, '0', *command, *words]
        for core in range(1, ranks):
            line += [':', '-n', '1', *one, str(core), *command, *words]
    done = subprocess.run(line, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    epochs = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
    return epochs[-1]['images_per_s'], max(float(user) + float(system) for user, system in re.findall(r'cpu ([0-9.]+) ([0-9.]+)', done.stderr))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('build')
    parser.add_argument('--pairs', type=int, default=5)
    parser.add_argument('--size', type=int, default=256)
    parser.add_argument('--steps', type=int, default=8)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(a.build, 'cxrd'), 'phantom', '--out', os.path.join(folder, 'phantom'), '--images', '160', '--size', str(a.size)],
                       check=True, stdout=subprocess.DEVNULL)
        forms = ((1, [os.path.join(a.build, 'cxrd'), 'train']), (2, [os.path.join(a.build, 'cxrd-train')]))
        speed, cpu = {1: [], 2: []}, {1: [], 2: []}
        for _ in range(a.pairs):
            for ranks, command in forms:
                less = run(folder, command, a.steps // 4, a.size, ranks)
                more = run(folder, command, a.steps, a.size, ranks)
                speed[ranks].append(more[0])
                cpu[ranks].append((more[1] - less[1]) / (2 * (a.steps - a.steps // 4)))
            print(f'pictures/s {speed[1][-1]:.1f} {speed[2][-1]:.1f} ({speed[2][-1] / speed[1][-1]:.2f}x)   processor s a step {cpu[1][-1]:.3f} {cpu[2][-1]:.3f} '
                  f'({cpu[1][-1] / cpu[2][-1]:.2f}x)   load {os.getloadavg()[0]:.0f}', flush=True)
        print(f'best {max(speed[2]) / max(speed[1]):.2f}x, median of pairs {statistics.median(y / x for x, y in zip(speed[1], speed[2])):.2f}x; processor time: '
              f'least {min(cpu[1]) / min(cpu[2]):.2f}x, median {statistics.median(x / y for x, y in zip(cpu[1], cpu[2])):.2f}x')


if __name__ == '__main__':
    main()
