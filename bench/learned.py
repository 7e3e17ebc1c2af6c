#!/usr/bin/env python3
"""Does the report say "learned" only of what was learned? The same data with their labels shuffled among the rows, again and
again, and as they are, by several split seeds.

    bench/learned.py CXRD DATASETS DATASET [--shuffled 24] [--real 5] [--first 1] [--set KEY=VALUE]... [--init WEIGHTS]
                     [--threads 2]

Each training splits by patient and is judged on its test split (the record's `evaluation.learning`). Prints a line a training
and the counts; exits with 1 where more than 2 of 24 shuffled trainings, or fewer than all real ones, say "learned". The
seeds of each kind begin with --first: a run that was cut off is continued by it. The data set is copied once, by links where
the file system allows, since a shuffled table must lie beside its pictures.
"""
import argparse
import csv
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

TABLE = 'Data_Entry_2017.csv'


def link(source, target):
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def shuffle(folder, seed, all_rows):
    """Write a table whose findings are those of other rows; its name. Rows without a finding change places only where they are
    trained on (drop_no_finding=false)."""
    with open(os.path.join(folder, TABLE), encoding='utf-8-sig', newline='') as file:
        head, *rows = list(csv.reader(file))
    column = head.index('Finding Labels')
    there = {name for _, _, names in os.walk(folder) for name in names}
    image = head.index('Image Index')
    rows = [row for row in rows if row[image] in there and (all_rows or row[column] != 'No Finding')]
    labels = [row[column] for row in rows]
    random.Random(seed).shuffle(labels)
    for row, label in zip(rows, labels):
        row[column] = label
    name = f'shuffled_{seed}.csv'
    with open(os.path.join(folder, name), 'w', encoding='utf-8', newline='') as file:
        csv.writer(file).writerows([head, *rows])
    return name


def train(arguments, datasets, table, seed):
    with tempfile.TemporaryDirectory() as out:
        command = [arguments.cxrd, 'train', '--datasets', datasets, '--dataset', arguments.dataset, '--out', out,
                   '--threads', str(arguments.threads), '--cache', os.path.join(datasets, '.cache')]
        if arguments.init:
            command += ['--init', arguments.init]
        for setting in ('split_by=patient', 'test_fraction=0.2', f'csv={table}', f'seed={seed}', *arguments.set):
            command += ['--set', setting]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f'{" ".join(command)}: {done.stderr}')
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
            return json.load(file)['evaluation']['learning']


def run(arguments, datasets, what, table, seed):
    told = train(arguments, datasets, table, seed)
    print(f'{what} {seed}: {told["answer"]}: {told["gain"]:+.4f} ({told["gain_low"]:+.4f} to {told["gain_high"]:+.4f}), '
          f'{told["rows"]} {told["split"]} rows of {told["patients"]} patients', flush=True)
    return told['answer'] == 'learned'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cxrd')
    parser.add_argument('datasets')
    parser.add_argument('dataset')
    parser.add_argument('--shuffled', type=int, default=24)
    parser.add_argument('--real', type=int, default=5)
    parser.add_argument('--first', type=int, default=1)
    parser.add_argument('--set', action='append', default=[])
    parser.add_argument('--init', help='weights of a model to transfer from')
    parser.add_argument('--threads', type=int, default=2)
    arguments = parser.parse_args()
    first = arguments.first
    all_rows = 'drop_no_finding=false' in arguments.set
    with tempfile.TemporaryDirectory() as datasets:
        folder = os.path.join(datasets, arguments.dataset)
        shutil.copytree(os.path.join(arguments.datasets, arguments.dataset), folder, copy_function=link)
        real = sum(run(arguments, datasets, 'real', TABLE, seed) for seed in range(first, first + arguments.real))
        noise = sum(run(arguments, datasets, 'shuffled', shuffle(folder, seed, all_rows), seed)
                    for seed in range(first, first + arguments.shuffled))
    print(f'"learned": {real} of {arguments.real} real, {noise} of {arguments.shuffled} shuffled')
    sys.exit(real < arguments.real or noise * 24 > 2 * arguments.shuffled)


if __name__ == '__main__':
    main()
