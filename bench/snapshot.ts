import { mkdtempSync, rmSync } from 'node:fs'
import { loadavg, tmpdir } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.js'
import { createLog } from '../src/base/log.js'
import { systemRandom } from '../src/base/random.js'
import { storeSnapshot } from '../src/state/ledger/snapshot.js'
import { decodeSnapshot, encodeSnapshot } from '../src/state/ledger/snapshot-bytes.js'
import { openStore } from '../src/state/store/open.js'
import type { CommandKind, CommandOf } from '../src/state/views/commands.js'
import type { CommittedPartition } from '../src/state/views/offsets.js'
import { applyCommand, emptyState, type State } from '../src/state/views/state.js'
import { noEvents } from '../src/state/views/view.js'

/**
 * How long a snapshot of a large state holds up everything else:
 *
 *   node dist/bench/snapshot.js [--partitions 100000] [--ranges 20] [--groups 1000] [--times 5]
 *
 * Each partition has so many ranges and an idempotent producer; each group has committed offsets for 500 partitions.
 * The event loop's longest delay is measured while the snapshot is encoded and stored in a directory; the longest slice in
 * CPU time of all threads, garbage collection among them, since on a busy machine the delay is mostly that of others.
 */
const number = (value: string) => ({ type: 'string', default: value }) as const
const { values } = parseArgs({
  options: { partitions: number('100000'), ranges: number('20'), groups: number('1000'), times: number('5') },
})
const [partitions, ranges, groups, times] = [values.partitions, values.ranges, values.groups, values.times].map(
  Number,
) as [number, number, number, number]
const perTopic = 1_000
const offsetsPerGroup = 500
const print = (line: string) => void process.stdout.write(`${line}\n`)

function apply<Kind extends CommandKind>(state: State, kind: Kind, command: CommandOf<Kind>): void {
  const { position } = state
  const place = { position, timeMs: position, writer: 1, body: { writer: 0, number: position, position: 100 } }
  applyCommand(state, kind, command, place, noEvents)
}

function largeState(): State {
  const state = emptyState()
  const topics = Math.ceil(partitions / perTopic)
  const idOf = (topic: number) => topic.toString(16).padStart(32, '0')
  for (let topic = 0; topic < topics; topic++) {
    const partitionCount = Math.min(perTopic, partitions - topic * perTopic)
    apply(state, 'createTopic', { name: `topic-${topic}`, id: idOf(topic), partitionCount, configs: [] })
  }
  for (let range = 0; range < ranges; range++)
    for (let i = 0; i < partitions; i++) {
      const batches = [0, i % perTopic, 1_000, 10, range, i, 0, range * 10, 0]
      apply(state, 'append', { topics: [idOf(Math.floor(i / perTopic))], batches })
    }
  for (let group = 0; group < groups; group++) {
    const committed: CommittedPartition[] = []
    for (let i = 0; i < offsetsPerGroup; i++) committed.push([i, group, 0, ''])
    const committing = { groupId: `group-${group}`, memberId: '', groupInstanceId: null, generationId: -1, lease: null }
    const name = `topic-${group % topics}`
    apply(state, 'commitOffsets', { ...committing, topics: [{ name, id: null, partitions: committed }] })
  }
  return state
}

/** CPU time of this process as a clock. */
const cpuMs = () => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

const state = largeState()
const folder = mkdtempSync(`${tmpdir()}/heraclitus-bench-snapshot-`)
const surroundings = { clock: systemClock, random: systemRandom, log: createLog('warn') }
const store = await openStore(`file:${folder}`, { ...surroundings, fsync: false })
try {
  print(
    `${partitions} partitions, ${partitions * ranges} ranges, ${groups * offsetsPerGroup} offsets of ${groups} groups`,
  )
  print('   MiB  slices  longest CPU ms  all CPU ms  loop delay ms  encoding ms  storing ms  decoding ms  load')
  for (let time = 1; time <= times; time++) {
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    await systemClock.sleep(20)
    delay.reset()
    const begun = performance.now()
    const clock = { ...systemClock, monotonic: cpuMs }
    const { pieces, bytes, longestMs, totalMs } = await encodeSnapshot(state, time, clock)
    const encoded = performance.now()
    await storeSnapshot(store, 0, time, pieces)
    const stored = performance.now()
    await systemClock.sleep(20)
    delay.disable()
    const whole = Buffer.concat(pieces)
    const decoding = performance.now()
    decodeSnapshot(whole, 'snapshot')
    const decoded = performance.now()
    const columns: [number, number][] = [
      [bytes / 2 ** 20, 6],
      [(pieces.length - 1) / 2, 8],
      [longestMs, 16],
      [totalMs, 12],
      [delay.max / 1e6, 15],
      [encoded - begun, 13],
      [stored - encoded, 12],
      [decoded - decoding, 13],
    ]
    const cells = columns.map(([value, width]) => value.toFixed(width >= 15 ? 1 : 0).padStart(width))
    print(`${cells.join('')}${(loadavg()[0] ?? 0).toFixed(1).padStart(6)}`)
  }
} finally {
  await store.close()
  rmSync(folder, { recursive: true, force: true })
}
