#!/usr/bin/env python3
"""What each choice of the standard recipe buys: the experiments of docs/recipe.md, run again.

    bench/recipe.py CXRD DATASETS DATASET [--seeds 1,2,3] [--set KEY=VALUE]... [--only NAME]...

CXRD is the program, DATASETS the folder of data sets. Prints a Markdown table: a line an experiment and seed, then its
mean. Everything is trained with two threads, so that the same machine gives the same numbers again.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile

# Name: what differs from the standard recipe.
EXPERIMENTS = {
    'standard': [],
    'no augmentation': ['augment=false'],
    'head begins with He weights': ['head_scale=1'],
    'no warm-up': ['lr_schedule=cosine'],
    'constant rate': ['lr_schedule=constant'],
    'head bias 0': ['head_bias=zero'],
    'grey levels 0 to 255': ['input_mean=0', 'input_std=1'],
    'nearest instead of area': ['resize=nearest'],
    'dropout 0.3': ['dropout=0.3'],
    'weight decay 0.1': ['weight_decay=0.1'],
    'balance: resample': ['balance=resample'],
    'balance: weight': ['balance=weight'],
    'inputs': ['inputs=["age","sex","view"]'],
    'no calibration': ['calibrate=false'],
    'notebook': ['recipe=notebook', 'split_by=patient'],
}


def train(arguments, settings, seed):
    """The record of one training."""
    with tempfile.TemporaryDirectory() as out:
        command = [arguments.cxrd, 'train', '--datasets', arguments.datasets, '--dataset', arguments.dataset, '--out', out,
                   '--cache', arguments.cache, '--threads', '2']
        for setting in [*settings, f'seed={seed}', *arguments.set]:
            command += ['--set', setting]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f'{" ".join(command)}: {done.stderr}')
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
            return json.load(file)


def mean(values):
    values = [v for v in values if v is not None]
    return sum(values) / len(values) if values else float('nan')


def figures(record):
    validation, test = record['evaluation']['validation'], record['evaluation']['test']
    base = record['baseline']['validation_loss']
    return [record['validation_loss'], base, record['validation_loss'] - base, validation['macro_auroc'],
            test['macro_auroc'], mean([f['ece'] for f in validation['findings']])]


def line(name, seed, numbers, kept):
    print(f'| {name} | {seed} | ' + ' | '.join(f'{n:+.4f}' if i == 2 else f'{n:.4f}' for i, n in enumerate(numbers)) +
          f' | {kept} |', flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cxrd')
    parser.add_argument('datasets')
    parser.add_argument('dataset')
    parser.add_argument('--seeds', default='1,2,3')
    parser.add_argument('--set', action='append', default=[])
    parser.add_argument('--only', action='append', choices=EXPERIMENTS)
    arguments = parser.parse_args()
    seeds = arguments.seeds.split(',')
    with tempfile.TemporaryDirectory() as arguments.cache:
        print('| experiment | seed | validation loss | base rates | difference | macro AUROC, validation | test | ECE | kept |')
        print('|---|---|---|---|---|---|---|---|---|')
        for name in arguments.only or EXPERIMENTS:
            records = [train(arguments, EXPERIMENTS[name], seed) for seed in seeds]
            for seed, record in zip(seeds, records):
                line(name, seed, figures(record), f'{record["kept_epoch"]} of {len(record["epochs"])}')
            line(f'**{name}**', 'mean', [mean(column) for column in zip(*map(figures, records))], '')


if __name__ == '__main__':
    main()
