import { durationBuckets, type Metrics } from '../base/metrics.js'
import type { PipelineObserver } from './observer.js'

/**
 * The pipelines' metrics, with the names and labels of Hermod's documentation: `workflow_id` is the pipeline's name,
 * `source_id` the topic it reads, `sink_id` and `node_id` the sink's or step's name.
 */
export function pipelineMetrics(metrics: Metrics): PipelineObserver {
  const bySource = ['workflow_id', 'source_id'] as const
  const bySink = ['workflow_id', 'sink_id'] as const
  const byNode = ['workflow_id', 'node_id'] as const
  const byPipeline = ['workflow_id'] as const
  const processed = metrics.counter(
    'hermod_engine_messages_processed_total',
    'Messages that were processed to the end.',
    bySource,
  )
  const filtered = metrics.counter('hermod_engine_messages_filtered_total', 'Messages dropped by filters.', bySource)
  const errors = metrics.counter(
    'hermod_engine_message_errors_total',
    'Processing errors by stage (read, transform, sink).',
    [...bySource, 'stage'],
  )
  const writes = metrics.counter('hermod_engine_sink_writes_total', 'Messages written by sink.', bySink)
  const writeErrors = metrics.counter('hermod_engine_sink_write_errors_total', 'Failed writes by sink.', bySink)
  const deadLetters = metrics.counter(
    'hermod_engine_dead_letter_total',
    'Messages sent to the dead-letter topic.',
    bySource,
  )
  const nodeProcessed = metrics.counter('hermod_workflow_node_processed_total', 'Messages processed by a step.', byNode)
  const nodeErrors = metrics.counter(
    'hermod_workflow_node_errors_total',
    'Messages that a step could not process.',
    byNode,
  )
  const acquired = metrics.counter('hermod_lease_acquire_total', 'Leases acquired.', byPipeline)
  const lost = metrics.counter('hermod_lease_lost_total', 'Leases lost to another instance.', byPipeline)
  const duration = metrics.histogram(
    'hermod_engine_processing_duration_seconds',
    'Time from reading a message to the end of its processing.',
    durationBuckets,
    byPipeline,
  )
  const active = metrics.gauge('hermod_worker_active_workflows_total', 'Pipelines that run on this instance.')
  active.set(0)

  return {
    processed(pipeline, topic, seconds) {
      processed.with({ workflow_id: pipeline, source_id: topic }).add()
      duration.with({ workflow_id: pipeline }).observe(seconds)
    },
    filtered: (pipeline, topic) => filtered.with({ workflow_id: pipeline, source_id: topic }).add(),
    failed: (pipeline, topic, stage) => errors.with({ workflow_id: pipeline, source_id: topic, stage }).add(),
    stepped: (pipeline, step, failed) =>
      (failed ? nodeErrors : nodeProcessed).with({ workflow_id: pipeline, node_id: step }).add(),
    written: (pipeline, sink, records) => writes.with({ workflow_id: pipeline, sink_id: sink }).add(records),
    writeFailed: (pipeline, sink) => writeErrors.with({ workflow_id: pipeline, sink_id: sink }).add(),
    deadLettered: (pipeline, topic, records) =>
      deadLetters.with({ workflow_id: pipeline, source_id: topic }).add(records),
    running: (_pipeline, isRunning) => active.add(isRunning ? 1 : -1),
    leaseAcquired: (pipeline) => acquired.with({ workflow_id: pipeline }).add(),
    leaseLost: (pipeline) => lost.with({ workflow_id: pipeline }).add(),
  }
}
