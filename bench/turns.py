#!/usr/bin/env python3
"""Programs that do the same take turns, so that what else the machine does disturbs them alike.

    bench/turns.py [--rounds 9] [--runs 20] NAME=COMMAND NAME=COMMAND...

Each command is a program that answers a line with a number n by a line of n times in seconds, one for each run: bench_onnx and
bench/peers/ort_onnx.mjs (a forward pass), bench_step and bench/peers/torch_step.py (a step of training). All are started at once; then each
round asks one after the other, in an order that turns. The first `runs` of each do not count. Prints a line a program: the least and the
median of its times, and how many times faster the first program is than it, by the least times, by the medians, and as the median and the
quartiles over the rounds of the medians' ratio.

The rows of bench/RESULTS.md, O = build/release, PEERS = the folder where `./dev bench --peers` installed ONNX Runtime (build/bench/peers):

    bench_graphs --leave F, or bench/torchvision_onnx.py --leave F NAME, makes the files F/NAME.onnx
    bench/turns.py "now=O/bench_onnx F/NAME.onnx 2" "before=BEFORE/bench_onnx F/NAME.onnx 2" "ort=node bench/peers/ort_onnx.mjs F/NAME.onnx 2"
    bench/turns.py --runs 1 --rounds 5 "now=O/bench_step densenet121 1" "torch=/usr/bin/python3 bench/peers/torch_step.py 1"

The number behind the file is that of cores: with 1 the times are the processor's. A third number is that of pictures (1).
`chrt -f 10` before each command keeps others of the machine out of the way, where one may.
"""
import argparse
import shlex
import statistics
import subprocess


class Program:

    def __init__(self, text):
        self.name, command = text.split('=', 1)
        self.process = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.rounds = []

    def ask(self, runs):
        self.process.stdin.write(f'{runs}\n')
        self.process.stdin.flush()
        times = [float(word) for word in self.process.stdout.readline().split()]
        assert len(times) == runs, f'{self.name} does not answer'
        return times

    def end(self):
        self.process.stdin.close()
        assert self.process.wait() == 0, f'{self.name} fails'

    def times(self):
        return [time for round_ in self.rounds for time in round_]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--rounds', type=int, default=9)
    parser.add_argument('--runs', type=int, default=20)
    parser.add_argument('programs', nargs='+')
    args = parser.parse_args()
    programs = [Program(text) for text in args.programs]
    for program in programs:
        program.ask(args.runs)
    for turn in range(args.rounds):
        first = turn % len(programs)
        for program in programs[first:] + programs[:first]:
            program.rounds.append(program.ask(args.runs))
    for program in programs:
        program.end()
    ours = programs[0]
    for program in programs:
        least, median = min(program.times()), statistics.median(program.times())
        line = f'{program.name:12} least {least * 1e3:9.3f} ms, median {median * 1e3:9.3f} ms'
        if program is not ours:
            ratios = [statistics.median(theirs) / statistics.median(mine) for theirs, mine in zip(program.rounds, ours.rounds)]
            low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
            line += (f'; {ours.name} is {least / min(ours.times()):.3f} times as fast by the least, '
                     f'{median / statistics.median(ours.times()):.3f} by the medians, {middle:.3f} [{low:.3f} to {high:.3f}] by round')
        print(line, flush=True)


if __name__ == '__main__':
    main()
