#!/usr/bin/env python3
"""How much of their noise two models have in common: which row of the table of promotions in docs/figures.md is theirs.

    bench/noise.py ONE/scores_test.csv OTHER/scores_test.csv

Of each finding with at least ten positives and ten negatives: the correlation of the two models' logits among rows of one kind,
each kind about its own mean. That is what bench/figures.c calls shared: 1 for a model and itself, 0 for two that err
independently. Rows are those of both files, by the picture's name.
"""
import csv
import math
import statistics
import sys

LEAST = 10


def logits(path):
    with open(path, encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file))
    findings = [name[5:] for name in rows[0] if name.startswith('true_')]
    return findings, {row['image']: {f: (row[f'true_{f}'], logit(float(row[f'prob_{f}']))) for f in findings} for row in rows}


def logit(p):
    p = min(max(p, 1e-7), 1 - 1e-7)
    return math.log(p / (1 - p))


def centred(pairs):
    """Pairs of logits of one kind of rows, each model's about its mean."""
    means = [statistics.fmean(column) for column in zip(*pairs)]
    return [[value - mean for value, mean in zip(pair, means)] for pair in pairs]


def in_common(one, other, images, finding):
    """None: too few rows of a kind, or a model that says the same of all."""
    kinds = {'0': [], '1': []}
    for image in images:
        truth, value = one[image][finding]
        if truth in kinds:
            kinds[truth].append((value, other[image][finding][1]))
    if min(map(len, kinds.values())) < LEAST:
        return None
    columns = list(zip(*(pair for pairs in kinds.values() for pair in centred(pairs))))
    return None if any(max(column) == min(column) for column in columns) else statistics.correlation(*columns)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    (findings, one), (_, other) = map(logits, sys.argv[1:])
    images = sorted(one.keys() & other.keys())
    shared = {finding: in_common(one, other, images, finding) for finding in findings}
    known = [value for value in shared.values() if value is not None]
    if not known:
        sys.exit('no finding has ten rows of either kind')
    for finding, value in shared.items():
        print(f'{finding:20} ' + ('not known' if value is None else f'{value:.2f}'))
    print(f'{len(images)} rows, {len(known)} findings: {statistics.fmean(known):.2f} ({min(known):.2f} to {max(known):.2f})')


if __name__ == '__main__':
    main()
