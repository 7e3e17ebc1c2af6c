#!/usr/bin/env python3
"""A step of training DenseNet-121 here and in PyTorch (Debian's python3-torch), in turns, on one core by processor time.

torch_step.py BENCH_STEP [ROUNDS]    16 pictures of 224 x 224, channels last, with Adam; prints one JSON object. A machine that is busy
disturbs the least of many processor times little, and both alike. BENCH_STEP: the program of that name.
"""
import json
import os
import subprocess
import sys
import time

import torch
from torch import nn

BATCH, SIZE, LABELS, STEPS = 16, 224, 14, 2
PARAMETERS = 6968206  # of 14 findings


class Layer(nn.Module):
    """A dense layer: what it reads, and 32 channels more."""

    def __init__(self, channels):
        super().__init__()
        self.new = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128), nn.ReLU(inplace=True), nn.Conv2d(128, 32, 3, padding=1, bias=False))

    def forward(self, x):
        return torch.cat([x, self.new(x)], 1)


def densenet121():
    parts = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for block, layers in enumerate((6, 12, 24, 16)):
        for _ in range(layers):
            parts.append(Layer(channels))
            channels += 32
        parts += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        if block < 3:
            parts += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
            channels //= 2
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, LABELS))


def step(model, adam, loss, x, y):
    begin = time.process_time()
    adam.zero_grad(set_to_none=True)
    loss(model(x), y).backward()
    adam.step()
    return time.process_time() - begin


def main():
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    torch.set_num_threads(1)
    torch.manual_seed(1)
    model = densenet121().to(memory_format=torch.channels_last).train()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS
    x = (4 * torch.rand(BATCH, 1, SIZE, SIZE) - 2).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    y = (torch.arange(BATCH * LABELS) % 5 == 0).float().reshape(BATCH, LABELS)
    adam, loss = torch.optim.Adam(model.parameters(), lr=1e-4), nn.BCEWithLogitsLoss()
    ours, theirs = [], []
    for _ in range(rounds):
        lines = subprocess.run([sys.argv[1], 'densenet121', str(STEPS)], check=True, capture_output=True, text=True,
                               env=dict(os.environ, OPENBLAS_NUM_THREADS='1')).stdout
        ours += map(float, lines.split())
        theirs += [step(model, adam, loss, x, y) for _ in range(STEPS)]
    print(json.dumps({'version': torch.__version__, 'ours_s': ours, 'theirs_s': theirs, 'least_ours_s': min(ours),
                      'least_theirs_s': min(theirs), 'ratio_of_least': min(theirs) / min(ours)}))


main()
