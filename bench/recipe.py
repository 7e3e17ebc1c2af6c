#!/usr/bin/env python3
"""The gain from image, inputs and history, and from each choice of the standard recipe: the experiments of docs/recipe.md.

    bench/recipe.py CXRD DATASETS DATASET OUT [--seeds 1,2,3,4,5] [--set KEY=VALUE]... [--only NAME]... [--threads 2]
                    [--init WEIGHTS] [--arm NAME KEY=VALUE...]... [--beside NAME]...

CXRD is the program, DATASETS the folder of data sets. A seed is that of split and weights. Every training is kept in
OUT/<experiment>/<seed>; one that is there and has ended is not run again, so a stopped run goes on. The experiments that
transfer begin with WEIGHTS and are left out without. --arm is one more experiment, what differs from the standard recipe, and --beside
one more that the others are compared with. An ensemble is the mean of the probabilities of three trainings on one
split. Prints Markdown tables:
the loss and the macro AUROC (of findings with at least ten positives and ten negatives) on the test rows, and how much better they are than the
base rates, the standard recipe, the history alone and with age, sex and view, paired by row. Each is the mean over the seeds ±
its standard error by patient, its 95 % interval by patient and that by split, of the recipe trained again (see clustered.py);
* the first leaves out zero, ** the second does as well.
"""
import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile

from clustered import Difference, Rows

NO_PICTURES = 'images=none'
TRANSFER = ['recipe=transfer']

# Name: what differs from the standard recipe.
EXPERIMENTS = {
    'standard': [],
    'age, sex, view': ['inputs=["age","sex","view"]'],
    'history': ['inputs=["history"]'],
    'history, age, sex, view': ['inputs=["history","age","sex","view"]'],
    'age, sex, view alone': ['inputs=["age","sex","view"]', NO_PICTURES],
    'history alone': ['inputs=["history"]', NO_PICTURES],
    'history, age, sex, view alone': ['inputs=["history","age","sex","view"]', NO_PICTURES],
    'no augmentation': ['augment=false'],
    'head begins with He weights': ['head_scale=1'],
    'no warm-up': ['lr_schedule=cosine'],
    'constant rate': ['lr_schedule=constant'],
    'head bias 0': ['head_bias=zero'],
    'grey levels 0 to 255': ['input_mean=0', 'input_std=1'],
    'Glorot instead of He': ['initializer=glorot_uniform'],
    'dropout 0.3': ['dropout=0.3'],
    'weight decay 0.1': ['weight_decay=0.1'],
    'weight decay 0.1 of the head': ['weight_decay=0.1', 'weight_decay_scope=head'],
    'weight decay 1 of the head': ['weight_decay=1', 'weight_decay_scope=head'],
    'head gap': ['head=gap'],
    'head gap, 30 epochs': ['head=gap', 'epochs=30', 'patience=10'],
    'head 4x4': ['head=4x4'],
    'mlp': ['architecture=mlp'],
    'resnet18': ['architecture=resnet18'],
    'densenet121': ['architecture=densenet121'],
    'EMA 0.9': ['ema=0.9'],
    'EMA 0.99': ['ema=0.99'],  # its warm-up lasts 890 steps: more than ten epochs of nih128 have
    'balance: resample': ['balance=resample'],
    'balance: weight': ['balance=weight'],
    'no calibration': ['calibrate=false'],
    'notebook': ['recipe=notebook', 'split_by=patient'],
    'transfer': [*TRANSFER, 'transfer_pooling=mean_and_max'],
    'transfer, mean': [*TRANSFER, 'transfer_pooling=mean'],
    'transfer, history': [*TRANSFER, 'transfer_pooling=mean_and_max', 'inputs=["history"]'],
}
# Name: the experiment whose networks are averaged, each on the same split with weights and order of its own.
ENSEMBLES = {'three of standard': 'standard', 'three of head 4x4': 'head 4x4'}
MEMBERS = 3
BESIDE = ('base rates', 'standard', 'history alone', 'history, age, sex, view alone')  # what the others are compared with
TABLE = 'Data_Entry_2017.csv'


def rows_with_pictures(source, folder):
    """Into `folder` those rows of the table that have a picture: a job without pictures takes all rows that there are, and is
    to learn and be judged on the same ones as the others."""
    there = {name for _, _, names in os.walk(source) for name in names}
    os.makedirs(folder)
    with open(os.path.join(source, TABLE), encoding='utf-8-sig', newline='') as file:
        head, *rows = csv.reader(file)
    at = head.index('Image Index')
    with open(os.path.join(folder, TABLE), 'w', encoding='utf-8', newline='') as file:
        csv.writer(file).writerows([head, *(row for row in rows if row[at] in there)])


def patients_of(folder):
    with open(os.path.join(folder, TABLE), encoding='utf-8-sig', newline='') as file:
        return {row['Image Index']: row['Patient ID'] for row in csv.DictReader(file)}


def transfers(settings):
    return TRANSFER[0] in settings


def train(arguments, datasets, settings, seed, split, out):
    """Into `out`, unless it is there; `datasets` is where the table of rows_with_pictures() lies."""
    if os.path.exists(os.path.join(out, 'scores_test.csv')):
        return
    folder = datasets if NO_PICTURES in settings else arguments.datasets
    command = [arguments.cxrd, 'train', '--datasets', folder, '--dataset', arguments.dataset, '--out', out, '--threads',
               str(arguments.threads), '--cache', os.path.join(arguments.out, 'cache')]
    if transfers(settings):
        command += ['--init', arguments.init]
    for setting in ['test_fraction=0.2', *arguments.set, *settings, f'seed={seed}', f'split_seed={split}']:
        command += ['--set', setting]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f'{" ".join(command)}: {done.stderr}')


