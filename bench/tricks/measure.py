#!/usr/bin/env -S python3 -B
"""What each trick of the fast path saves: the engine with it given up, beside the engine as it is.

    bench/tricks/measure.py [--rounds=7]

The tricks are in tricks.diff. In each round every variant runs once for each number of threads, the round beginning
with another one each time; a saving is the median over the rounds of the difference to the engine as it is in the same
round. All are one program, whose switches cost each variant, the first one too, some tenths of a nanosecond.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))

from bench.peers.verdict import median
from scripts import plant

CONTENDER = "pool, 100 connections x 1 lease"
THREADS = ("1", "2", "8")


def build():
    tricks = plant.read((plant.ROOT / "bench/tricks/tricks.diff").read_text(encoding="utf-8"))
    copy = plant.copy(tricks, "tricks")
    subprocess.run([*plant.BAZEL, "build", "--noshow_progress", "--copt=-w", "//bench:acquire_benchmark"], cwd=copy,
                   check=True)
    return tricks, copy / "bazel-bin/bench/acquire_benchmark"


def run(program, number):
    """Nanoseconds of one core, by number of threads."""
    output = subprocess.run([program, "--rounds=3", f"--only={CONTENDER}"], stdout=subprocess.PIPE, text=True, check=True,
                            env={**os.environ, plant.VARIABLE: str(number)}).stdout
    found, threads = {}, None
    for line in output.splitlines():
        if match := re.match(r"(\d+) threads?$", line):
            threads = match.group(1)
        elif match := re.match(re.escape(f"  {CONTENDER}") + r" +([\d.]+)", line):
            found[threads] = float(match.group(1))
    return found


def main():
    parser = argparse.ArgumentParser(description="What each trick of the fast path saves.")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    tricks, program = build()
    numbers = [0] + [trick.number for trick in tricks]
    figures = {number: [] for number in numbers}
    for each in range(options.rounds):
        first = each % len(numbers)
        for number in numbers[first:] + numbers[:first]:
            figures[number].append(run(program, number))

    def cells(values):
        return "".join(f"{median(of):>+9.1f} ({min(of):+.1f} to {max(of):+.1f})".rjust(30) for of in values)
    width = max(len(trick.what) for trick in tricks)
    print(f"Acquire + release, ns of one core, {CONTENDER}: median (least to greatest), n={options.rounds}\n")
    print(f"{'':{width}}" + "".join(f"{threads} thread{'' if threads == '1' else 's'}".rjust(30) for threads in THREADS))
    print(f"{'the engine as it is':{width}}" + cells([[of[threads] for of in figures[0]] for threads in THREADS]))
    for trick in tricks:
        print(f"{trick.what:{width}}" + cells(
            [[of[threads] - base[threads] for of, base in zip(figures[trick.number], figures[0])] for threads in THREADS]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
