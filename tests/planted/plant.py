"""Plants bugs.diff in a tree: see there.

    bugs = plant.read(text)              # [Bug], in the order of the file
    plant.plant(bugs, files)             # files: {path: text}, changed in place

A tree that was planted behaves as it did, until CHANPOOL_PLANTED_BUG in the environment is a bug's number.
"""

import collections
import re

Bug = collections.namedtuple("Bug", "number name what path hunk")
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


class NotPlantable(ValueError):
    """What is wrong with bugs.diff, or with it and the tree."""


def read(text):
    bugs, path, names, lines = [], None, [], []

    def end():
        if not names:
            return
        hunk = Hunk("".join(line[1:] for line in lines if line[0] in " -"),
                    "".join(line[1:] for line in lines if line[0] in " +"))
        used = re.findall(r"PLANTED\((\w+)\)", hunk.new)
        if sorted(used) != sorted(name for name, _ in names):
            raise NotPlantable(f"{path}: {', '.join(name for name, _ in names)} is announced, {used} is planted")
        for name, what in names:
            if any(bug.name == name for bug in bugs):
                raise NotPlantable(f"{path}: {name} has two places")
            bugs.append(Bug(len(bugs) + 1, name, what, path, hunk))
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
    return bugs


def plant(bugs, files):
    hunks = list(dict.fromkeys((bug.path, bug.hunk) for bug in bugs))
    lost = []
    for path, hunk in hunks:
        times = files.get(path, "").count(hunk.old)
        if times == 1:
            files[path] = files[path].replace(hunk.old, hunk.new)
        else:
            lost.append(f"{path} has these lines {times} times, not once:\n{hunk.old}")
    if lost:
        raise NotPlantable("change tests/planted/bugs.diff as the engine was changed\n\n" + "\n".join(lost))
    for path in {path for path, _ in hunks}:
        files[path] = files[path].replace("#include", f'#include "{HEADER}"\n#include', 1)
    files[HEADER] = header(bugs)
    files[BUILD] = re.sub(r"(?ms)^cc_library\(\n.*?^\)\n", lambda library: needing_header(library.group()),
                          files[BUILD]) + LIBRARY


def needing_header(library):
    if "    deps = [" in library:
        return library.replace("    deps = [", '    deps = [":planted"] + [', 1)
    return library[:-2] + '    deps = [":planted"],\n)\n'


def header(bugs):
    names = "".join(f"  {bug.name} = {bug.number},\n" for bug in bugs)
    return f'''#pragma once
#include <cstdlib>
namespace chanpool::planted {{
enum Bug {{
{names}}};
inline const int chosen = [] {{
  const char* const number = std::getenv("CHANPOOL_PLANTED_BUG");
  return number == nullptr ? 0 : std::atoi(number);
}}();
}}  // namespace chanpool::planted
#define PLANTED(bug) (::chanpool::planted::chosen == ::chanpool::planted::bug)
'''
