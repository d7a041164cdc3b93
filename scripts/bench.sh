#!/bin/bash
# Builds and runs the benchmarks; the last four lines are their summary. Arguments go to each: make bench
# ARGS=--rounds=3 is quick and rough.
set -euo pipefail
cd "$(dirname "$0")/.."

benchmarks=(acquire_benchmark call_benchmark admin_benchmark)
summary='^(wall|cpu per call|acquire|admin): '

bazel build --noshow_progress "${benchmarks[@]/#///bench:}"
output=$(mktemp)
trap 'rm -f "$output"' EXIT
for benchmark in "${benchmarks[@]}"; do
  echo
  echo "== $benchmark"
  "bazel-bin/bench/$benchmark" "$@" | tee -a "$output" | grep --line-buffered -vE "$summary"
done
# In the order in which they are read: what operators wait for, what is gained, what each call costs, what the engine costs.
for line in admin wall 'cpu per call' acquire; do grep "^$line: " "$output"; done
