#!/usr/bin/env -S python3 -B
"""Checks the checks: plants bugs.diff in a copy of the tree, and runs every check once for each bug.

    tests/planted/look.py [--verbose] [BUG...]

A check finds a bug by a failed test, a broken rule, a crash or a hang. The last line is the sum; the exit code is 1 if
a bug is missed. With names of bugs, those alone; --verbose names each test that failed.
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))

from scripts import plant
from tests.planted.checks import ALONE, CHECKS

AT_ONCE = 2

Found = collections.namedtuple("Found", "how tests")  # how: "" if it was not found.


def build(copy):
    targets = ["//{}:{}".format(*check.target.rsplit("/", 1)) for check in CHECKS]
    # Fewer warnings are errors there: a planted condition may be one.
    subprocess.run([*plant.BAZEL, "build", "--noshow_progress", "--copt=-w", *targets], cwd=copy, check=True)


def failed_tests(output):
    return sorted(set(re.findall(r"^\[  FAILED  \] (\w\S*\.\S+?),? ", output, re.M)))


def last_begun(output):
    return re.findall(r"^\[ RUN      \] (\S+)", output, re.M)[-1:]


def run(copy, check, number):
    """How `check` finds bug `number`; 0 is none: how it fails."""
    environment = {**os.environ, plant.VARIABLE: str(number), "CHANPOOL_STRESS_SECONDS": "2"}
    process = subprocess.Popen([copy / "bazel-bin" / check.target, *check.arguments], cwd=copy, env=environment,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", start_new_session=True)
    try:
        output, _ = process.communicate(timeout=check.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        return Found("hang", failed_tests(output) + last_begun(output))
    if process.returncode == 0:
        return Found("", [])
    failed = failed_tests(output)
    broken = re.search(r"^broken: .*$", output, re.M)
    if process.returncode < 0:
        return Found("crash", failed + last_begun(output))
    if "hung: no end" in output:
        return Found("hang", [])
    if "crashed (" in output:
        return Found("crash", [])
    if broken:
        return Found("rule", [broken.group(0)])
    return Found(f"{len(failed)} test{'s' if len(failed) != 1 else ''}", failed)


def look(copy, bugs, verbose):
    """Prints a line for each bug; the bugs that no check found."""
    missed = []
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as workers:
        sound = {check.name: workers.submit(run, copy, check, 0) for check in CHECKS}
        for name, result in sound.items():
            if result.result().how:
                sys.exit(f"planted: {name} fails without a bug: {result.result()}")
        results = {(bug.name, check.name): workers.submit(run, copy, check, bug.number)
                   for bug in bugs for check in CHECKS if check.sees is None or bug.path in check.sees}
        width = max(len(bug.name) for bug in bugs)
        columns = [max(len("00 tests"), len(check.name)) for check in CHECKS]

        def line(cells):
            return "  ".join(f"{cell:{column}}" for cell, column in zip(cells, columns))
        print(f"{'bug':{width}}  {line(check.name for check in CHECKS)}  written for it alone")
        for bug in bugs:
            found = {check.name: results[bug.name, check.name].result() for check in CHECKS
                     if (bug.name, check.name) in results}
            tests = [test for how in found.values() for test in how.tests]
            cells = [(found[check.name].how or ".") if check.name in found else "" for check in CHECKS]
            own = ALONE.get(bug.name)
            alone = own if own and all(test == own for test in tests) else "no"
            if not any(how.how for how in found.values()):
                missed.append(bug)
                alone = "MISSED"
            print(f"{bug.name:{width}}  {line(cells)}  {alone}", flush=True)
            if verbose:
                for name, how in found.items():
                    for test in how.tests:
                        print(f"    {name}: {test}")
    return missed


def main():
    parser = argparse.ArgumentParser(description="Plants bugs in a copy of the engine: which check finds each?")
    parser.add_argument("--verbose", action="store_true", help="name each test that failed")
    parser.add_argument("bugs", nargs="*", metavar="BUG", help="one of tests/planted/bugs.diff; all of them if none")
    options = parser.parse_args()
    bugs = plant.read((plant.ROOT / "tests/planted/bugs.diff").read_text(encoding="utf-8"))
    unknown = set(options.bugs) - {bug.name for bug in bugs}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))} in tests/planted/bugs.diff")
    wanted = [bug for bug in bugs if not options.bugs or bug.name in options.bugs]
    copy = plant.copy(bugs, "planted")
    build(copy)
    start = time.monotonic()
    missed = look(copy, wanted, options.verbose)
    print(f"\n. not found; empty: that check does not see this part. {int(time.monotonic() - start)} s")
    for bug in missed:
        print(f"missed: {bug.name}: {bug.what} ({bug.path})")
    print(f"planted bugs: {len(wanted) - len(missed)} found, {len(missed)} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
