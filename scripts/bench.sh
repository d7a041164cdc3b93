#!/bin/bash
# Builds and runs the benchmarks; the last three lines are their summary. Arguments go to both: make bench
# ARGS=--rounds=3 is quick and rough.
set -euo pipefail
cd "$(dirname "$0")/.."

benchmarks=(acquire_benchmark call_benchmark)
summary='^(wall|cpu per call|acquire): '

bazel build --noshow_progress "${benchmarks[@]/#///bench:}"
output=$(mktemp)
trap 'rm -f "$output"' EXIT
for benchmark in "${benchmarks[@]}"; do
  echo
  echo "== $benchmark"
  "bazel-bin/bench/$benchmark" "$@" | tee -a "$output" | grep --line-buffered -vE "$summary"
done
# In the order in which they are read: what is gained, what each call costs, what the engine costs.
for line in wall 'cpu per call' acquire; do grep "^$line: " "$output"; done
