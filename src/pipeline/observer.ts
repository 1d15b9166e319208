/** Where in a pipeline something went wrong. */
export type Stage = 'read' | 'transform' | 'sink'

/** What a pipeline tells of its work; `metrics.ts` makes metrics of it. Called often: it only counts. */
export interface PipelineObserver {
  /** A record is done: every sink has it, or the dead-letter topic has, or a filter dropped it. */
  processed(pipeline: string, topic: string, seconds: number): void
  /** The steps dropped a record. */
  filtered(pipeline: string, topic: string): void
  /** Something failed. A write that is tried again counts each time. */
  failed(pipeline: string, topic: string, stage: Stage): void
  /** A step has handled a record, or could not. */
  stepped(pipeline: string, step: string, failed: boolean): void
  /** A sink has so many records more. */
  written(pipeline: string, sink: string, records: number): void
  writeFailed(pipeline: string, sink: string): void
  deadLettered(pipeline: string, topic: string, records: number): void
  /** The pipeline began (true) or stopped (false) to run on this instance. */
  running(pipeline: string, isRunning: boolean): void
  leaseAcquired(pipeline: string): void
  leaseLost(pipeline: string): void
}

/** Hears nothing. */
export const noObserver: PipelineObserver = {
  processed() {},
  filtered() {},
  failed() {},
  stepped() {},
  written() {},
  writeFailed() {},
  deadLettered() {},
  running() {},
  leaseAcquired() {},
  leaseLost() {},
}
