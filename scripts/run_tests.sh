#!/bin/bash
# Runs every test there is: all targets, the suites under both sanitizers, the example of a dependent workspace, a
# minute of simulation, and check.sh. The last line is the sum, "N passed, N failed", counted in test cases; the exit
# code is 0 if none failed.
set -uo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

root=$PWD
# Where scripts/install_tools.sh has put what tests run.
tools=--test_env=CHANPOOL_CACHE=${CHANPOOL_CACHE:-$HOME/.cache/chanpool}
quiet=(--noshow_progress --color=no --curses=no)
events=$(mktemp)
simulation=$(mktemp)
simulating=
trap 'rm -f "$events" "$simulation"; [[ -z $simulating ]] || kill "$simulating" 2>/dev/null' EXIT
passed=0
failed=0

# count NAME SECONDS PASSED FAILED: adds to the sum, and says so.
count() {
  passed=$((passed + $3))
  failed=$((failed + $4))
  printf '%s: %d passed, %d failed in %d s\n\n' "$1" "$3" "$4" "$2"
}

# suite NAME FOLDER ARGUMENTS...: one `bazel test` in FOLDER.
suite() {
  local name=$1 folder=$2 start=$SECONDS status counts
  shift 2
  echo "== $name: bazel test $*"
  : >"$events"
  (cd "$folder" && bazel test --keep_going "${quiet[@]}" "$tools" --build_event_json_file="$events" "$@") 2>&1
  status=$?
  read -ra counts < <(python3 "$root/scripts/count_tests.py" "$events" "$status")
  count "$name" $((SECONDS - start)) "${counts[0]:-0}" "${counts[1]:-1}"
}

# tagged_suite NAME CONFIG: the targets that carry the tag NAME, under CONFIG.
tagged_suite() {
  local targets
  targets=$(bazel query --noshow_progress --color=no "attr(tags, '\\b$1\\b', //tests/...)" 2>/dev/null)
  if [[ -z $targets ]]; then
    echo "== $1: no target has this tag"
    echo
    return
  fi
  # Word splitting is meant: one label a line, and labels have no spaces.
  # shellcheck disable=SC2086
  suite "$1" . "--config=$2" $targets
}

suite all . //...
tagged_suite tsan_suite tsan
tagged_suite asan_suite asan
suite downstream examples/downstream //...

# One thread: beside a build of two it costs half of its minute. It is built first, since the check's build, with
# another configuration, changes where bazel-bin points to.
start=$SECONDS
if bazel build "${quiet[@]}" //tests/sim:explore 2>&1; then
  bazel-bin/tests/sim/explore --fixed-first --seconds=60 --min-steps=1000000 >"$simulation" 2>&1 &
  simulating=$!
fi

echo "== check: scripts/check.sh"
if scripts/check.sh 2>&1; then count check $((SECONDS - start)) 1 0; else count check $((SECONDS - start)) 0 1; fi

echo "== simulation: a minute of random lives, a million steps at least"
status=1
if [[ -n $simulating ]]; then
  wait "$simulating"
  status=$?
fi
cat "$simulation"
if [[ $status -eq 0 ]]; then
  count simulation $((SECONDS - start)) 1 0
else
  count simulation $((SECONDS - start)) 0 1
fi

echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
