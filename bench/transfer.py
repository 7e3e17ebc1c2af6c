#!/usr/bin/python3
"""How long a transfer takes, from the table and the films to the report: bench/transfer.py CXRD DATASETS DATASET [OPTIONS]

    bench/transfer.py build/release/cxrd data nih128 [--network densenet121] [--size 224] [--threads 2] [--set KEY=VALUE]...

The network is torchvision's with random weights (Debian's python3-torchvision): the time does not depend on what it has learned, but for
the steps that the regression takes. Its features are made of every picture of the data set, those without a finding too, from an empty
cache; then the head, the calibration, the evaluation and the report. Prints the seconds of it all by the clock and of the processor,
those of epoch 1 (the training pictures' features and the regression), and how busy the machine was before and after.
"""
import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time

import torch
import torchvision

PARTS = ('train', 'validation', 'test')


def backbone(cxrd, name, size, folder):
    """The file of a network that has learned nothing."""
    torch.manual_seed(1)
    checkpoint, weights = os.path.join(folder, 'random.pth'), os.path.join(folder, 'random.safetensors')
    network = getattr(torchvision.models, name)(num_classes=14)
    torch.save(network.state_dict(), checkpoint)
    labels = 'Atelectasis,Cardiomegaly,Effusion,Infiltration,Mass,Nodule,Pneumonia,Pneumothorax,Consolidation,Edema,Emphysema,Fibrosis,' \
             'Pleural_Thickening,Hernia'
    subprocess.run([cxrd, 'import', '--labels', labels, '--scaling', 'imagenet', '--image-size', str(size), '-o', weights, checkpoint],
                   check=True, stdout=subprocess.DEVNULL)
    return weights


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cxrd')
    parser.add_argument('datasets')
    parser.add_argument('dataset')
    parser.add_argument('--network', default='densenet121')
    parser.add_argument('--size', type=int, default=224)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--set', action='append', default=[])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        weights = backbone(arguments.cxrd, arguments.network, arguments.size, folder)
        out = os.path.join(folder, 'out')
        command = [arguments.cxrd, 'train', '--datasets', arguments.datasets, '--dataset', arguments.dataset, '--out', out, '--init',
                   weights, '--cache', os.path.join(folder, 'cache'), '--threads', str(arguments.threads)]
        for setting in ['recipe=transfer', 'drop_no_finding=false', 'seed=1', *arguments.set]:
            command += ['--set', setting]
        before, begun = os.getloadavg(), time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.monotonic() - begun
        if done.returncode:
            sys.exit(done.stderr)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        with open(os.path.join(out, 'job.json'), encoding='utf-8') as file:
            record = json.load(file)
    pictures = sum(record['dataset']['splits'][part]['rows'] for part in PARTS)
    print(f'{pictures} pictures, {arguments.network} at {arguments.size} pixels, {record["transfer"]["features"]} features, '
          f'{arguments.threads} threads: {seconds:.0f} s, of which epoch 1 {record["epochs"][0]["seconds"]:.0f} s; '
          f'processor {used.ru_utime + used.ru_stime:.0f} s; load {before[0]:.1f} before, {os.getloadavg()[0]:.1f} after')


if __name__ == '__main__':
    main()
