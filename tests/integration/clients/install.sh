#!/usr/bin/env bash
# Installs, by ordinary package clients, what the integration tests need besides `npm ci`:
#   confluent-kafka (PyPI) in a virtual environment, kafka-clients 4.3.1 and 3.9.2 and Kafka's console tools (Maven),
#   franz-go and the S3 server versitygw (Go modules), kcat and HAProxy (Debian; only as root and only if missing),
#   and what checks the files below deploy (../../deployment/install.sh).
# Everything lands in $HERACLITUS_TEST_CACHE (<temp>/heraclitus-test-cache). Running it again does nothing.
# `install.sh NAME...` installs only those: python java go s3 kcat haproxy deployment.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${HERACLITUS_TEST_CACHE:-${TMPDIR:-/tmp}/heraclitus-test-cache}
mkdir -p "$cache"
has() { command -v "$1" >/dev/null || { echo "install: no $1 on this machine, skipped: $2" >&2; return 1; }; }

install_python() {
  has python3 'confluent-kafka' || return 0
  local venv="$cache/python"
  if ! cmp -s "$here/python/requirements.txt" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: -r "$here/python/requirements.txt"
    cp "$here/python/requirements.txt" "$venv/installed.txt"
  fi
}

# jars DIRECTORY ARTIFACT VERSION
jars() {
  local lib="$cache/$1"
  if ! cmp -s "$here/java/pom.xml" "$lib/pom.xml"; then
    rm -rf "$lib" "$lib.part"
    mvn -B -q -Dstyle.color=never -f "$here/java/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
      "-Dkafka.artifact=$2" "-Dkafka.version=$3" "-DoutputDirectory=$lib.part"
    cp "$here/java/pom.xml" "$lib.part/pom.xml"
    mv "$lib.part" "$lib"
  fi
}

install_java() {
  has javac 'kafka-clients and the console tools' && has mvn 'kafka-clients and the console tools' || return 0
  jars kafka-clients-4.3.1 kafka-clients 4.3.1
  jars kafka-clients-3.9.2 kafka-clients 3.9.2
  jars kafka-tools-4.3.1 kafka-tools 4.3.1
}

install_go() {
  has go 'franz-go' || return 0
  (cd "$here/go" && go build -o /dev/null .)
}

install_s3() {
  has go 'versitygw' || return 0
  local program="$cache/bin/versitygw-v1.8.0" # where and which: ../s3-server.ts
  if [ ! -x "$program" ]; then
    mkdir -p "$cache/bin/part"
    GOBIN="$cache/bin/part" go install -p 2 github.com/versity/versitygw/cmd/versitygw@v1.8.0
    mv "$cache/bin/part/versitygw" "$program"
  fi
}

# debian COMMAND: where it is missing, the package of that name, if we may.
debian() {
  PATH=$PATH:/usr/sbin command -v "$1" >/dev/null && return 0
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -qq -y --no-install-recommends "$1" >/dev/null
  else
    echo "install: $1 is missing and can only be installed as root on Debian: apt-get install $1" >&2
  fi
}

install_kcat() { debian kcat; }
install_haproxy() { debian haproxy; }
install_deployment() { "$here/../../deployment/install.sh"; }

for name in ${*:-python java go s3 kcat haproxy deployment}; do "install_$name"; done
echo "install: ready in $cache"
