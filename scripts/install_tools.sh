#!/bin/bash
# Installs, for this user alone, the tools that the demo and the tests run: install_tools.sh grpcurl promtool buf
# Into ~/.cache/chanpool/bin, where tests/e2e/tool_path.h looks for them. Silent and fast when all are there.
set -euo pipefail

# Built by Debian's Go 1.19; later ones are not.
grpcurl_version=v1.9.1
buf_version=1.75.0

cache=${CHANPOOL_CACHE:-$HOME/.cache/chanpool}
mkdir -p "$cache/bin"

fail() {
  echo "install_tools.sh: $1" >&2
  exit 1
}

# quietly LABEL COMMAND...: runs it, and shows its output only when it fails.
quietly() {
  local label=$1 log
  shift
  log=$(mktemp)
  echo "Installing $label"
  "$@" >"$log" 2>&1 </dev/null || {
    cat "$log" >&2
    rm -f "$log"
    fail "could not install $label, see above."
  }
  rm -f "$log"
}

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

install_grpcurl() {
  if ! command -v go >/dev/null; then
    quietly "golang-go, which builds grpcurl" as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install --yes --no-install-recommends golang-go ca-certificates
  fi
  quietly "grpcurl $grpcurl_version (about two minutes)" env GOBIN="$cache/bin" GOFLAGS=-mod=mod \
    go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl_version"
}

# Out of Debian's package, not by installing it: that would start a Prometheus on this machine.
fetch_promtool() {
  local folder
  folder=$(mktemp -d)
  (cd "$folder" && apt-get -qq download prometheus && dpkg-deb -x prometheus_*.deb .) &&
    install -m 755 "$folder/usr/bin/promtool" "$cache/bin/promtool"
  local status=$?
  rm -rf "$folder"
  return "$status"
}

install_promtool() { quietly "promtool" fetch_promtool; }

install_buf() {
  if ! command -v npm >/dev/null; then
    quietly "npm, which has buf (a minute or two)" as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install --yes --no-install-recommends npm ca-certificates
  fi
  quietly "buf $buf_version" npm install --silent --no-audit --no-fund --prefix "$cache/npm" "@bufbuild/buf@$buf_version"
  ln -sf "$cache/npm/node_modules/.bin/buf" "$cache/bin/buf"
}

for tool in "$@"; do
  [[ -x $cache/bin/$tool ]] || "install_$tool"
done
