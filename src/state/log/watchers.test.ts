import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PartitionWatchers } from './watchers.js'

const [orders, payments] = ['a'.repeat(32), 'b'.repeat(32)]
const partitions = (topicId: string, ...numbers: number[]) => numbers.map((partition) => ({ topicId, partition }))

test('whoever watches a partition is woken when it changes, until they stop', () => {
  const watchers = new PartitionWatchers()
  const woken: string[] = []
  const watch = (name: string, ...of: ReturnType<typeof partitions>[]) =>
    watchers.watch(of.flat(), () => woken.push(name))
  const wokenBy = (topicId: string, partition: number) => {
    woken.length = 0
    watchers.changed(topicId, partition)
    return woken.join()
  }
  const stops = [
    watch('one', partitions(orders, 0, 1, 2)),
    watch('two', partitions(orders, 2), partitions(payments, 0), partitions(orders, 1)),
    watch('three', partitions(orders, 2)),
  ]
  assert.equal(watchers.isAwaited, true)
  assert.deepEqual(
    [0, 1, 2, 3].map((partition) => wokenBy(orders, partition)),
    ['one', 'one,two', 'one,two,three', ''],
  )
  assert.equal(wokenBy(payments, 0), 'two')
  stops[0]?.()
  assert.deepEqual(
    [0, 1, 2].map((partition) => wokenBy(orders, partition)),
    ['', 'two', 'two,three'],
  )
  stops[1]?.()
  assert.equal(wokenBy(payments, 0), '')
  assert.equal(wokenBy(orders, 2), 'three')
  stops[2]?.()
  assert.equal(watchers.isAwaited, false)
})

test('a partition that is named twice is watched once, and one who stops while woken harms nobody', () => {
  const watchers = new PartitionWatchers()
  let woken = 0
  const stop = watchers.watch(partitions(orders, 0, 0), () => woken++)
  watchers.changed(orders, 0)
  assert.equal(woken, 1)
  stop()
  assert.equal(watchers.isAwaited, false)

  const stops = [0, 1].map(() =>
    watchers.watch(partitions(orders, 0), () => {
      woken++
      for (const each of stops) each()
    }),
  )
  watchers.changed(orders, 0)
  assert.equal(woken, 3)
  assert.equal(watchers.isAwaited, false)
})
