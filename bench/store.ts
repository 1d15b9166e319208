/**
 * What one request to a directory store costs, and what the other ways of making its file calls would: on the event
 * loop, through the thread pool by callbacks, through the thread pool by `fs.promises`.
 *
 *   node dist/bench/store.js [--folder FOLDER] [--count 1000] [--s3 s3://bucket/prefix]
 *
 * Latency is from call to answer, one at a time; CPU is the process's, user and system, all threads. The folder is
 * left in place and its name printed: on some file systems (ext4 without a journal) a folder that was removed
 * makes new files slow for minutes, and with them the next run.
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs, promisify } from 'node:util'
import { systemClock } from '../src/base/clock.js'
import { createLog } from '../src/base/log.js'
import { systemRandom } from '../src/base/random.js'
import { FileWindows } from '../src/state/store/mapping/file-windows.js'
import type { ObjectStore } from '../src/state/store/object-store.js'
import { openStore } from '../src/state/store/open.js'

const { values } = parseArgs({
  options: { folder: { type: 'string' }, count: { type: 'string', default: '1000' }, s3: { type: 'string' } },
})
const count = Number(values.count)
const folder = fs.mkdtempSync(`${values.folder ?? tmpdir()}/heraclitus-bench-store-`)
const surroundings = { clock: systemClock, random: systemRandom, log: createLog('warn') }
const sizes = [100, 4_096, 65_536, 1 << 20, 4 << 20]
/** Of the largest ones there are fewer, so that a run leaves a few gigabytes behind, not twenty. */
const bytesMax = 2 ** 30

/** Puts one object by a few file calls; what `putIfAbsent` does without fsync. */
type Put = (temporary: string, path: string, pieces: Buffer[]) => void | Promise<void>

const ways: Record<string, Put> = {
  'event loop'(temporary, path, pieces) {
    const fd = fs.openSync(temporary, 'wx')
    fs.writevSync(fd, pieces)
    fs.closeSync(fd)
    fs.linkSync(temporary, path)
    fs.unlinkSync(temporary)
  },
  async callbacks(temporary, path, pieces) {
    const fd = await open(temporary, 'wx')
    await writev(fd, pieces)
    await close(fd)
    await link(temporary, path)
    await unlink(temporary)
  },
  async 'fs.promises'(temporary, path, pieces) {
    const file = await fs.promises.open(temporary, 'wx')
    await file.writev(pieces)
    await file.close()
    await fs.promises.link(temporary, path)
    await fs.promises.unlink(temporary)
  },
}
const [open, writev, close] = [promisify(fs.open), promisify(fs.writev), promisify(fs.close)]
const [link, unlink] = [promisify(fs.link), promisify(fs.unlink)]

print(`${process.version}, ${process.platform}, ${count} requests each, in ${folder}`)
print('request                                  p50 µs    p99 µs   CPU µs')

for (const size of sizes) {
  const pieces = body(size)
  for (const [name, put] of Object.entries(ways)) {
    const at = `${folder}/raw-${name.replace(' ', '-')}-${size}`
    fs.mkdirSync(at)
    await measure(`${bytesText(size)} file calls: ${name}`, countOf(size), (i) =>
      put(`${at}/tmp-${i}`, `${at}/${i}`, pieces),
    )
  }
}
// A ledger's entries are records of a journal, all else is files.
for (const fsync of [false, true])
  for (const [kind, place] of [
    ['file', 'files'],
    ['entry', 'ledger/0'],
  ] as const) {
    const store = await openStore(`file:${folder}/${kind}-fsync-${fsync}`, { ...surroundings, fsync })
    await measureStore(`fsync ${fsync ? 'on ' : 'off'} ${kind}`, store, place, count)
    await store.close()
  }
await measureWindows()
if (values.s3 !== undefined) {
  const store = await openStore(`${values.s3}/bench-${Date.now()}`, surroundings)
  await measureStore('S3', store, 'ledger/0', Math.min(count, 300))
  await store.close()
}

function countOf(size: number): number {
  return Math.min(count, bytesMax / size)
}

async function measureStore(name: string, store: ObjectStore, place: string, requests: number): Promise<void> {
  let next = 1
  const key = (number: number) => `${place}/${String(number).padStart(20, '0')}`
  const put = (bytes: Buffer[]) => store.putIfAbsent(key(next++), bytes)
  let large = 0
  for (const size of sizes) {
    const pieces = body(size)
    const some = Math.min(requests, countOf(size))
    const first = next
    if (size === 1 << 20) large = first
    await measure(`${name} put ${bytesText(size)}`, some, () => put(pieces))
    await measure(`${name} get ${bytesText(size)}`, some, (i) => store.get(key(first + i)))
  }
  const range = { position: 1_000, length: 2_000 }
  await measure(`${name} get 2 kB of 1 MiB`, requests, () => store.get(key(large), range))
  await measure(`${name} get missing`, requests, (i) => store.get(key(next + 1 + i)))
  await measure(`${name} put existing`, requests, () => store.putIfAbsent(key(1), body(100)))
  await measure(`${name} 8 puts of 4 KiB at once`, Math.ceil(requests / 8), () =>
    Promise.all(Array.from({ length: 8 }, () => put(body(4_096)))),
  )
}

/** A piece of a file that the page cache has, each of its pages looked at: read into memory that is there, and mapped. */
async function measureWindows(): Promise<void> {
  const path = `${folder}/cached`
  const piecesMax = 64
  for (let i = 0; i < piecesMax; i++) fs.appendFileSync(path, randomBytes(1 << 20))
  const fd = fs.openSync(path, 'r')
  const windows = new FileWindows({ ...surroundings, bytesMin: 1 })
  for (const size of [16 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 4 << 20]) {
    const memory = Buffer.alloc(size)
    const position = (i: number) => (i * size) % (piecesMax << 20)
    await measure(`${bytesText(size)} of a cached file, read`, count, (i) => {
      fs.readSync(fd, memory, 0, size, position(i))
      return look(memory)
    })
    let left = 0
    await measure(`${bytesText(size)} of a cached file, mapped`, count, (i) => {
      const window = windows.open(fd, position(i), size)
      // The system may have taken some of its pages for others, or can't map files.
      if (window === undefined) return void left++
      const looked = look(window.bytes)
      window.release()
      return looked
    })
    if (left > 0) print(`${left} of ${count} could not be mapped`)
  }
  fs.closeSync(fd)
}

function look(bytes: Buffer): number {
  let looked = 0
  for (let at = 0; at < bytes.length; at += 4_096) looked ^= bytes[at] as number
  return looked
}

async function measure(name: string, requests: number, request: (i: number) => unknown): Promise<void> {
  const took: number[] = []
  const cpuBefore = process.cpuUsage()
  for (let i = 0; i < requests; i++) {
    const begun = performance.now()
    await request(i)
    took.push((performance.now() - begun) * 1_000)
  }
  const cpu = process.cpuUsage(cpuBefore)
  took.sort((a, b) => a - b)
  const [p50, p99] = [0.5, 0.99].map((share) => (took[Math.floor(took.length * share)] ?? 0).toFixed(0).padStart(9))
  print(`${name.padEnd(38)}${p50} ${p99}${((cpu.user + cpu.system) / requests).toFixed(0).padStart(9)}`)
}

/** A head and a body, as an entry has. */
function body(size: number): Buffer[] {
  return [randomBytes(50), randomBytes(size - 50)]
}

function bytesText(bytes: number): string {
  return bytes < 1_024 ? `${bytes} B` : bytes < 1 << 20 ? `${bytes >> 10} KiB` : `${bytes >> 20} MiB`
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
