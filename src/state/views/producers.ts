import type { ApplyTable } from './view.js'

/** Allocation of producer ids: dense from 0, never given twice. */
export class Producers {
  nextProducerId = 0

  toSnapshot(): unknown {
    return this.nextProducerId
  }

  static fromSnapshot(snapshot: unknown): Producers {
    const producers = new Producers()
    producers.nextProducerId = snapshot as number
    return producers
  }
}

export interface ProducerCommands {
  /** A new producer id. An idempotent producer without a transactional id gets a new one each time it asks, as in Kafka. */
  allocateProducerId: { command: Record<string, never>; outcome: { producerId: number } }
}

export const producerApply: ApplyTable<ProducerCommands> = {
  allocateProducerId(state) {
    return { producerId: state.producers.nextProducerId++ }
  },
}
