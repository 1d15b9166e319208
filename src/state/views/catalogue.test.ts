import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { systemClock } from '../../base/clock.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import type { Topic } from '../cluster.js'
import { decodeSnapshot, encodeSnapshot } from '../ledger/snapshot-bytes.js'
import { ledgerOfPartition } from '../routing.js'
import { catalogueChanges } from './catalogue.js'
import type { CommandKind, CommandOf, OutcomeOf } from './commands.js'
import { applyCommand, emptyState, fromSnapshot, type State, toSnapshot } from './state.js'
import { Topics } from './topics.js'
import { noEvents } from './view.js'

const ledgers = 3

/** A ledger's state, to which commands are applied one after the other. */
class Applied {
  state: State = emptyState()

  apply<Kind extends CommandKind>(kind: Kind, command: CommandOf<Kind>): OutcomeOf<Kind> {
    const place = {
      position: this.state.position,
      timeMs: 1_000 + this.state.position,
      writer: 1,
      body: { writer: 0, number: 1, position: 0 },
    }
    return applyCommand(this.state, kind, command, place, noEvents)
  }

  /** What is known of topics now. */
  topics(): Topics {
    const copy = Topics.fromSnapshot(this.state.topics.toSnapshot())
    copy.version = this.state.topics.version
    return copy
  }
}

const byName = (topics: Iterable<Topic>) => [...topics].sort((a, b) => (a.name < b.name ? -1 : 1))

type Act = { name: number; partitions: number; isDeletion: boolean; held: number; seen: number; ledger: number }

test('each ledger holds exactly one version of the catalogue, from however old views it was told', async () => {
  const act: fc.Arbitrary<Act> = fc.record({
    name: fc.nat(3),
    partitions: fc.integer({ min: 1, max: 9 }),
    isDeletion: fc.boolean(),
    held: fc.nat(),
    seen: fc.nat(),
    ledger: fc.integer({ min: 1, max: ledgers - 1 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 40 }), async (acts) => {
      const home = new Applied()
      const others = [new Applied(), new Applied(), new Applied()]
      // What anybody may believe: views of earlier times.
      const homeViews = [home.topics()]
      const heldViews = others.map((other) => [other.topics()])
      const byVersion = new Map([[0, home.topics()]])
      acts.forEach(({ name, partitions, isDeletion, held, seen, ledger }, i) => {
        const known = home.state.topics.byName(`topic ${name}`)
        if (known !== undefined && isDeletion) home.apply('deleteTopic', { id: known.id })
        else if (known !== undefined)
          home.apply('createPartitions', { id: known.id, partitionCount: partitions, ledgers })
        else
          home.apply('createTopic', {
            name: `topic ${name}`,
            id: `id ${i}`,
            partitionCount: partitions,
            configs: [],
            ledgers,
          })
        homeViews.push(home.topics())
        byVersion.set(home.state.topics.version, home.topics())
        // Half of those who tell a ledger know of the latest.
        const views = heldViews[ledger] ?? []
        const homeView = (seen % 2 === 0 ? homeViews.at(-1) : homeViews[seen % homeViews.length]) as Topics
        const heldView = views[held % views.length] as Topics
        const other = others[ledger] as Applied
        const before = other.state.topics.version
        const { version } = other.apply('followCatalogue', { ...catalogueChanges(homeView, heldView), ledger, ledgers })
        assert.equal(version, Math.max(before, homeView.version))
        views.push(other.topics())
        const expected = byVersion.get(version)
        assert.ok(expected)
        assert.deepEqual(byName(other.state.topics.all()), byName(expected.all()))
        for (const { id, partitionCount } of expected.all())
          for (let partition = 0; partition < partitionCount; partition++)
            assert.equal(
              other.state.partitions.get(id, partition) !== undefined,
              ledgerOfPartition(id, partition, ledgers) === ledger,
            )
      })
      for (const { state } of [home, ...others]) {
        const { pieces } = await encodeSnapshot(state, 1, systemClock)
        const copy = decodeSnapshot(Buffer.concat(pieces), 'the snapshot').state
        assert.deepEqual(toSnapshot(copy), toSnapshot(state))
      }
    }),
  )
})

test('the partitions of a topic are each in one ledger, also those that it is given later', () => {
  const home = new Applied()
  const other = new Applied()
  const create = { name: 'orders', id: 'an id', partitionCount: 2, configs: [], ledgers: 2 }
  assert.equal(home.apply('createTopic', create).errorCode, ErrorCode.NONE)
  other.apply('followCatalogue', { ...catalogueChanges(home.topics(), other.topics()), ledger: 1, ledgers: 2 })
  home.apply('createPartitions', { id: 'an id', partitionCount: 7, ledgers: 2 })
  other.apply('followCatalogue', { ...catalogueChanges(home.topics(), other.topics()), ledger: 1, ledgers: 2 })
  const here = ({ state }: Applied) => state.partitions.ofTopic('an id').map(({ partition }) => partition)
  assert.deepEqual(
    [...here(home), ...here(other)].sort((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6],
  )
  assert.equal(new Set([...here(home), ...here(other)].map((partition) => partition % 2)).size, 2)
  for (const { state } of [home, other]) {
    const copy = fromSnapshot(toSnapshot(state))
    assert.deepEqual(toSnapshot(copy), toSnapshot(state))
    assert.deepEqual(here({ state: copy } as Applied), here({ state } as Applied))
  }
})

test('what groups have committed for a topic goes with it, and not what they commit for its successor', () => {
  const home = new Applied()
  const other = new Applied()
  const told = () =>
    other.apply('followCatalogue', { ...catalogueChanges(home.topics(), other.topics()), ledger: 1, ledgers: 2 })
  const commit = (offset: number) =>
    other.apply('commitOffsets', {
      groupId: 'group',
      memberId: '',
      groupInstanceId: null,
      generationId: -1,
      topics: [{ name: 'orders', id: null, partitions: [[0, offset, -1, '']] }],
      lease: null,
    })
  home.apply('createTopic', { name: 'orders', id: 'first', partitionCount: 1, configs: [], ledgers: 2 })
  const old = home.topics()
  told()
  commit(7)
  home.apply('deleteTopic', { id: 'first' })
  home.apply('createTopic', { name: 'orders', id: 'second', partitionCount: 1, configs: [], ledgers: 2 })
  told()
  assert.equal(other.state.offsets.get('group', 'orders', 0), undefined)
  commit(8)
  // Somebody who slept meanwhile.
  other.apply('followCatalogue', { ...catalogueChanges(old, new Topics()), ledger: 1, ledgers: 2 })
  assert.equal(other.state.offsets.get('group', 'orders', 0)?.offset, 8)
  assert.equal(other.state.topics.byName('orders')?.id, 'second')
})

test('nothing of this is in the state of a cluster with one ledger', () => {
  const only = new Applied()
  only.apply('createTopic', { name: 'orders', id: 'an id', partitionCount: 2, configs: [] })
  only.apply('createPartitions', { id: 'an id', partitionCount: 3 })
  only.apply('createTopic', { name: 'gone', id: 'another', partitionCount: 1, configs: [] })
  only.apply('deleteTopic', { id: 'another' })
  assert.equal(only.state.topics.version, 0)
  assert.equal((toSnapshot(only.state) as unknown[]).length, 9)
  assert.deepEqual(only.state.topics.toSnapshot(), [['orders', 'an id', 3, 1_000, []]])
})
