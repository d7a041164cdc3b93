#!/usr/bin/env python3
"""Checks the checks: builds the engine with its planted bugs (pool/core/planted.h), and runs every check once for each.

A check finds a bug by a failed test, a broken rule, a crash or a hang. The last line is the sum; the exit code is 1 if
a bug is missed. Arguments: names of bugs, to look for those alone; --verbose names each test that failed.
"""

import collections
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
AT_ONCE = 2
BAZEL = os.environ.get("BAZEL", "bazel").split()

# What is run for each bug, with its seconds at most. The model and the words know the slot's word alone: they are not
# asked about bugs elsewhere.
Check = collections.namedtuple("Check", "name target arguments seconds sees")
WORD = "pool/core/slot_word.h"
CHECKS = [
    Check("words", "tests/core/slot_word_test", [], 20, [WORD]),
    Check("model", "tests/core/slot_interleavings_test", [], 120, [WORD]),
    Check("table", "tests/core/slot_table_test", [], 20, [WORD, "pool/core/slot_table.h", "pool/core/slot_table.cc"]),
    Check("state", "tests/core/pool_state_test", [], 20, ["pool/core/pool_state.cc"]),
    Check("pool", "tests/core/pool_test", [], 20, None),
    Check("races", "tests/core/pool_races_test", [], 20, None),
    Check("sim", "tests/sim/explore", ["--fixed-first", "--steps=20000", "--seconds=8", "--shrink-seconds=0",
                                       "--max-life-seconds=10"], 60, None),
    Check("stress", "tests/sim/pool_stress_test", [], 20, None),
]

# The tests that were written because nothing found their bug.
ALONE = {
    "kDestroysUnderTheLock": "PoolRacesTest.NothingIsLetGoUnderTheLock",
    "kHitsCountTwice": "PoolRacesTest.APlaceFoundAtTheSecondLookIsOneHit",
    "kTimeOutLosesLease": "PoolRacesTest.ATimeOutThatHasBeenGrantedAPlaceReturnsIt",
    "kWaiterDoesNotLookAgain": "PoolRacesTest.AWaiterLooksAgainBeforeItQueues",
}

Bug = collections.namedtuple("Bug", "name what place")
Found = collections.namedtuple("Found", "how tests")  # how: "" if it was not found.


def bugs():
    with open(os.path.join(ROOT, "pool/core/planted.h"), encoding="utf-8") as header:
        text = header.read()
    places = {}
    for file in sorted(os.listdir(os.path.join(ROOT, "pool/core"))):
        if file == "planted.h" or not file.endswith((".h", ".cc")):
            continue
        with open(os.path.join(ROOT, "pool/core", file), encoding="utf-8") as source:
            for name in re.findall(r"CHANPOOL_PLANTED\((\w+)\)", source.read()):
                if name in places:
                    sys.exit(f"planted: {name} has two places")
                places[name] = f"pool/core/{file}"
    listed = [Bug(*entry, places.pop(entry[0], "")) for entry in re.findall(r'  X\((\w+), "([^"]*)"\)', text)]
    for bug in listed:
        if not bug.place:
            sys.exit(f"planted: {bug.name} has no place")
    if places:
        sys.exit(f"planted: not in pool/core/planted.h: {', '.join(places)}")
    return listed


def build():
    targets = ["//{}:{}".format(*check.target.rsplit("/", 1)) for check in CHECKS]
    command = [*BAZEL, "build", "--config=planted", "--noshow_progress"] + targets
    subprocess.run(command, cwd=ROOT, check=True)
    info = subprocess.run([*BAZEL, "info", "--config=planted", "bazel-bin"], cwd=ROOT, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    return info.stdout.strip()


def run(folder, check, bug):
    """How `check` finds `bug`; without a bug, how it fails."""
    environment = dict(os.environ, CHANPOOL_PLANTED_BUG=bug, CHANPOOL_STRESS_SECONDS="2")
    process = subprocess.Popen([os.path.join(folder, check.target)] + check.arguments, cwd=ROOT, env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=check.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        running = [name for name in re.findall(r"^\[ RUN      \] (\S+)", output, re.M)]
        return Found("hang", running[-1:])
    if process.returncode == 0:
        return Found("", [])
    failed = sorted(set(re.findall(r"^\[  FAILED  \] (\w\S*\.\S+?),? ", output, re.M)))
    broken = re.search(r"^broken: .*$", output, re.M)
    if process.returncode < 0:
        running = re.findall(r"^\[ RUN      \] (\S+)", output, re.M)
        return Found("crash", running[-1:])
    if "hung: no end" in output:
        return Found("hang", [])
    if "crashed (" in output:
        return Found("crash", [])
    if broken:
        return Found("rule", [broken.group(0)])
    return Found(f"{len(failed)} test{'s' if len(failed) != 1 else ''}", failed)


def main():
    arguments = sys.argv[1:]
    verbose = "--verbose" in arguments
    wanted = [a for a in arguments if a != "--verbose"]
    planted = [bug for bug in bugs() if not wanted or bug.name in wanted]
    if not planted:
        sys.exit(f"planted: there is no bug {' '.join(wanted)}")
    folder = build()
    start = time.monotonic()
    results = {}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        sound = {check.name: pool.submit(run, folder, check, "") for check in CHECKS}
        for name, result in sound.items():
            if result.result().how:
                sys.exit(f"planted: {name} fails without a bug: {result.result()}")
        for bug in planted:
            for check in CHECKS:
                if check.sees is None or bug.place in check.sees:
                    results[bug.name, check.name] = pool.submit(run, folder, check, bug.name)
        width = max(len(bug.name) for bug in planted)
        print(f"{'bug':{width}}  " + "  ".join(f"{check.name:8}" for check in CHECKS) + "  written for it alone")
        missed = []
        for bug in planted:
            found = {check.name: results[bug.name, check.name].result() for check in CHECKS
                     if (bug.name, check.name) in results}
            finders = [name for name, how in found.items() if how.how]
            tests = [test for how in found.values() for test in how.tests]
            cells = [(found[check.name].how or ".") if check.name in found else "" for check in CHECKS]
            own = ALONE.get(bug.name)
            alone = own if own and all(test == own for test in tests) else "no"
            if not finders:
                missed.append(bug)
                alone = "MISSED"
            print(f"{bug.name:{width}}  " + "  ".join(f"{cell:8}" for cell in cells) + f"  {alone}", flush=True)
            if verbose:
                for name, how in found.items():
                    for test in how.tests:
                        print(f"    {name}: {test}")
    print(f"\n. not found; empty: that check does not see this part. {int(time.monotonic() - start)} s")
    for bug in missed:
        print(f"missed: {bug.name}: {bug.what} ({bug.place})")
    print(f"planted bugs: {len(planted) - len(missed)} found, {len(missed)} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
