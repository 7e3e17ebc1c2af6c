#!/usr/bin/env python3
"""A step of training DenseNet-121 in PyTorch (Debian's python3-torch), as bench/turns.py asks for it.

torch_step.py CORES    16 pictures of 224 x 224, channels last, with Adam
"""
import sys
import time

import torch
from torch import nn

BATCH, SIZE, LABELS = 16, 224, 14
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


def main():
    cores = int(sys.argv[1])
    seconds = time.process_time if cores == 1 else time.perf_counter  # as answer_in_turns() of bench/measure.c
    torch.set_num_threads(cores)
    torch.manual_seed(1)
    model = densenet121().to(memory_format=torch.channels_last).train()
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS
    x = (4 * torch.rand(BATCH, 1, SIZE, SIZE) - 2).expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    y = (torch.arange(BATCH * LABELS) % 5 == 0).float().reshape(BATCH, LABELS)
    adam, loss = torch.optim.Adam(model.parameters(), lr=1e-4), nn.BCEWithLogitsLoss()

    def step():
        begin = seconds()
        adam.zero_grad(set_to_none=True)
        loss(model(x), y).backward()
        adam.step()
        return seconds() - begin

    for line in sys.stdin:
        print(*[step() for _ in range(int(line))], flush=True)


main()
