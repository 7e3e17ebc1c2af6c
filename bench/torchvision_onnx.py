#!/usr/bin/python3
"""Torchvision's networks with random weights, as torch.onnx writes them (Debian's python3-torch, python3-torchvision).

    torchvision_onnx.py READ_ONNX [NAME...]        which are read, and how far from PyTorch's their logits are; READ_ONNX: bench_read_onnx
    torchvision_onnx.py --leave FOLDER NAME...     FOLDER/NAME.onnx, for bench/turns.py
"""
import subprocess
import sys
import tempfile
import warnings

import torch
import torchvision

NAMES = ["resnet18", "resnet34", "resnet50", "resnext50_32x4d", "densenet121", "mobilenet_v2", "mobilenet_v3_small",
         "mobilenet_v3_large", "efficientnet_b0", "efficientnet_b1", "efficientnet_v2_s", "mnasnet0_5", "mnasnet1_0", "squeezenet1_0",
         "squeezenet1_1", "googlenet", "inception_v3", "regnet_x_400mf", "regnet_y_400mf", "regnet_y_1_6gf", "shufflenet_v2_x0_5",
         "convnext_tiny", "alexnet"]
LABELS = 14


def statistics_set(model):
    """Random weights alone leave running statistics of 0 and 1, which no reader could get wrong."""
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.uniform_(-0.1, 0.1)


def export(name, folder):
    """Returns the network, its size and the file."""
    torch.manual_seed(1)
    model = getattr(torchvision.models, name)(num_classes=LABELS).eval()
    statistics_set(model)
    size = 299 if name == "inception_v3" else 224
    path = f"{folder}/{name}.onnx"
    with torch.no_grad():
        torch.onnx.export(model, torch.zeros(1, 3, size, size), path, opset_version=13, input_names=["image"],
                          output_names=["out"], dynamic_axes={"image": {0: "n"}, "out": {0: "n"}})
    return model, size, path


def compare(name, program, folder):
    model, size, path = export(name, folder)
    picture = torch.rand(1, 1, size, size) * 2 - 1
    with torch.no_grad():
        want = model(picture.expand(1, 3, size, size))[0].double()
    labels = ",".join(f"finding {i}" for i in range(LABELS))
    done = subprocess.run([program, path, labels], input=picture.numpy().astype("<f4").tobytes(), capture_output=True)
    said = done.stderr.decode().strip()
    if done.returncode != 0:
        return f"refused: {said}"
    got = torch.tensor([float(line) for line in done.stdout.split()], dtype=torch.double)
    off = ((got - want).abs() / (1 + want.abs())).max().item()
    return f"off by {off:.1e} of logits up to {want.abs().max().item():.3g}; {said}"


def main():
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    if sys.argv[1] == "--leave":
        for name in sys.argv[3:]:
            export(name, sys.argv[2])
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in sys.argv[2:] or NAMES:
            print(f"{name:20} {compare(name, sys.argv[1], folder)}", flush=True)


main()
