#!/usr/bin/env bash
# Starts instance N, 1 to 4, of the example: instance.sh N. Its process is the gateway, to be stopped with SIGTERM.
# Where records are kept: HERACLITUS_STORAGE_URL (file:./data), the same for all; see start.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. examples/cluster/ports.sh
case ${1:-} in
  [1-4]) ;;
  *) echo "instance.sh: expected the number of the instance, 1 to 4, got '${1:-}'" >&2; exit 2 ;;
esac
kafka_port=KAFKA_PORT_$1 metrics_port=METRICS_PORT_$1
export HERACLITUS_KAFKA_HOST=127.0.0.1 HERACLITUS_KAFKA_PORT=${!kafka_port} HERACLITUS_METRICS_PORT=${!metrics_port}
# Clients are told the balancer's address, whichever instance they ask.
export HERACLITUS_ADVERTISED_HOST=localhost HERACLITUS_ADVERTISED_PORT=$CLUSTER_PORT
# The balancer notices after some 2 seconds that it is to send no more clients.
export HERACLITUS_SHUTDOWN_DELAY_MS=${HERACLITUS_SHUTDOWN_DELAY_MS:-5000}
exec node bin/heraclitus.js start
