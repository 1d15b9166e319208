import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Complaints } from './complaints.js'
import { GroupHistory } from './group-history.js'

function groupOf() {
  const complaints = new Complaints()
  const group = new GroupHistory('group', complaints)
  const commit = (member: string, offset: number, beganMs: number, endedMs: number, generation?: number) =>
    group.committed({
      member,
      partition: 0,
      offset,
      beganMs,
      endedMs,
      ...(generation === undefined ? {} : { generation }),
    })
  const told = (offset: number, beganMs: number) => group.told({ who: 'asker', partition: 0, offset, beganMs })
  const kinds = () => {
    group.finish()
    return complaints.lines().map((line) => line.slice(0, line.indexOf(':')))
  }
  return { group, commit, told, kinds }
}

test('commits that go forward, and askers who are told what was acknowledged before they asked, are right', () => {
  const { group, commit, told, kinds } = groupOf()
  group.owns('a', 1, [0, 1])
  group.owns('b', 2, [0])
  group.owns('a', 2, [1])
  commit('a', 10, 100, 110, 1)
  commit('b', 20, 200, 210, 2)
  told(-1, 105)
  told(10, 205)
  told(20, 211)
  assert.deepEqual(kinds(), [])
  assert.equal(group.generationMax, 2)
  assert.equal(group.commitCount, 2)
})

test('an acknowledged commit that an asker is not told of is found, however late it is reported', () => {
  const { commit, told, kinds } = groupOf()
  told(10, 300)
  told(-1, 150)
  commit('a', 20, 200, 210)
  commit('a', 10, 100, 110)
  assert.deepEqual(kinds(), ['commit lost', 'commit lost'])
})

test('a commit that goes back behind an acknowledged one is found', () => {
  const { commit, kinds } = groupOf()
  commit('a', 20, 200, 210)
  commit('b', 19, 211, 220)
  assert.deepEqual(kinds(), ['offset went back'])
})

test('commits under way at the same time have no order', () => {
  const { commit, told, kinds } = groupOf()
  commit('a', 20, 200, 210)
  commit('b', 19, 205, 220)
  told(19, 210)
  assert.deepEqual(kinds(), [])
})

test('a commit that counts in a generation that is over is found', () => {
  const { commit, kinds } = groupOf()
  commit('b', 20, 200, 210, 2)
  commit('a', 21, 211, 220, 1)
  assert.deepEqual(kinds(), ['stale generation'])
})

test('a partition with two owners in one generation, and a generation that goes back, are found', () => {
  const { group, kinds } = groupOf()
  group.owns('a', 3, [0, 1])
  group.owns('b', 3, [1])
  group.owns('b', 2, [])
  assert.deepEqual(kinds(), ['two owners', 'generation went back'])
})
