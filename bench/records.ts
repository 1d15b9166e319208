import { setImmediate as immediate } from 'node:timers/promises'
import { compressions } from '../src/protocol/records/batch.js'
import { checkBatch } from '../src/protocol/records/batch-check.js'
import { crc32c } from '../src/protocol/records/crc32c.js'
import { decodeRecords, encodeBatch, type RecordToEncode } from '../src/protocol/records/record.js'

// What the record layer costs: `node dist/bench/records.js`. One thread; the best of five rounds of some 100 ms each.

const roundMs = 100
const rounds = 5

/** Calls of `work` a second. */
async function rate(work: () => void): Promise<number> {
  let calls = 1
  let best = 0
  for (let round = 0; round <= rounds; round++) {
    const start = performance.now()
    for (let call = 0; call < calls; call++) {
      work()
      // As in a server, the event loop turns now and then; native libraries free their memory only then.
      if (call % 16 === 15) await immediate()
    }
    const ms = Math.max(performance.now() - start, 0.001)
    // The first round only warms up and finds out how many calls a round has.
    if (round > 0) best = Math.max(best, (calls / ms) * 1000)
    calls = Math.max(1, Math.ceil((calls / ms) * roundMs))
  }
  return best
}

function report(what: string, value: number, unit: string): void {
  const digits = value < 10 ? 2 : 0
  process.stdout.write(`${what.padEnd(44)} ${value.toFixed(digits).padStart(10)} ${unit}\n`)
}

/** Records of JSON-like text, as many as a producer's batch of 64 KiB has. */
function recordsOf(valueBytes: number): RecordToEncode[] {
  return Array.from({ length: Math.max(1, Math.floor(65_536 / valueBytes)) }, (_, index) => ({
    timestampMs: 1_700_000_000_000 + index,
    key: Buffer.from(`key-${index}`),
    value: Buffer.from(
      `{"id":${index},"text":"${((index + 1) * 2_654_435_761).toString(36)}"}`.repeat(valueBytes),
    ).subarray(0, valueBytes),
    headers: [],
  }))
}

for (const size of [200, 16_384, 1_048_576]) {
  const bytes = Buffer.alloc(size, 7)
  report(`CRC-32C of ${size} bytes`, ((await rate(() => crc32c(bytes))) * size) / 1e9, 'GB/s')
}

for (const valueBytes of [100, 1024]) {
  const records = recordsOf(valueBytes)
  const batch = encodeBatch({ records })
  const options = { maxBytes: batch.length }
  report(
    `checkBatch, ${records.length} × ${valueBytes} B`,
    (await rate(() => checkBatch(batch, options))) / 1e3,
    'thousand/s',
  )
  for (const compression of compressions) {
    const packed = encodeBatch({ records, compression })
    const perSecond = async (work: () => void) => ((await rate(work)) * records.length) / 1e6
    report(
      `encode ${valueBytes} B ${compression}`,
      await perSecond(() => encodeBatch({ records, compression })),
      'M records/s',
    )
    report(`decode ${valueBytes} B ${compression}`, await perSecond(() => decodeRecords(packed)), 'M records/s')
  }
}
