# The ports of the example, for the scripts beside this one. CLUSTER_PORT is what clients connect to; the rest lies above
# CLUSTER_PORT_BASE: instance N listens on base + N for clients and on base + 10 + N for probes and metrics.
export CLUSTER_PORT=${CLUSTER_PORT:-9092}
base=${CLUSTER_PORT_BASE:-19090}
for n in 1 2 3 4; do
  export "KAFKA_PORT_$n=$((base + n))" "METRICS_PORT_$n=$((base + 10 + n))"
done
export STATUS_PORT=$((base + 20))
