/**
 * What producers and consumers at the tail notice of consumers that read from far behind it: two instances in one process
 * on one store that takes as long as S3 (put 60 ms, get 30 ms, 90 MB/s per connection).
 *
 *   node dist/bench/backfill.js [--backfills 0,8,20] [--seconds 10] [--backlog MIB=256] [--entry KIB=4000]
 *     [--rounds 3]
 */
import { parseArgs } from 'node:util'
import { systemClock } from '../src/base/clock.js'
import { measureBackfill, type Percentiles } from '../tests/support/backfill-load.js'

const { values } = parseArgs({
  options: {
    backfills: { type: 'string', default: '0,8,20' },
    seconds: { type: 'string', default: '10' },
    backlog: { type: 'string', default: '256' },
    entry: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '3' },
  },
})
const print = (line: string) => process.stdout.write(`${line}\n`)
const pair = ({ p50, p99 }: Percentiles) => `${p50.toFixed(0)} / ${p99.toFixed(0)}`.padEnd(13)

// The clock's own timers do not keep a process alive.
const alive = setInterval(() => undefined, 60_000)
print(`${process.version}, p50 / p99 in ms`)
print('backfills  produce        tail here      tail elsewhere  backfill MB/s  gets/s  held MiB  CPU %  RSS MiB')
for (let round = 0; round < Number(values.rounds); round++)
  for (const backfills of values.backfills.split(',').map(Number)) {
    const cpuBefore = process.cpuUsage()
    const begun = performance.now()
    const found = await measureBackfill({
      clock: systemClock,
      backfills,
      backlogBytes: Number(values.backlog) * 2 ** 20,
      entryBytes: Number(values.entry) * 1024,
      ms: Number(values.seconds) * 1_000,
    })
    const { user, system } = process.cpuUsage(cpuBefore)
    print(
      [
        String(backfills).padEnd(9),
        pair(found.produce),
        pair(found.tailHere),
        pair(found.tailElsewhere).padEnd(14),
        (found.backfillBytesPerSecond / 1e6).toFixed(0).padEnd(13),
        found.getsPerSecond.toFixed(0).padEnd(6),
        (found.heldBytesMax / 2 ** 20).toFixed(0).padEnd(8),
        ((user + system) / (performance.now() - begun) / 10).toFixed(0).padEnd(5),
        (process.memoryUsage.rss() / 2 ** 20).toFixed(0),
      ].join('  '),
    )
  }
clearInterval(alive)
