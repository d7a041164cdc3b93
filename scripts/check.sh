#!/bin/bash
# What a compiler and a test do not say by themselves: format, lock annotations (as errors), the rules of tests/tidy,
# the shape of proto/.
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

buf=${CHANPOOL_CACHE:-$HOME/.cache/chanpool}/bin/buf
if [[ -x $buf ]]; then
  echo "check: proto files (buf lint, and breaking changes against the last commit)"
  "$buf" lint
  # The last commit that is not the working tree itself.
  base=HEAD
  git diff --quiet HEAD -- proto && base=HEAD~1
  if git cat-file -e "$base:buf.yaml" 2>/dev/null; then
    "$buf" breaking --against ".git#ref=$base"
  else
    echo "check: $base has no proto files to compare with"
  fi
else
  echo "check: left out: buf (proto lint), which comes from npm; install npm and run scripts/install_tools.sh buf"
fi

echo "check: passed"
