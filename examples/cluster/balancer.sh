#!/usr/bin/env bash
# Starts HAProxy before the example's instances, those that run and those that will.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. examples/cluster/ports.sh
PATH=$PATH:/usr/sbin
command -v haproxy >/dev/null || { echo 'balancer.sh: there is no haproxy; on Debian: apt-get install haproxy' >&2; exit 1; }
export KAFKA_BIND="*:$CLUSTER_PORT" STATUS_BIND="127.0.0.1:$STATUS_PORT"
exec haproxy -f deploy/haproxy/haproxy.cfg -f examples/cluster/servers.cfg