def record_of(out):
    with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
        return json.load(file)


def tested(out, patients):
    """A training's figures on its test rows."""
    with open(os.path.join(out, 'scores_test.csv'), encoding='utf-8', newline='') as file:
        head, *lines = csv.reader(file)
    truth = [i for i, name in enumerate(head) if name.startswith('true_')]
    prob = [i for i, name in enumerate(head) if name.startswith('prob_')]
    return Rows({line[0]: (patients[line[0]], [int(line[i]) for i in truth], [float(line[i]) for i in prob]) for line in lines},
                record_of(out)['dataset']['train'])


def averaged(members):
    """Of Rows on the same pictures: the mean of their probabilities."""
    first = members[0]
    return Rows({image: (patient, truth, [sum(column) / len(members) for column in zip(*(member.prob[i] for member in members))])
                 for i, (image, patient, truth) in enumerate(zip(first.images, first.patients, first.truth))}, first.trained)


def base_rates(out, rows):
    """The same rows, each with the rates of the training rows; as the program has them where none or all have a
    finding."""
    part = record_of(out)['dataset']['splits']['train']
    n = part['rows']
    rates = [(count + 0.5) / (n + 1) if count in (0, n) else count / n for count in part['label_counts'].values()]
    return Rows({image: (patient, truth, rates) for image, patient, truth in zip(rows.images, rows.patients, rows.truth)},
                rows.trained)


def show_figures(models, notes):
    print('| | test loss | macro AUROC | reports that say "learned" | kept epochs | minutes |\n|---|---|---|---|---|---|')
    for name, ours in models.items():
        loss, auroc = Difference(Rows.losses, ours), Difference(Rows.macro_auroc, ours)
        print(f'| {name} | {loss.mean:.4f} ± {loss.error:.4f} | {auroc.mean:.4f} ± {auroc.error:.4f} | {notes[name]} |')


def show_differences(models, other):
    """How much lower in loss and higher in macro AUROC the others are."""
    for what, figure, sign in (('loss lower by', Rows.losses, -1), ('macro AUROC higher by', Rows.macro_auroc, 1)):
        print(f'\n| than {other}: {what} | ± by patient | 95 %, by patient | 95 %, by split | each split |\n|---|---|---|---|---|')
        for name, ours in models.items():
            if name != other:
                pair = (ours, models[other])[::sign]
                print(f'| {name} | {" | ".join(Difference(figure, *pair).cells())} |')


def settings_of(name):
    return EXPERIMENTS[ENSEMBLES.get(name, name)]


def members_of(arguments, datasets, name, seed):
    """The trainings of an experiment on one split, made where they are not there: one, or those of an ensemble."""
    one = ENSEMBLES.get(name, name)
    folder = os.path.join(arguments.out, re.sub('[^A-Za-z0-9.]+', '_', one))
    seeds = [seed + 100 * i for i in range(MEMBERS if name in ENSEMBLES else 1)]
    outs = [os.path.join(folder, str(s)) for s in seeds]
    for s, out in zip(seeds, outs):
        train(arguments, datasets, EXPERIMENTS[one], s, seed, out)
    return outs


def notes_of(splits):
    """The figures of an experiment's reports, which epochs were kept, and the mean minutes that a split's trainings took."""
    records = [[record_of(out) for out in outs] for outs in splits]
    flat = [record for split in records for record in split]
    answers = [record['evaluation']['learning']['answer'] for record in flat]
    minutes = sum(epoch['seconds'] for record in flat for epoch in record['epochs']) / 60 / len(splits)
    return f'{answers.count("learned")} of {len(flat)} | {", ".join(str(record["kept_epoch"]) for record in flat)} | {minutes:.1f}'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cxrd')
    parser.add_argument('datasets')
    parser.add_argument('dataset')
    parser.add_argument('out')
    parser.add_argument('--seeds', default='1,2,3,4,5')
    parser.add_argument('--set', action='append', default=[])
    parser.add_argument('--only', action='append', default=[], choices=[*EXPERIMENTS, *ENSEMBLES])
    parser.add_argument('--arm', action='append', default=[], nargs='+', metavar=('NAME', 'KEY=VALUE'))
    parser.add_argument('--beside', action='append', default=[])
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--init', help='weights of a model to transfer from')
    arguments = parser.parse_args()
    EXPERIMENTS.update({name: settings for name, *settings in arguments.arm})
    asked = arguments.only + [name for name, *_ in arguments.arm]
    names = [name for name in asked or [*EXPERIMENTS, *ENSEMBLES] if arguments.init or not transfers(settings_of(name))]
    models, notes = {}, {'base rates': '| |'}
    with tempfile.TemporaryDirectory() as datasets:
        source = os.path.join(arguments.datasets, arguments.dataset)
        rows_with_pictures(source, os.path.join(datasets, arguments.dataset))
        patients = patients_of(source)
        for name in names:
            splits = [members_of(arguments, datasets, name, int(seed)) for seed in arguments.seeds.split(',')]
            models[name] = [averaged([tested(out, patients) for out in outs]) for outs in splits]
            models.setdefault('base rates', [base_rates(outs[0], rows) for outs, rows in zip(splits, models[name])])
            notes[name] = notes_of(splits)
    show_figures(models, notes)
    for other in (*BESIDE, *arguments.beside):
        if other in models:
            show_differences(models, other)


if __name__ == '__main__':
    main()
