#!/bin/bash
# Builds and runs the benchmarks. Arguments go to both: make bench ARGS=--benchmark_filter=Acquire
set -euo pipefail
cd "$(dirname "$0")/.."

benchmarks=(acquire_benchmark call_benchmark)

bazel build --noshow_progress "${benchmarks[@]/#///bench:}"
for benchmark in "${benchmarks[@]}"; do
  echo "== $benchmark"
  "bazel-bin/bench/$benchmark" "$@"
done
