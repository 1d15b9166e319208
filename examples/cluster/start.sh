#!/usr/bin/env bash
# Three instances and HAProxy on this machine, until Ctrl-C. Clients connect to localhost:9092, a status page is on
# http://localhost:19110/. Kill, stop and start instances as you like; `instance.sh 4` adds one.
#
#   npm ci && npm run build && examples/cluster/start.sh            # records in ./data
#
#   export HERACLITUS_STORAGE_URL=s3://my-bucket/heraclitus AWS_REGION=eu-central-1
#   examples/cluster/start.sh                                       # records in S3
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[ -f "$here/../../dist/src/cli/heraclitus.js" ] || { echo 'start.sh: build first: npm ci && npm run build' >&2; exit 1; }

# Each ends with us: SIGTERM to all, and then we wait until they have.
pids=()
stop() {
  trap - INT TERM EXIT
  kill "${pids[@]}" 2>/dev/null || true
  wait
}
trap stop INT TERM EXIT
for n in 1 2 3; do
  "$here/instance.sh" "$n" &
  pids+=($!)
  echo "instance $n: process $!"
done
"$here/balancer.sh" &
pids+=($!)
echo "balancer: process $!"
# An instance may come and go; without the balancer nothing works.
wait "${pids[3]}"
