#!/usr/bin/env python3
"""A training's first epoch, which has to decode every picture, against what decoding and computing take alone.

first_epoch.py CXRD DATASETS OUT ENGINE.json   prints one JSON object. From the moment when the rows are known until the
first epoch has been validated, so whichever phase decodes a picture, it counts. The bound: every picture decoded once, the
training ones stepped, the validation ones predicted, each at the rate that the engine reached by itself on all cores.
"""
import json
import re
import resource
import subprocess
import sys
import time


def main():
    cxrd, datasets, out, engine = sys.argv[1:]
    with open(engine, encoding="utf-8") as f:
        rate = {name: figures["images_per_s"] for name, figures in json.load(f).items()
                if isinstance(figures, dict) and "images_per_s" in figures}
    command = [cxrd, "train", "--datasets", datasets, "--dataset", "phantom", "--out", out, "--set", "epochs=1",
               "--set", "drop_no_finding=false"]
    begun = ended = counts = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as training:
        for line in training.stdout:
            found = re.search(r"(\d+) to train, (\d+) to validate", line)
            if found:
                begun, counts = time.monotonic(), [int(n) for n in found.groups()]
            elif line.startswith('{"epoch":1,'):
                ended = time.monotonic()
    if training.returncode or not counts or not ended:
        sys.exit("the training failed")
    train, validate = counts
    bound = ((train + validate) / rate["read, decode, resize, all cores"] + train / rate["training step, batch 32, all cores"]
             + validate / rate["forward, batch 32, all cores"])
    print(json.dumps({"images": train + validate, "seconds": ended - begun, "bound_seconds": bound,
                      "memory_mb": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}))


main()
