#!/bin/bash
# Builds the peers from their registries, installing Debian 12's tools where they are missing. Prints the folder that
# then has java/, go/ and rust/; nothing is written into the source tree. Fast when nothing has changed.
set -euo pipefail
cd "$(dirname "$0")"

# What deadpool asks for. Of Debian 12's two Rusts, cargo-web is new enough and cargo (1.65) is not.
cargo_at_least=1.85

cache=${CHANPOOL_CACHE:-$HOME/.cache/chanpool}/peers
mkdir -p "$cache"

log=$(mktemp)
trap 'rm -f "$log"' EXIT

fail() {
  echo "bench/peers/build.sh: $1" >&2
  exit 1
}

# quietly LABEL COMMAND...: runs it, and shows its output only when it fails.
quietly() {
  echo "$1" >&2
  "${@:2}" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    fail "failed, see above: $1"
  }
}

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq "$@"; }

install_missing() {
  local packages=()
  command -v javac >/dev/null || packages+=(default-jdk-headless)
  command -v mvn >/dev/null || packages+=(maven)
  command -v go >/dev/null || packages+=(golang-go)
  command -v cargo >/dev/null || packages+=(cargo-web)
  if [[ ${#packages[@]} -gt 0 ]]; then
    quietly "Looking for newer package lists" apt_get update
    # Never at the cost of what is there: cargo-web, for one, conflicts with Debian's cargo.
    quietly "Installing ${packages[*]}" apt_get install --yes --no-install-recommends --no-remove \
      ca-certificates "${packages[@]}"
  fi
  local cargo
  cargo=$(cargo --version | cut -d' ' -f2)
  printf '%s\n' "$cargo_at_least" "$cargo" | sort --check=quiet --version-sort ||
    fail "cargo is $cargo, and deadpool needs $cargo_at_least. Debian 12 has it as cargo-web, in the place of cargo."
}

# Of everything that decides what comes out of a folder.
fingerprint() { find "$1" build.sh -type f -print0 | sort -z | xargs -0 sha256sum; }

# build NAME COMMAND: unless what is in the cache was built from the same files.
build() {
  local stamp=$cache/$1.built
  [[ -f $stamp && $(fingerprint "$1") == "$(<"$stamp")" ]] && return
  rm -rf "${cache:?}/$1" "$stamp"
  quietly "Building bench/peers/$1" "$2"
  fingerprint "$1" >"$stamp"
}

build_java() {
  mkdir -p "$cache/java" &&
    mvn --quiet --batch-mode --file java/pom.xml dependency:copy-dependencies -DoutputDirectory="$cache/java/lib" &&
    javac -Xlint:all -Werror -cp "$cache/java/lib/*" -d "$cache/java/classes" java/*.java
}

build_go() { (cd go && GOTOOLCHAIN=local go build -buildvcs=false -o "$cache/go/" .); }

build_rust() {
  cargo build --quiet --release --locked --manifest-path rust/Cargo.toml --target-dir "$cache/rust"
}

install_missing
build java build_java
build go build_go
build rust build_rust
echo "$cache"
