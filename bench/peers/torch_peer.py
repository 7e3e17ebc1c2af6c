#!/usr/bin/env python3
"""The same network, weights and tensors in PyTorch (Debian's python3-torch): how long does it take?

torch_peer.py WEIGHTS.safetensors TENSORS ONNX_OUT   prints one JSON object; leaves the network as ONNX for the others.
"""
import json
import os
import struct
import sys
import time

import torch
from torch import nn

BATCH, SIZE, LABELS = 32, 256, 14


def read_safetensors(path):
    with open(path, "rb") as f:
        (n,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(n))
        data = f.read()
    header.pop("__metadata__", None)
    return {name: torch.frombuffer(bytearray(data[slice(*t["data_offsets"])]), dtype=torch.float32).reshape(t["shape"])
            for name, t in header.items()}


class Cnn4(nn.Module):
    def __init__(self, w):
        super().__init__()
        channels = [3, 32, 64, 128, 256]
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in zip(channels, channels[1:]))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Linear(256 * 16 * 16, LABELS)
        for i, conv in enumerate(self.convs, 1):
            conv.weight.data = w[f"conv{i}.weight"].clone()
            conv.bias.data = w[f"conv{i}.bias"].clone()
        self.head.weight.data = w["head.weight"].reshape(LABELS, -1).clone()
        self.head.bias.data = w["head.bias"].clone()

    def forward(self, x):
        for conv in self.convs:
            x = self.pool(torch.relu(conv(x)))
        return self.head(torch.flatten(x, 1))


def measure(fn, seconds=4, runs=5):
    """Median seconds of many runs, after two that do not count."""
    fn(), fn()
    times, end = [], time.perf_counter() + seconds
    while len(times) < runs or time.perf_counter() < end:
        begin = time.perf_counter()
        fn()
        times.append(time.perf_counter() - begin)
    return sorted(times)[len(times) // 2] * 1e3


def forward(model, x):
    def run():
        with torch.no_grad():
            model(x)
    return run


def step(model, x, y):
    adam = torch.optim.Adam(model.parameters(), lr=1e-5)
    loss = nn.BCEWithLogitsLoss()

    def run():
        adam.zero_grad(set_to_none=True)
        loss(model(x), y).backward()
        adam.step()
    return run


def main():
    weights = read_safetensors(sys.argv[1])
    raw = torch.frombuffer(bytearray(open(sys.argv[2], "rb").read()), dtype=torch.float32)
    n = BATCH * SIZE * SIZE
    x = raw[:n].reshape(BATCH, 1, SIZE, SIZE).expand(-1, 3, -1, -1).contiguous()
    y = raw[n:n + BATCH * LABELS].reshape(BATCH, LABELS)
    expected = raw[n + BATCH * LABELS:].reshape(BATCH, LABELS)
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    model = Cnn4(weights).eval()
    with torch.no_grad():
        apart = (torch.sigmoid(model(x)) - torch.sigmoid(expected)).abs().max().item()
    if apart > 1e-4:
        sys.exit(f"PyTorch's probabilities differ by {apart}: its times mean nothing")
    torch.onnx.export(model, x[:1], sys.argv[3], input_names=["x"], output_names=["logits"],
                      dynamic_axes={"x": {0: "n"}, "logits": {0: "n"}}, opset_version=13)
    result = {"version": torch.__version__, "threads": cores, "largest_difference": apart}
    for name, layout in (("", torch.contiguous_format), (", channels last", torch.channels_last)):
        m, t = Cnn4(weights).to(memory_format=layout), x.to(memory_format=layout)
        m.eval()
        result[f"forward, batch 1, all cores{name}"] = measure(forward(m, t[:1].contiguous(memory_format=layout)))
        result[f"forward, batch 32, all cores{name}"] = measure(forward(m, t))
        m.train()
        result[f"training step, batch 32, all cores{name}"] = measure(step(m, t, y), 8, 3)
    torch.set_num_threads(1)
    result["forward, batch 1, 1 core"] = measure(forward(model, x[:1].contiguous()))
    result["forward, batch 32, 1 core"] = measure(forward(model, x))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
