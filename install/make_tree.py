#!/usr/bin/env python3
"""Lays out what is installed, as below a prefix; run by the rule install_tree, which says what goes in.

bin/ the programs; lib/libchanpool.a; include/chanpool/ the public headers and those of ours that they include, by the
names by which Bazel's users include them; package files; share/ completions in the folders where each shell looks.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*["<]([^">]+)[">]', re.MULTILINE)
VERSION = re.compile(r'kVersion\[\] = "([^"]+)"')

COMPLETIONS = {
    "bash": "share/bash-completion/completions/{}",
    "zsh": "share/zsh/site-functions/_{}",
    "fish": "share/fish/vendor_completions.d/{}.fish",
}


def parse_arguments():
    parser = argparse.ArgumentParser(fromfile_prefix_chars="@")
    parser.add_argument("--tree", type=pathlib.Path, required=True)
    parser.add_argument("--version", type=pathlib.Path, required=True)
    parser.add_argument("--completes", type=pathlib.Path, required=True)
    for many in ("object", "header", "root", "public", "program", "template"):
        parser.add_argument(f"--{many}", action="append", default=[])
    return parser.parse_args()


def new_file(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def by_include_name(headers, roots):
    """{"pool/grpc/channel_pool.h": its path} for every name by which a header can be included."""
    files = {}
    for header in headers:
        for root in roots:
            if root == ".":
                files.setdefault(header, header)
            elif header.startswith(root + "/"):
                files.setdefault(header[len(root) + 1 :], header)
    return files


def copy_headers(public, files, place):
    """Copies the public headers, and what they include of ours."""
    names = {path: name for name, path in sorted(files.items(), key=lambda item: -len(item[0]))}  # Shortest name.
    ahead = [names[path] for path in public]
    done = set()
    while ahead:
        name = ahead.pop()
        if name in done or name not in files:  # What is not ours comes with Debian's packages.
            continue
        done.add(name)
        shutil.copyfile(files[name], new_file(place / name))
        ahead += INCLUDE.findall(pathlib.Path(files[name]).read_text(encoding="utf-8"))


def main():
    arguments = parse_arguments()
    tree = arguments.tree

    for program in arguments.program:
        shutil.copyfile(program, new_file(tree / "bin" / pathlib.Path(program).name))
    for shell, place in COMPLETIONS.items():
        script = subprocess.run([arguments.completes.absolute(), "completion", shell], check=True, capture_output=True)
        new_file(tree / place.format(arguments.completes.name)).write_bytes(script.stdout)

    # "q": some objects have the same name, and "r" would keep only the last of them. "D": no times, no owners.
    archive = new_file(tree / "lib/libchanpool.a")
    subprocess.run(["/usr/bin/ar", "qcsD", archive, *arguments.object], check=True)
    copy_headers(arguments.public, by_include_name(arguments.header, arguments.root), tree / "include/chanpool")

    version = VERSION.search(arguments.version.read_text(encoding="utf-8"))
    if version is None:
        sys.exit(f"make_tree.py: {arguments.version} has no kVersion")
    for template in arguments.template:
        source, place = template.split(":")
        text = pathlib.Path(source).read_text(encoding="utf-8").replace("@VERSION@", version[1])
        new_file(tree / place).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
