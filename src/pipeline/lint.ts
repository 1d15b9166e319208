import { messageOf } from '../base/errors.js'
import { type DeliveryClass, deliveryClasses } from './component.js'
import { PipelineConfigError, type PipelineSpec } from './spec.js'

/** The class of a pipeline from end to end, and the component that keeps it from being a better one. */
export interface Delivery {
  delivery: DeliveryClass
  weakest: string
}

/** A chain is as strong as its weakest link; of equal ones the first is named. */
export function deliveryOf(spec: PipelineSpec): Delivery {
  const links = [
    { name: `source ${spec.source.name}`, delivery: spec.source.delivery },
    ...spec.steps.map(({ name, component }) => ({ name: `step ${name}`, delivery: component.delivery })),
    ...spec.sinks.map(({ name, component }) => ({ name: `sink ${name}`, delivery: component.delivery })),
    // Dead letters are appended before the offset is committed, and again after a crash in between.
    ...(spec.dlq === undefined ? [] : [{ name: 'dlq', delivery: 'at-least-once' as const }]),
  ]
  let weakest: Delivery = { delivery: 'exactly-once', weakest: 'none' }
  for (const { name, delivery } of links)
    if (rank(delivery) < rank(weakest.delivery)) weakest = { delivery, weakest: name }
  return weakest
}

/**
 * Checks what can be known before anything runs: expressions compile, no pipeline feeds itself, bounds fit together,
 * the delivery class is what is required.
 * @throws PipelineConfigError with the first problem in one line.
 */
export async function lintPipelines(specs: readonly PipelineSpec[]): Promise<void> {
  for (const [i, spec] of specs.entries()) await lintPipeline(spec, i)
  checkExclusive(specs)
}

async function lintPipeline(spec: PipelineSpec, index: number): Promise<void> {
  const wrong = (problem: string, ...path: (string | number)[]) =>
    new PipelineConfigError(`pipeline "${spec.name}"${problem}`, [index, ...path])
  for (const [i, { component, options }] of spec.steps.entries()) {
    try {
      await component.open(options, { format: spec.format })
    } catch (error) {
      const value = typeof options === 'string' ? ` = ${JSON.stringify(options)}` : ''
      throw wrong(`, step ${i + 1}, ${component.name}${value}: ${messageOf(error)}`, 'step', i, component.name)
    }
  }
  for (const [i, { component, options, batch }] of spec.sinks.entries()) {
    const place = `, sink ${i + 1}`
    if (batch.size > spec.maxInflight)
      throw wrong(
        `${place}, batch.size = ${batch.size}: expected at most max_inflight (${spec.maxInflight})`,
        'sink',
        i,
        'batch',
        'size',
      )
    if (batch.bytes > spec.maxInflightBytes)
      throw wrong(
        `${place}, batch.bytes: expected at most max_inflight_bytes (${spec.maxInflightBytes})`,
        'sink',
        i,
        'batch',
        'bytes',
      )
    if (component.name === 'topic' && targetOf(options) === spec.from)
      throw wrong(`${place}, topic = "${spec.from}": the pipeline would read what it writes`, 'sink', i, 'topic')
  }
  if (spec.dlq?.topic === spec.from)
    throw wrong(`, dlq.topic = "${spec.from}": the pipeline would read its own dead letters`, 'dlq', 'topic')
  if (spec.requires !== undefined) {
    const { delivery, weakest } = deliveryOf(spec)
    if (rank(delivery) < rank(spec.requires))
      throw wrong(`, requires = "${spec.requires}": ${weakest} makes it ${delivery}`, 'requires')
  }
}

/** Two sinks must not write one file. */
function checkExclusive(specs: readonly PipelineSpec[]): void {
  const users = new Map<string, string>()
  for (const [index, spec] of specs.entries()) {
    for (const [i, { component, options }] of spec.sinks.entries()) {
      const claim = component.exclusive?.(options)
      if (claim === undefined) continue
      const user = `pipeline "${spec.name}", sink ${i + 1}`
      const other = users.get(claim)
      if (other !== undefined)
        throw new PipelineConfigError(`${user}: ${claim} is already written by ${other}`, [index, 'sink', i])
      users.set(claim, user)
    }
  }
}

function targetOf(options: unknown): unknown {
  return typeof options === 'object' && options !== null && 'name' in options ? options.name : undefined
}

function rank(delivery: DeliveryClass): number {
  return deliveryClasses.indexOf(delivery)
}
