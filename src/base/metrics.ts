import { createRequire } from 'node:module'
import type { Metric, Registry } from 'prom-client'

const require = createRequire(import.meta.url)

/** Counts up. */
export interface Counter {
  add(amount?: number): void
}

/** A value that goes up and down. */
export interface Gauge {
  set(value: number): void
  add(amount: number): void
}

/** Counts observations by size. */
export interface Histogram {
  observe(value: number): void
}

/** A metric with labels. `with` gives the child for one set of labels: hot paths ask once and keep it. */
export interface Labelled<Child, Label extends string> {
  with(labels: Readonly<Record<Label, string>>): Child
}

/** Where the metrics of one process are defined and read. Names follow Prometheus: units last, counters end in `_total`. */
export interface Metrics {
  counter(name: string, help: string): Counter
  counter<Label extends string>(name: string, help: string, labels: readonly Label[]): Labelled<Counter, Label>
  gauge(name: string, help: string): Gauge
  gauge<Label extends string>(name: string, help: string, labels: readonly Label[]): Labelled<Gauge, Label>
  /** A gauge or counter whose value is asked for when the metrics are read; NaN leaves it out. */
  sampled(type: 'gauge' | 'counter', name: string, help: string, read: () => number): void
  histogram(name: string, help: string, buckets: readonly number[]): Histogram
  histogram<Label extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels: readonly Label[],
  ): Labelled<Histogram, Label>
  /** All metrics in Prometheus' text format. */
  text(): Promise<string>
  /** The media type of `text`. */
  readonly contentType: string
}

/** Buckets for durations in seconds, from a local call to a slow object store. */
export const durationBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Buckets for sizes in bytes, 256 B to 64 MiB. */
export const byteBuckets = [8, 10, 12, 14, 16, 18, 20, 22, 24, 26].map((exponent) => 2 ** exponent)

/** Most children of one metric; further sets of labels are counted together, all their labels `other`. */
const childrenMax = 1_000

/** Metrics on a registry of their own. */
export function createMetrics(): Metrics {
  const families = new Map<string, Metric>()
  let registry: Registry | undefined
  const read = () => {
    if (registry) return registry
    // The registry alone, and not before somebody asks: the whole package would cost every process some 10 MB for things
    // that are not used here.
    registry = new (require('prom-client/lib/registry.js') as typeof Registry)()
    for (const made of families.values()) registry.registerMetric(made)
    return registry
  }

  function family<Child extends Cell>(
    type: string,
    name: string,
    help: string,
    labels: readonly string[] | undefined,
    create: () => Child,
  ): Child & Labelled<Child, string> {
    if (families.has(name)) throw new Error(`a metric named ${name} has already been registered`)
    const made = new Family(type, name, help, labels ?? [], create)
    // prom-client asks a registered metric for nothing but its name, type and `get()`.
    families.set(name, made as unknown as Metric)
    registry?.registerMetric(made as unknown as Metric)
    return (labels ? made : made.with({})) as Child & Labelled<Child, string>
  }

  return {
    counter: (name: string, help: string, labels?: readonly string[]) =>
      family('counter', name, help, labels, () => new NumberCell()),
    gauge: (name: string, help: string, labels?: readonly string[]) =>
      family('gauge', name, help, labels, () => new NumberCell()),
    sampled(type, name, help, read) {
      family(type, name, help, undefined, () => new SampledCell(read))
    },
    histogram: (name: string, help: string, buckets: readonly number[], labels?: readonly string[]) =>
      family('histogram', name, help, labels, () => new BucketsCell(buckets)),
    text: () => read().metrics(),
    get contentType() {
      return read().contentType
    },
  }
}

type Labels = Readonly<Record<string, string>>

/** A line of the text format. */
interface Sample {
  metricName?: string
  labels: Labels
  value: number
}

/** What one set of labels has come to. */
interface Cell {
  samples(name: string, labels: Labels): Sample[]
}

/**
 * One metric with its children. prom-client's own classes look their child up by a hash of its labels at each
 * observation; here a child is an object that holds its number.
 */
class Family<Child extends Cell> implements Labelled<Child, string> {
  readonly type: string
  readonly name: string
  readonly help: string
  readonly #labels: readonly string[]
  readonly #create: () => Child
  /** By the values of the labels in their order, one map within the other. */
  readonly #root: Branch<Child> = new Map()
  readonly #children: { labels: Labels; child: Child }[] = []

  constructor(type: string, name: string, help: string, labels: readonly string[], create: () => Child) {
    this.type = type
    this.name = name
    this.help = help
    this.#labels = labels
    this.#create = create
  }

  with(labels: Labels): Child {
    let found: Branch<Child> | Child | undefined = this.#root
    for (const label of this.#labels) {
      found = (found as Branch<Child>).get(labels[label])
      if (found === undefined) return this.#add(labels)
    }
    return found instanceof Map ? this.#add(labels) : found
  }

  async get() {
    const values = this.#children.flatMap(({ labels, child }) => child.samples(this.name, labels))
    return { name: this.name, help: this.help, type: this.type, values, aggregator: 'sum' }
  }

  #add(labels: Labels): Child {
    const isOther = this.#labels.every((label) => labels[label] === 'other')
    if (this.#children.length >= childrenMax && !isOther)
      return this.with(Object.fromEntries(this.#labels.map((label) => [label, 'other'])))
    const child = this.#create()
    this.#children.push({ labels, child })
    let branch: Branch<Child> = this.#root
    for (const label of this.#labels.slice(0, -1)) {
      const next = branch.get(labels[label])
      const below: Branch<Child> = next instanceof Map ? next : new Map()
      branch.set(labels[label], below)
      branch = below
    }
    branch.set(labels[this.#labels.at(-1) ?? ''], child)
    return child
  }
}

type Branch<Child> = Map<string | undefined, Branch<Child> | Child>

class NumberCell implements Counter, Gauge, Cell {
  #value = 0

  add(amount = 1): void {
    this.#value += amount
  }

  set(value: number): void {
    this.#value = value
  }

  samples(_name: string, labels: Labels): Sample[] {
    return [{ labels, value: this.#value }]
  }
}

class SampledCell implements Cell {
  readonly #read: () => number

  constructor(read: () => number) {
    this.#read = read
  }

  samples(_name: string, labels: Labels): Sample[] {
    const value = this.#read()
    return Number.isNaN(value) ? [] : [{ labels, value }]
  }
}

class BucketsCell implements Histogram, Cell {
  readonly #upperBounds: readonly number[]
  /** Observations in each bucket alone; the last is beyond every bound. */
  readonly #counts: Float64Array
  #sum = 0

  constructor(upperBounds: readonly number[]) {
    this.#upperBounds = upperBounds
    this.#counts = new Float64Array(upperBounds.length + 1)
  }

  observe(value: number): void {
    const bounds = this.#upperBounds
    let index = 0
    while (index < bounds.length && value > (bounds[index] ?? Infinity)) index++
    this.#counts[index] = (this.#counts[index] ?? 0) + 1
    this.#sum += value
  }

  samples(name: string, labels: Labels): Sample[] {
    const samples: Sample[] = []
    let count = 0
    for (let i = 0; i < this.#counts.length; i++) {
      count += this.#counts[i] ?? 0
      const le = String(this.#upperBounds[i] ?? '+Inf')
      samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le }, value: count })
    }
    samples.push({ metricName: `${name}_sum`, labels, value: this.#sum })
    samples.push({ metricName: `${name}_count`, labels, value: count })
    return samples
  }
}
