import type { ApplyTable } from './view.js'

/** A process that serves clients, as it announced itself: where they reach it. */
export interface Announcement {
  host: string
  port: number
  rack: string | null
}

export interface Instance extends Announcement {
  /** The writer number of the process, in this ledger. */
  readonly writer: number
  /** Its wall clock when it announced itself last. */
  timeMs: number
}

/** The instances that announce themselves, so that clients can be told of them (see `steering/steering.ts`). */
export class Instances {
  readonly #byWriter = new Map<number, Instance>()

  byWriter(writer: number): Instance | undefined {
    return this.#byWriter.get(writer)
  }

  /** In the order in which they first came. */
  all(): Iterable<Instance> {
    return this.#byWriter.values()
  }

  get size(): number {
    return this.#byWriter.size
  }

  put(instance: Instance): void {
    this.#byWriter.set(instance.writer, instance)
  }

  remove(writer: number): boolean {
    return this.#byWriter.delete(writer)
  }

  toSnapshot(): unknown {
    return [...this.#byWriter.values()].map(
      ({ writer, host, port, rack, timeMs }): PackedInstance => [writer, host, port, rack, timeMs],
    )
  }

  static fromSnapshot(snapshot: unknown): Instances {
    const instances = new Instances()
    for (const [writer, host, port, rack, timeMs] of snapshot as PackedInstance[])
      instances.put({ writer, host, port, rack, timeMs })
    return instances
  }
}

type PackedInstance = [writer: number, host: string, port: number, rack: string | null, timeMs: number]

export interface InstanceCommands {
  /** The proposing process serves clients, and goes on announcing itself as long as it does. */
  announceInstance: { command: Announcement; outcome: undefined }
  /** The proposing process is about to serve no more. */
  withdrawInstance: { command: Record<string, never>; outcome: undefined }
}

export const instanceApply: ApplyTable<InstanceCommands> = {
  announceInstance(state, { host, port, rack }, { writer, timeMs }, events) {
    state.instances.put({ writer, host, port, rack, timeMs })
    events.instanceChanged(writer)
    return undefined
  },

  withdrawInstance(state, _command, { writer }, events) {
    if (state.instances.remove(writer)) events.instanceChanged(writer)
    return undefined
  },
}
