#!/usr/bin/env python3
"""Print the ratios of one `./dev bench --peers` run as a Markdown table: compare.py build/bench"""
import json
import pathlib
import statistics
import sys


def median(values):
    """Of numbers; of objects, member by member; of anything else, the first."""
    if isinstance(values[0], dict):
        return {key: median([v[key] for v in values]) for key in values[0]}
    return statistics.median(values) if isinstance(values[0], (int, float)) else values[0]


def rounds(folder, name):
    return median([json.loads(path.read_text()) for path in sorted(folder.glob(f"{name}.[0-9].json"))])


def main():
    folder = pathlib.Path(sys.argv[1])
    training, service, node = (json.loads((folder / f"{name}.json").read_text())
                               for name in ("training", "service", "node"))
    engine, torch, ort = (rounds(folder, name) for name in ("engine", "torch", "ort"))
    fastest = max(node, key=lambda run: run["eight clients"]["requests_per_s"])
    step = "training step, batch 32, all cores"

    print(f"\n{engine['date'][:10]}, {engine['cores']} cores, {engine['simd']}, build {engine['build']}; "
          f"PyTorch {torch['version']}, ONNX Runtime {ort['version']}; medians of three rounds\n")
    print("| | cxrd | the other | ratio |\n|---|---|---|---|")

    def row(name, ours, theirs, unit, ratio):
        print(f"| {name} | {ours:.2f} {unit} | {theirs:.2f} {unit} | {ratio:.2f}× |")

    for name in ("forward, batch 1, 1 core", "forward, batch 1, all cores", "forward, batch 32, 1 core",
                 "forward, batch 32, all cores"):
        ours = engine[name]["median_ms"]
        row(f"{name}, against ONNX Runtime", ours, ort[name], "ms", ort[name] / ours)
        row(f"{name}, against PyTorch", ours, torch[name], "ms", torch[name] / ours)
    graphs, theirs = rounds(folder, "graphs"), rounds(folder, "ort_graphs")
    for name in graphs:
        if name in theirs:
            ours, other = graphs[name]["median_ms"], theirs[name]["median_ms"]
            row(f"{name}, against ONNX Runtime", ours, other, "ms", other / ours)
    ours = engine[step]["median_ms"]
    row(f"{step}, against PyTorch", ours, torch[step], "ms", torch[step] / ours)
    row(f"{step}, against PyTorch channels last", ours, torch[f"{step}, channels last"], "ms",
        torch[f"{step}, channels last"] / ours)
    for clients in ("one client", "eight clients"):
        ours, theirs = service[clients]["requests_per_s"], fastest[clients]["requests_per_s"]
        row(f"/predict, {clients}, against Node + sharp + ONNX Runtime", ours, theirs, "requests/s", ours / theirs)
    alone, beside = service["one client"]["p99_ms"], service["one client, while a job trains"]["p99_ms"]
    row("/predict p99 while a job trains, against idle", beside, alone, "ms", beside / alone)
    row("first epoch at 1024×1024, against decode + compute alone", training["seconds"], training["bound_seconds"], "s",
        training["bound_seconds"] / training["seconds"])
    print(f"\nPeak memory of the training {training['memory_mb']:.0f} MB, of the service between requests "
          f"{service['memory_mb']:.0f} MB.")


main()
