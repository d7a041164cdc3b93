#!/usr/bin/env -S python3 -B
"""Acquire + release of our engine beside established pools, in one run: see README.md beside this file.

    bench/peers/compare.py [--rounds=5] [--measure-ms=400] [--peers=hikaricp,puddle] [--engine=PROGRAM]

All programs are up all the time and idle but for the one that is asked. In each round every one is asked once, each
round beginning with another one, so that a machine that slows down slows all of them.
"""

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import threading

from verdict import UNFAIR_FROM, Cell, Figure, counts, is_ahead, last_line, median, parse

FOLDER = pathlib.Path(__file__).resolve().parent
OURS = "chanpool"
CELLS = [Cell(places, threads) for places in (10, 100) for threads in (1, 2, 8, 32)] + [Cell(2, 8)]
UNCONTENDED = Cell(10, 1)
HOLDS = {"1 ms by timer": 1000, "20 us by a loop": 20}
HELD = Cell(2, 8)
TIME_OUT_MS = 50
FLOOR_PAIRS, FLOOR_TURN_MS = 25, 20  # A round.
TIME_OUTS_A_ROUND = 10
# Where threads wait for places, a turn is longer by this: what a short one shows is whom the scheduler favoured.
SHORT_TURNS = 3
# For an answer, beside the length of some ten turns.
PATIENCE_S = 60


def java(cache, pool):
    return ["java", "-Xms512m", "-Xmx512m",
            # HikariCP takes no time-out below 250 ms otherwise.
            "-Dcom.zaxxer.hikari.timeoutMs.floor=10",
            "-cp", f"{cache}/java/classes:{cache}/java/lib/*", "PoolPeer", pool]


COMMANDS = {
    "hikaricp": lambda cache: java(cache, "hikaricp"),
    "commons-pool2": lambda cache: java(cache, "commons-pool2"),
    "puddle": lambda cache: [f"{cache}/go/go"],
    "deadpool": lambda cache: [f"{cache}/rust/release/deadpool-peer"],
}


class Peer:
    """A running program that answers each line with one line. Ends with its input."""

    def __init__(self, name, command, patience_s):
        self.name = name
        self._patience_s = patience_s
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def line(self, request):
        watchdog = threading.Timer(self._patience_s, self._process.kill)
        watchdog.start()
        try:
            self._process.stdin.write(request + "\n")
            answer = self._process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        finally:
            watchdog.cancel()
        if not answer:
            raise SystemExit(f"compare.py: {self.name} has ended, or hung, when asked '{request}'")
        return answer

    def ask(self, request):
        return parse(request, self.line(request))


def in_turn(peers, rounds):
    """Every peer once a round, each round beginning with another one."""
    for round_number in range(rounds):
        first = round_number % len(peers)
        yield from peers[first:] + peers[:first]


def build_engine():
    root = FOLDER.parent.parent
    subprocess.run(["bazel", "build", "--noshow_progress", "//bench:engine_peer"], cwd=root, check=True)
    return str(root / "bazel-bin/bench/engine_peer")


def build_peers():
    built = subprocess.run([FOLDER / "build.sh"], stdout=subprocess.PIPE, text=True, check=True)
    return built.stdout.strip()


def warm_up(peers, options):
    """One discarded turn of each kind, longer than a measured one: until then a virtual machine interprets."""
    for peer in peers:
        for cell in CELLS:
            peer.ask(f"ops {cell.places} {cell.threads} 0 {2 * options.measure_ms}")
        for hold_us in HOLDS.values():
            peer.ask(f"hold {HELD.places} {HELD.threads} {hold_us} {options.measure_ms}")
        peer.ask(f"timeout {HELD.places} {TIME_OUT_MS} 2")


def turn_ms(cell, options):
    return options.measure_ms * (SHORT_TURNS if cell.short else 1)


def measure_cell(cell, peers, options):
    """By name of peer: its Figure; and what the floor came to, in ns, where that is asked."""
    request = f"ops {cell.places} {cell.threads} {options.warm_ms} {turn_ms(cell, options)}"
    answers = {peer.name: [] for peer in peers}
    floors = []
    for peer in in_turn(peers, options.rounds):
        answers[peer.name].append(peer.ask(request))
        if cell == UNCONTENDED and peer.name == OURS:
            floors.append(peer.ask(f"floor {options.warm_ms} {options.measure_ms}").ns_of_one_core(1))
    cores = len(os.sched_getaffinity(0))
    return {name: Figure(tuple(answer.ns_of_one_core(cores) for answer in of_peer),
                         tuple(answer.most_to_least() for answer in of_peer))
            for name, of_peer in answers.items()}, floors


