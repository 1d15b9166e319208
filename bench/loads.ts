import type { Durability } from './servers/server.js'

export const clients = ['franz-go', 'librdkafka', 'java', 'kafkajs'] as const
export type Client = (typeof clients)[number]

/** `paced`: produce at a fixed rate, without lingering, for latencies that a full pipe does not decide. */
export const modes = ['produce', 'consume', 'round-trip', 'paced'] as const
export type Mode = (typeof modes)[number]

/** What one client does to a server, on one topic, and how large. */
export interface Load {
  client: Client
  modes: readonly Mode[]
  size: number
  compression: 'none' | 'lz4'
  partitions: number
  acks: 'all' | '1' | '0'
  durability: Durability
}

/** Which loads, as the command line says it; a list that is absent takes the preset's. */
export interface Choice {
  isShort?: boolean | undefined
  only?: readonly Client[] | undefined
  modes?: readonly Mode[] | undefined
  sizes?: readonly number[] | undefined
  compression?: readonly Load['compression'][] | undefined
  partitions?: readonly number[] | undefined
  acks?: readonly Load['acks'][] | undefined
  durability?: readonly Durability[] | undefined
}

/** Records a second of `paced`. */
export const pacedRate = 5000

const able: Record<Client, readonly Mode[]> = {
  'franz-go': ['produce', 'consume', 'round-trip', 'paced'],
  librdkafka: ['produce', 'consume', 'round-trip', 'paced'],
  java: ['produce', 'consume', 'paced'],
  kafkajs: ['produce', 'consume', 'round-trip'],
}

const plain = { size: 1024, compression: 'none', partitions: 8, acks: 'all', durability: 'page cache' } as const
const bothWays = ['produce', 'consume'] as const

/** Every client once, then what differs by size, compression, partitions and durability with one or two of them. */
const preset: readonly Load[] = [
  { ...plain, client: 'franz-go', modes: ['produce', 'consume', 'round-trip', 'paced'] },
  { ...plain, client: 'librdkafka', modes: ['produce', 'consume', 'round-trip'] },
  { ...plain, client: 'java', modes: bothWays },
  { ...plain, client: 'kafkajs', modes: ['produce', 'consume', 'round-trip'] },
  { ...plain, client: 'franz-go', modes: bothWays, size: 100 },
  { ...plain, client: 'java', modes: ['produce'], size: 100 },
  { ...plain, client: 'franz-go', modes: bothWays, size: 100, compression: 'lz4' },
  { ...plain, client: 'librdkafka', modes: bothWays, compression: 'lz4' },
  { ...plain, client: 'franz-go', modes: bothWays, partitions: 1 },
  { ...plain, client: 'franz-go', modes: bothWays, partitions: 64 },
  { ...plain, client: 'franz-go', modes: ['produce', 'round-trip', 'paced'], durability: 'fsync' },
]

/** Something of every client, in less than a minute. */
const shortPreset: readonly Load[] = [
  { ...plain, client: 'franz-go', modes: ['produce', 'consume', 'round-trip'] },
  { ...plain, client: 'librdkafka', modes: bothWays },
  { ...plain, client: 'java', modes: ['produce'] },
  { ...plain, client: 'kafkajs', modes: ['produce'] },
]

/**
 * The loads to run: the preset, less what `only` and `modes` leave out; or, once one of the other lists is given,
 * all combinations of these lists, by all clients chosen.
 */
export function loadsOf(choice: Choice): Load[] {
  const lists = [choice.sizes, choice.compression, choice.partitions, choice.acks, choice.durability]
  const loads = lists.some((list) => list !== undefined) ? combinations(choice) : choice.isShort ? shortPreset : preset
  return loads
    .filter(({ client }) => choice.only?.includes(client) ?? true)
    .map((load) => ({ ...load, modes: load.modes.filter((mode) => choice.modes?.includes(mode) ?? true) }))
    .filter((load) => load.modes.length > 0)
}

function combinations(choice: Choice): Load[] {
  const loads: Load[] = []
  for (const durability of choice.durability ?? [plain.durability])
    for (const client of clients)
      for (const size of choice.sizes ?? [plain.size])
        for (const compression of choice.compression ?? [plain.compression])
          for (const partitions of choice.partitions ?? [plain.partitions])
            for (const acks of choice.acks ?? [plain.acks])
              loads.push({ client, modes: able[client], size, compression, partitions, acks, durability })
  return loads
}

/** Records of one run: some seconds at most of the slower server. */
export function recordsOf({ client, size }: Load, mode: Mode): number {
  if (mode === 'round-trip') return 2_000
  if (mode === 'paced') return pacedRate * 2
  const large = { 'franz-go': 600_000, librdkafka: 400_000, java: 300_000, kafkajs: 150_000 }[client]
  return size < 500 ? large * 3 : large
}

/** A load in words, such as `franz-go, 1024 B, none, 8 partitions`. */
export function nameOf(load: Load): string {
  const parts = [load.client, `${load.size} B`, load.compression, `${load.partitions} partitions`]
  if (load.partitions === 1) parts[3] = '1 partition'
  if (load.acks !== 'all') parts.push(`acks=${load.acks}`)
  if (load.durability === 'fsync') parts.push('fsync')
  return parts.join(', ')
}
