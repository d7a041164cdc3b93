#!/bin/bash
# Builds tests/sim/explore and runs it with the arguments: fresh seeds for --seconds, or one --seed, or one --script.
set -euo pipefail
cd "$(dirname "$0")/.."

bazel build --noshow_progress //tests/sim:explore
# In the caller's folder a script's path means what it meant there.
explore=$PWD/bazel-bin/tests/sim/explore
cd "$OLDPWD"
exec "$explore" "$@"