def print_floor(peers, options):
    """Ours and the floor in short turns, so that some are undisturbed. Locked operations wait for memory: a neighbour on
    the same core costs them little, and what stands between them much. The least of each is free of that."""
    ours = next(peer for peer in peers if peer.name == OURS)
    figures = {OURS: [], "floor": []}
    for _ in range(FLOOR_PAIRS * options.rounds):
        figures[OURS].append(ours.ask(f"ops {UNCONTENDED.places} 1 2 {FLOOR_TURN_MS}").ns_of_one_core(1))
        figures["floor"].append(ours.ask(f"floor 2 {FLOOR_TURN_MS}").ns_of_one_core(1))
    print(f"\n{UNCONTENDED} and the floor, ns, in turns of {FLOOR_TURN_MS} ms: median, least")
    for name, ns in figures.items():
        print(f"  {name:14} {median(ns):9.1f} {min(ns):9.1f}  n={len(ns)}")
    print(f"  {'ratio':14} {median(figures[OURS]) / median(figures['floor']):9.2f}"
          f" {min(figures[OURS]) / min(figures['floor']):9.2f}")


def print_cell(cell, figures):
    print(f"\n{cell}{': places are short' if cell.short else ''}")
    for name, figure in figures.items():
        print(f"  {name:14} {figure.median:9.1f}  ({min(figure.ns):.1f} - {max(figure.ns):.1f}), n={len(figure.ns)},"
              f" most/least {median(figure.most_to_least):.2f}")


def print_summary(figures, peers):
    names = [peer.name for peer in peers]
    print(f"\n{'medians':24}" + "".join(f"{name:>15}" for name in names) + "  ahead")
    for cell, by_name in figures.items():
        row = "".join(f"{figure.median:14.1f}{' ' if counts(cell, figure) else '*'}" for figure in by_name.values())
        print(f"{str(cell):24}{row}  {'yes' if ahead_in(cell, by_name) else 'no'}")
    print(f"* places are short and most/least is {UNFAIR_FROM} or more: does not count")


def ahead_in(cell, by_name):
    return is_ahead(cell, by_name[OURS], [figure for name, figure in by_name.items() if name != OURS])


def print_lateness(peers, options):
    late_ms = {peer.name: [] for peer in peers}
    for peer in in_turn(peers, options.rounds):
        answer = peer.ask(f"timeout {HELD.places} {TIME_OUT_MS} {TIME_OUTS_A_ROUND}")
        late_ms[peer.name] += [ns / 1e6 for ns in answer.late_ns]
    print(f"\nLateness of a time-out of {TIME_OUT_MS} ms, one waiter on a full pool, ms: median, maximum")
    for name, values in late_ms.items():
        print(f"  {name:14} {median(values):9.2f} {max(values):9.2f}  n={len(values)}")


def print_holds(peers, options):
    for what, hold_us in HOLDS.items():
        answers = {peer.name: [] for peer in peers}
        for peer in in_turn(peers, options.rounds):
            answers[peer.name].append(
                peer.ask(f"hold {HELD.places} {HELD.threads} {hold_us} {options.measure_ms}"))
        print(f"\n{HELD}, each held for {what}: time that places were lent, leases a second, most/least; medians")
        for name, of_peer in answers.items():
            busy = [answer.busy_percent(HELD.places) for answer in of_peer]
            print(f"  {name:14} {median(busy):7.1f} %  ({min(busy):.1f} - {max(busy):.1f}), n={len(busy)},"
                  f" {median([answer.per_second() for answer in of_peer]):9.0f}/s,"
                  f" most/least {median([answer.most_to_least() for answer in of_peer]):.2f}")


def compare(peers, options):
    for peer in peers:
        print(f"{peer.name:14} {peer.line('about').partition(' ')[2]}")
    warm_up(peers, options)
    print(f"\nAcquire + release, ns of one core: median (least - greatest) of {options.rounds} alternating rounds of"
          f" {options.measure_ms} ms ({SHORT_TURNS * options.measure_ms} ms where places are short).")
    figures, floors = {}, []
    for cell in CELLS:
        figures[cell], floor_of_cell = measure_cell(cell, peers, options)
        floors += floor_of_cell
        print_cell(cell, figures[cell])
    print_floor(peers, options)
    print_lateness(peers, options)
    print_holds(peers, options)
    print_summary(figures, peers)
    ahead = sum(ahead_in(cell, by_name) for cell, by_name in figures.items())
    print()
    print(last_line(ahead, len(CELLS), figures[UNCONTENDED][OURS].median, median(floors)))


def positive(text):
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def main():
    parser = argparse.ArgumentParser(description="Sets our engine beside established pools.")
    parser.add_argument("--rounds", type=positive, default=5)
    parser.add_argument("--measure-ms", type=positive, default=400, help="one turn of one pool")
    parser.add_argument("--warm-ms", type=positive, default=100, help="before each turn")
    parser.add_argument("--peers", default=",".join(COMMANDS), help="of " + ", ".join(COMMANDS))
    parser.add_argument("--engine", help="our program, instead of building it")
    options = parser.parse_args()
    names = options.peers.split(",")
    for name in names:
        if name not in COMMANDS:
            parser.error(f"{name} is none of {', '.join(COMMANDS)}")

    sys.stdout.reconfigure(line_buffering=True)  # Into a pipe too: some figures take half a minute.
    cache = build_peers()
    commands = {OURS: [options.engine or build_engine()], **{name: COMMANDS[name](cache) for name in names}}
    patience_s = PATIENCE_S + options.measure_ms / 100
    with contextlib.ExitStack() as running:
        compare([running.enter_context(Peer(name, command, patience_s)) for name, command in commands.items()], options)


if __name__ == "__main__":
    main()
