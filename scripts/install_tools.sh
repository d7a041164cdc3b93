#!/bin/bash
# Installs, for this user alone, the tools that the demo and the tests run: install_tools.sh grpcurl promtool buf
# Into ~/.cache/chanpool/bin, where FindTool of examples/processes/program.h looks for them. Silent and fast when all
# are there.
set -euo pipefail

# Built by Debian's Go 1.19; later ones are not.
grpcurl_version=v1.9.1
grpc_go_version=v1.62.2
buf_version=1.75.0
grpcio_version=1.66.2

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

need_go() {
  command -v go >/dev/null || quietly "golang-go, which builds what is written in Go" \
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends golang-go ca-certificates
}

install_grpcurl() {
  need_go
  quietly "grpcurl $grpcurl_version (about two minutes)" env GOBIN="$cache/bin" GOFLAGS=-mod=mod \
    go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$grpcurl_version"
}

# The server of gRPC-Go's own interoperability tests. "go install" calls it "server", hence the folder of its own.
build_interop_go_server() {
  local folder
  folder=$(mktemp -d)
  GOBIN="$folder" GOFLAGS=-mod=mod go install "google.golang.org/grpc/interop/server@$grpc_go_version" &&
    install -m 755 "$folder/server" "$cache/bin/interop_go_server"
  local status=$?
  rm -rf "$folder"
  return "$status"
}

install_interop_go_server() {
  need_go
  quietly "gRPC-Go's interoperability server $grpc_go_version (about a minute)" build_interop_go_server
}

# A Python that has gRPC, and its compiler of .proto files. A wrapper: a link to a venv's python is not in that venv.
make_grpcio_python() {
  rm -rf "$cache/grpcio" &&
    /usr/bin/python3 -m venv "$cache/grpcio" &&
    "$cache/grpcio/bin/pip" install "grpcio==$grpcio_version" "grpcio-tools==$grpcio_version" &&
    printf '#!/bin/sh\nexec "%s" "$@"\n' "$cache/grpcio/bin/python" >"$cache/grpcio/wrapper" &&
    install -m 755 "$cache/grpcio/wrapper" "$cache/bin/grpcio_python"
}

install_grpcio_python() { quietly "Python's grpcio $grpcio_version" make_grpcio_python; }

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
