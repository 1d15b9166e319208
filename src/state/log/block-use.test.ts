import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BlockUse } from './block-use.js'

const blockBytes = 256 * 1024

/** Of how many ranges of a thousand blocks are read, while so much of each is used. */
function blocksRead(use: BlockUse, length: number, share: number): number {
  let read = 0
  for (let i = 0; i < 1_000; i++) {
    if (!use.isWorthIt(length)) continue
    read++
    use.gone(share * blockBytes, blockBytes)
  }
  return read
}

test('ranges are read with the blocks around them as long as enough of these is used', () => {
  const use = new BlockUse(blockBytes)
  assert.equal(blocksRead(use, 60_000, 1), 1_000)
  blocksRead(use, 60_000, 0.25)
  // But for a few, to see whether that has changed.
  const trials = blocksRead(use, 60_000, 0.25)
  assert.ok(trials > 20 && trials < 40, `${trials} trials`)
  // Of small ranges a read for each costs more.
  assert.equal(blocksRead(use, 4_000, 0.25), 1_000)
  assert.equal(blocksRead(use, 4_000, 0.02) < 300, true)
  blocksRead(use, 60_000, 1)
  assert.equal(blocksRead(use, 60_000, 1), 1_000, 'the trials have shown that blocks pay again')
})

test('what many readers use of a block counts once', () => {
  const use = new BlockUse(blockBytes)
  for (let i = 0; i < 100; i++) {
    use.gone(20 * blockBytes, blockBytes)
    use.gone(0, blockBytes)
  }
  assert.ok(blocksRead(use, 60_000, 0.1) < 200)
})
