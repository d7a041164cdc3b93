#!/usr/bin/env python3
"""What the engine's tests execute of pool/core: lines and branches by file, measured by clang.

    scripts/coverage.py [--html=FOLDER]

Runs the tests of tests/core and tests/sim in a build of their own. Fails if a test does, or if less is executed than
is promised: 95 % of the lines, 90 % of the branches.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = "pool/core"
TESTS = "tests(//tests/core/...) union tests(//tests/sim/...)"
PROMISED = {"lines": 95.0, "branches": 90.0}
# Its stress test runs for 5 s otherwise, which finds nothing more.
ENVIRONMENT = {"CHANPOOL_STRESS_SECONDS": "2"}
BUILD = ["--config=coverage", "--noshow_progress", "--color=no"]


def output_of(*command):
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def build():
    """The test programs."""
    labels = output_of("bazel", "query", "--noshow_progress", "--color=no", TESTS).split()
    subprocess.run(["bazel", "build", *BUILD, *labels], cwd=ROOT, check=True)
    folder = pathlib.Path(output_of("bazel", "info", *BUILD, "bazel-bin").strip())
    programs = [folder / label.removeprefix("//").replace(":", "/") for label in labels]
    return [program for program in programs if program.exists() and not program.read_bytes()[:2] == b"#!"]


def run(program, profiles):
    environment = {**os.environ, **ENVIRONMENT, "LLVM_PROFILE_FILE": f"{profiles}/{program.name}-%p.profraw"}
    ran = subprocess.run([program], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                         errors="replace", check=False)
    return program.name, ran.returncode, ran.stdout


def objects(programs):
    """As llvm-cov takes them."""
    return [programs[0], *(argument for program in programs[1:] for argument in ("-object", program))]


def measure(programs, profile):
    """By file of pool/core, and "" for all of them: {"lines": {"count", "covered", "percent"}, "branches": ...}."""
    report = json.loads(output_of("llvm-cov-14", "export", "-summary-only", f"-instr-profile={profile}",
                                  *objects(programs)))
    found = {}
    for file in report["data"][0]["files"]:
        name = file["filename"].partition(f"{SOURCES}/")[2]
        if name:
            found[name] = {what: file["summary"][what] for what in PROMISED}
    sums = {}
    for what in PROMISED:
        count = sum(file[what]["count"] for file in found.values())
        covered = sum(file[what]["covered"] for file in found.values())
        sums[what] = {"count": count, "covered": covered, "percent": 100 * covered / count if count else 100}
    found[""] = sums
    return found


def print_table(found):
    def cells(of_file):
        return "".join(f"{of_file[what]['covered']:>9}/{of_file[what]['count']:<6}{of_file[what]['percent']:6.1f} %"
                       for what in PROMISED)
    width = max(map(len, found))
    print(f"{'':{width}}" + "".join(f"{what:>24}" for what in PROMISED))
    for name, of_file in sorted(found.items()):
        if name:
            print(f"{name:{width}}{cells(of_file)}")
    print(f"{'all':{width}}{cells(found[''])}")


def main():
    parser = argparse.ArgumentParser(description="What the engine's tests execute of pool/core.")
    parser.add_argument("--html", metavar="FOLDER", help="also write each line with how often it was executed")
    options = parser.parse_args()
    programs = build()
    with tempfile.TemporaryDirectory() as profiles:
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
            failed = [(name, output) for name, code, output in
                      workers.map(lambda program: run(program, profiles), programs) if code != 0]
        if failed:
            sys.exit("\n".join(f"{output}\ncoverage: {name} failed" for name, output in failed))
        profile = f"{profiles}/all.profdata"
        subprocess.run(["llvm-profdata-14", "merge", "-sparse", "-o", profile,
                        *map(str, pathlib.Path(profiles).glob("*.profraw"))], check=True)
        found = measure(programs, profile)
        if options.html:
            output_of("llvm-cov-14", "show", "-format=html", f"-output-dir={pathlib.Path(options.html).absolute()}",
                      "-show-branches=count", f"-path-equivalence=/proc/self/cwd,{ROOT}", f"-instr-profile={profile}",
                      *objects(programs), f"{ROOT}/{SOURCES}")
    print_table(found)
    missed = [what for what, promised in PROMISED.items() if found[""][what]["percent"] < promised]
    print("coverage of pool/core: " + ", ".join(f"{what} {found[''][what]['percent']:.1f} %" for what in PROMISED)
          + "".join(f"; {what} below {PROMISED[what]:.0f} %" for what in missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
