#!/bin/bash
# Installs chanpool for builds other than Bazel's: install_chanpool.sh PREFIX [TREE]
# Headers, one library, package files, the programs and their completions, below $DESTDIR$PREFIX. TREE is a copy of what
# `bazel build //install` makes; without it that is built first.
set -euo pipefail
umask 022

fail() {
  echo "install_chanpool.sh: $1" >&2
  exit 1
}

prefix=${1:-}
tree=${2:-}
[[ $prefix == /* ]] || fail "PREFIX is \"$prefix\"; it must be an absolute path: make install PREFIX=\$HOME/.local"
place=${DESTDIR:-}${prefix%/}

# Before the build, which takes minutes.
for folder in bin include lib share; do
  if ! error=$(mkdir -p "$place/$folder" 2>&1) || ! [[ -w $place/$folder ]]; then
    fail "$place/$folder cannot be written${error:+ ($error)}. Choose a folder of your own:
  make install PREFIX=\$HOME/.local
or let root copy what you have built:
  bazel build //install && sudo $0 $prefix bazel-bin/install/tree"
  fi
done

if [[ -z $tree ]]; then
  root=$(dirname "$0")/..
  (cd "$root" && bazel build //install)
  tree=$root/bazel-bin/install/tree
fi
[[ -f $tree/lib/libchanpool.a ]] || fail "$tree is not what 'bazel build //install' makes: it has no lib/libchanpool.a"

# By install, not cp: it replaces a program that runs, and asks nothing of the modes in the tree.
while IFS= read -r -d '' file; do
  mode=644
  [[ $file != bin/* ]] || mode=755
  install -D --mode="$mode" "$tree/$file" "$place/$file"
done < <(find -L "$tree" -type f -printf '%P\0')
echo "chanpool is installed in $place"
