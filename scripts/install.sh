#!/bin/bash
# Installs the Debian 12 packages that building and testing need. Silent, fast and without root when all are there.
set -euo pipefail

packages=(
  # Build tools. Debian's Bazel is enough for the rules in use; it downloads nothing (bazel/deps.bzl).
  bazel-bootstrap bazel-rules-java g++ make git
  # Libraries.
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev libabsl-dev libssl-dev
  libgtest-dev libgmock-dev grpc-proto libyaml-cpp-dev prometheus-cpp-dev libboost-dev libcli11-dev libc-ares-dev
  # What `make test` checks with: lock annotations and sanitizers (clang), readable stacks (llvm), format.
  clang-14 libclang-rt-14-dev llvm-14 clang-format-14
  # What the scripts run: counting results, a place for Python's gRPC, looking at sockets, building against an installed
  # chanpool.
  python3 python3-venv iproute2 cmake pkgconf
)

missing=()
for package in "${packages[@]}"; do
  # Not by exit code: a package that was removed, and left its configuration, is still known.
  status=$(dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null || true)
  [[ $status == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

echo "Installing: ${missing[*]}"

fail() {
  echo >&2
  echo "install.sh: $1" >&2
  echo "These Debian 12 packages are needed; please install them and run again:" >&2
  echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
}

command -v apt-get >/dev/null || fail "there is no apt-get: chanpool builds with the packages of Debian 12."
as_root=()
if [[ $EUID -ne 0 ]]; then
  command -v sudo >/dev/null || fail "not root, and there is no sudo."
  as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# Prints apt's many lines only when they explain a failure.
apt_get() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    fail "apt-get $1 failed, see above."
  }
}

apt_get update
apt_get install --yes --no-install-recommends "${missing[@]}"
