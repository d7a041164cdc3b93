#!/bin/bash
# What a compiler and a test do not say by themselves: format, lock annotations (as errors), the rules of tests/tidy.
set -euo pipefail
cd "$(dirname "$0")/.."

quiet=(--noshow_progress --color=no --curses=no)

echo "check: format"
git ls-files -z --cached --others --exclude-standard '*.h' '*.cc' |
  xargs -0 --no-run-if-empty clang-format-14 --dry-run --Werror ||
  { echo "check: run 'make format'" >&2; exit 1; }

echo "check: lock annotations (clang)"
bazel build --config=clang "${quiet[@]}" //...

echo "check: rules of tests/tidy"
bazel test "${quiet[@]}" //tests/tidy:all

echo "check: passed"
