import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import fc from 'fast-check'
import { ManualClock } from '../../../../tests/support/manual-clock.js'
import { noMappedFiles } from '../../../../tests/support/maps-files.js'
import { silentLog } from '../../../base/log.js'
import { FileWindows, type FileWindowsOptions } from './file-windows.js'
import type { SystemCalls } from './system-calls.js'

const folder = fs.mkdtempSync(join(tmpdir(), 'heraclitus-windows-'))
const path = join(folder, 'file')
const content = randomBytes(2 * 2 ** 20)
fs.writeFileSync(path, content)
const fd = fs.openSync(path, 'r')
after(() => {
  fs.closeSync(fd)
  fs.rmSync(folder, { recursive: true })
})

const skip = noMappedFiles()
const length = 600_000

function windowsOf(options: Partial<FileWindowsOptions> = {}): FileWindows {
  return new FileWindows({ clock: new ManualClock(), log: silentLog(), ...options })
}

test('a window has the bytes of the file, wherever it begins', { skip }, () => {
  const windows = windowsOf()
  for (const position of [0, 1, 4_096, 65_535, content.length - length]) {
    const window = windows.open(fd, position, length)
    assert.deepEqual(window?.bytes, content.subarray(position, position + length))
    window?.release()
  }
  assert.equal(windows.usedBytes, 0)
})

test('what is changed in a window is changed there alone', { skip }, () => {
  const windows = windowsOf()
  const [one, other] = [windows.open(fd, 0, length), windows.open(fd, 0, length)]
  one?.bytes.fill(7)
  assert.deepEqual(other?.bytes, content.subarray(0, length))
  assert.deepEqual(fs.readFileSync(path), content)
  other?.release()
  assert.deepEqual(windows.open(fd, 0, length)?.bytes, content.subarray(0, length))
  assert.deepEqual(one?.bytes, Buffer.alloc(length, 7))
})

test('windows that come and go show what they should', { skip }, async () => {
  const step = fc.record({
    position: fc.integer({ min: 0, max: content.length - 1 }),
    length: fc.integer({ min: 262_145, max: 1_000_000 }),
    leaves: fc.nat({ max: 3 }),
    clears: fc.boolean(),
  })
  const clock = new ManualClock()
  const windows = windowsOf({ clock, bytesMax: 4 * 2 ** 20 })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const open: { position: number; bytes: Buffer; release(): void }[] = []
      for (const { position, length, leaves, clears } of steps) {
        const window = windows.open(fd, position, Math.min(length, content.length - position))
        if (window !== undefined) open.push({ position, ...window })
        for (let left = 0; left < leaves; left++) open.shift()?.release()
        if (clears) await clock.advance(1_000)
        for (const { position, bytes } of open)
          assert.ok(bytes.equals(content.subarray(position, position + bytes.length)))
      }
      for (const { release } of open) release()
      assert.equal(windows.usedBytes, 0)
    }),
    { numRuns: 50 },
  )
})

test('a second after it was left, a file is no longer mapped', { skip }, async () => {
  const clock = new ManualClock()
  const windows = windowsOf({ clock })
  const own = join(folder, 'own')
  fs.writeFileSync(own, content)
  const file = fs.openSync(own, 'r')
  const mappings = () => fs.readFileSync('/proc/self/maps', 'utf8').split(own).length - 1
  const [left, used] = [windows.open(file, 0, length), windows.open(file, 0, length)]
  fs.closeSync(file)
  left?.release()
  await clock.advance(999)
  assert.equal(mappings(), 2)
  await clock.advance(1)
  assert.equal(mappings(), 1)
  assert.deepEqual(used?.bytes, content.subarray(0, length))
  used?.release()
  await clock.advance(1_000)
  assert.equal(mappings(), 0)
})

test('only so much is mapped at once', { skip }, () => {
  const windows = windowsOf({ bytesMax: 2 ** 20 })
  const first = windows.open(fd, 0, 500_000)
  assert.ok(windows.open(fd, 500_000, 500_000))
  assert.equal(windows.open(fd, 0, 500_000), undefined)
  assert.equal(windows.usedBytes, 2 ** 20)
  first?.release()
  assert.ok(windows.open(fd, 0, 500_000))
})

test('what the page cache does not have is not mapped', { skip }, () => {
  const windows = windowsOf()
  const sparse = join(folder, 'sparse')
  fs.writeFileSync(sparse, content)
  fs.truncateSync(sparse, 8 * 2 ** 20)
  const file = fs.openSync(sparse, 'r')
  try {
    assert.equal(windows.open(file, content.length, length), undefined)
    assert.equal(windows.open(file, content.length - length + 5_000, length), undefined)
    assert.ok(windows.open(file, content.length - length, length))
    // Read once, it is there.
    fs.readSync(file, Buffer.alloc(8 * 2 ** 20), 0, 8 * 2 ** 20, 0)
    assert.deepEqual(windows.open(file, content.length, length)?.bytes, Buffer.alloc(length))
  } finally {
    fs.closeSync(file)
  }
})

test('little is not mapped, nor anything where the system can not', () => {
  let asked = 0
  const windows = windowsOf({ system: () => void asked++ as undefined })
  assert.equal(windows.open(fd, 0, 1_000), undefined)
  assert.equal(asked, 0, 'nothing is loaded for it')
  assert.ok(windows.suits(length))
  for (let i = 0; i < 3; i++) assert.equal(windows.open(fd, 0, length), undefined)
  assert.equal(asked, 1)
  assert.equal(windows.suits(length), false)
})

/** A system that has every file in its page cache, and maps none. */
const fakeSystem = (): SystemCalls => ({
  pageBytes: 4_096,
  addressOf: () => 2 ** 30,
  mapFile: () => true,
  clear: () => true,
  cachedPages: (_fd, _position, length) => Math.ceil(length / 4_096),
})

test('where the system does not say what the page cache has, files are read, which is said once', () => {
  const lines: string[] = []
  const log = { ...silentLog(), info: (text: string) => lines.push(text) } as unknown as FileWindowsOptions['log']
  const windows = windowsOf({ system: () => ({ ...fakeSystem(), cachedPages: () => -1 }), log })
  for (let i = 0; i < 3; i++) assert.equal(windows.open(fd, 0, length), undefined)
  assert.equal(windows.suits(length), false)
  assert.deepEqual(lines, ['files are read with a copy: the system does not say what the page cache has'])
})

test('once the system has refused, it is not asked again', async () => {
  let refuses = false
  const calls: string[] = []
  const fake: SystemCalls = {
    ...fakeSystem(),
    mapFile() {
      calls.push('map')
      return !refuses
    },
    clear() {
      calls.push('clear')
      return true
    },
  }
  const warnings: string[] = []
  const log = { ...silentLog(), warn: (text: string) => warnings.push(text) } as unknown as FileWindowsOptions['log']
  const windows = windowsOf({ system: () => fake, log })
  assert.ok(windows.open(fd, 0, length))
  refuses = true
  assert.equal(windows.open(fd, 0, length), undefined)
  assert.equal(windows.open(fd, 0, length), undefined)
  assert.deepEqual(calls, ['map', 'map', 'clear'])
  assert.equal(warnings.length, 1)
})
