"""Plants changes of the engine in a copy of the tree, each behind a switch of its own: tests/planted/bugs.diff has some.

    changes = plant.read(text)                    # [Change], in the order of the file
    copy = plant.copy(changes, "planted")         # a folder; build there, with plant.BAZEL
    environment = {plant.VARIABLE: str(changes[0].number)}    # of the programs built there: the first one is on

In such a file "@@ name: what" begins a change, "=== path" says of which file. Lines with a space or a minus in front are
the file's as they are, and must be there once; those with a space or a plus take their place. PLANTED(name) is true
where that change is on, and is there once.
"""

import collections
import os
import pathlib
import re
import subprocess

Change = collections.namedtuple("Change", "number name what path hunk")
Hunk = collections.namedtuple("Hunk", "old new")

HEADER = "pool/core/planted.h"
BUILD = "pool/core/BUILD.bazel"
LIBRARY = '''
cc_library(
    name = "planted",
    hdrs = ["planted.h"],
    visibility = ["//tests:__subpackages__"],
)
'''

VARIABLE = "CHANPOOL_PLANTED"
ROOT = pathlib.Path(__file__).resolve().parent.parent
# A copy stays, so that the next run builds what has changed; its Bazel server does not.
BAZEL = ["bazel", "--max_idle_secs=30"]


class NotPlantable(ValueError):
    """What is wrong with a file of changes, or with it and the tree."""


def read(text):
    changes, path, names, lines = [], None, [], []

    def end():
        if not names:
            return
        hunk = Hunk("".join(line[1:] for line in lines if line[0] in " -"),
                    "".join(line[1:] for line in lines if line[0] in " +"))
        used = re.findall(r"PLANTED\((\w+)\)", hunk.new)
        if sorted(used) != sorted(name for name, _ in names):
            raise NotPlantable(f"{path}: {', '.join(name for name, _ in names)} is announced, {used} is planted")
        for name, what in names:
            if any(change.name == name for change in changes):
                raise NotPlantable(f"{path}: {name} has two places")
            changes.append(Change(len(changes) + 1, name, what, path, hunk))
        names.clear()
        lines.clear()

    for line in text.splitlines(keepends=True):
        if line.startswith("@@ "):
            if lines:
                end()
            name, _, what = line[3:].strip().partition(": ")
            names.append((name, what))
        elif line.startswith("=== "):
            end()
            path = line[4:].strip()
        elif names and line[0] in " +-":
            lines.append(line)
        elif line.strip() and not line.startswith("#"):
            raise NotPlantable(f"{path}: not a line of a hunk: {line.strip()}")
    end()
    return changes


def plant(changes, files):
    """Plants them in `files`, {path: text}."""
    hunks = list(dict.fromkeys((change.path, change.hunk) for change in changes))
    lost = []
    for path, hunk in hunks:
        times = files.get(path, "").count(hunk.old)
        if times == 1:
            files[path] = files[path].replace(hunk.old, hunk.new)
        else:
            lost.append(f"{path} has these lines {times} times, not once:\n{hunk.old}")
    if lost:
        raise NotPlantable("change what is planted as the engine was changed\n\n" + "\n".join(lost))
    for path in {path for path, _ in hunks}:
        files[path] = files[path].replace("#include", f'#include "{HEADER}"\n#include', 1)
    files[HEADER] = header(changes)
    files[BUILD] = re.sub(r"(?ms)^cc_library\(\n.*?^\)\n", lambda library: needing_header(library.group()),
                          files[BUILD]) + LIBRARY


def needing_header(library):
    if "    deps = [" in library:
        return library.replace("    deps = [", '    deps = [":planted"] + [', 1)
    return library[:-2] + '    deps = [":planted"],\n)\n'


def header(changes):
    names = "".join(f"  {change.name} = {change.number},\n" for change in changes)
    return f'''#pragma once
#include <cstdlib>
namespace chanpool::planted {{
enum Change {{
{names}}};
inline const int chosen = [] {{
  const char* const number = std::getenv("{VARIABLE}");
  return number == nullptr ? 0 : std::atoi(number);
}}();
}}  // namespace chanpool::planted
#define PLANTED(change) (::chanpool::planted::chosen == ::chanpool::planted::change)
'''


def copy(changes, name):
    """The folder of the cache with the tree as it is, uncommitted changes included, and `changes` planted."""
    place = pathlib.Path(os.environ.get("CHANPOOL_CACHE") or pathlib.Path.home() / ".cache/chanpool") / name
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True,
                            stdout=subprocess.PIPE, text=True).stdout.split("\0")
    wanted = {path: (ROOT / path).read_bytes() for path in listed if path and (ROOT / path).is_file()}
    engine = {path: content.decode() for path, content in wanted.items() if path.startswith("pool/core/")}
    plant(changes, engine)
    wanted.update((path, text.encode()) for path, text in engine.items())
    for path, content in wanted.items():
        file = place / path
        if file.is_file() and file.read_bytes() == content:
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        file.chmod(0o755 if content.startswith(b"#!") else 0o644)
    for folder, folders, files in os.walk(place):
        folders[:] = [sub for sub in folders if not sub.startswith("bazel-")]
        for file in (pathlib.Path(folder) / file for file in files):
            if str(file.relative_to(place)) not in wanted:
                file.unlink()
    return place
