import { DeleteGroups } from '../../protocol/messages/delete-groups.js'
import { DescribeGroups } from '../../protocol/messages/describe-groups.js'
import { ListGroups } from '../../protocol/messages/list-groups.js'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.js'
import { clientOptions, clientOptionsUsage, none, one, parse, UsageError } from '../arguments.js'
import type { Connection } from '../client/connection.js'
import { decodeAssignment, type PartitionsByTopic } from '../client/consumer-protocol.js'
import { awaitCoordinator } from '../client/coordinator.js'
import { check } from '../client/errors.js'
import { offsetsAt, Timestamp } from '../client/topics.js'
import { withGateway } from '../gateway.js'
import { type Terminal, table } from '../terminal.js'

export const usage = `heraclitus groups list | describe GROUP | delete GROUP [options]

  list                   groups and their states
  describe GROUP         members, and for each partition: committed offset, end, lag, who reads it
  delete GROUP           deletes a group without members, and its offsets

${clientOptionsUsage}`

export async function run(argv: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(argv, clientOptions)
  const [action, ...rest] = positionals
  const actions: Record<string, (connection: Connection, name: string) => Promise<void>> = {
    list: (connection) => list(connection, values.json, terminal),
    describe: async (connection, name) => {
      await awaitCoordinator(connection, name, terminal.clock)
      await describe(connection, name, values.json, terminal)
    },
    delete: async (connection, name) => {
      await awaitCoordinator(connection, name, terminal.clock)
      await remove(connection, name)
    },
  }
  const act = Object.hasOwn(actions, action ?? '') ? actions[action ?? ''] : undefined
  if (!act) throw new UsageError(`expected ${Object.keys(actions).join(', ')}`)
  if (action === 'list') none(rest)
  const name = action === 'list' ? '' : one('a GROUP', rest)
  await withGateway(values, terminal, (connection) => act(connection, name))
  return 0
}

async function list(connection: Connection, json: boolean, terminal: Terminal): Promise<void> {
  const { errorCode, groups } = await connection.request(ListGroups, {})
  check('list groups', errorCode)
  const rows = groups
    .map((group) => [group.groupId, group.groupState, group.protocolType])
    .sort(([a = ''], [b = '']) => (a < b ? -1 : 1))
  await terminal.out(table(['group', 'state', 'type'], rows, json))
}

interface Row {
  topic: string
  partition: number
  committed: number | null
  end: number
  lag: number | null
  member: string | null
}

async function describe(connection: Connection, name: string, json: boolean, terminal: Terminal): Promise<void> {
  const answer = await connection.request(DescribeGroups, { groups: [name] })
  const group = answer.groups[0]
  check(`describe group ${name}`, group?.errorCode ?? 0, group?.errorMessage)
  const members = (group?.members ?? []).map((member) => ({
    id: member.memberId,
    client: member.clientId,
    host: member.clientHost,
    assignment: decodeAssignment(member.memberAssignment),
  }))
  const rows = await partitionRows(connection, name, members)
  if (json) {
    const shown = members.map(({ assignment, ...member }) => ({
      ...member,
      assignment: Object.fromEntries(assignment),
    }))
    const object = {
      group: name,
      state: group?.groupState,
      protocol: group?.protocolData,
      members: shown,
      partitions: rows,
    }
    await terminal.out(`${JSON.stringify(object)}\n`)
    return
  }
  await terminal.out(`group ${name}, ${group?.groupState ?? ''}, ${members.length} members\n`)
  const cells = rows.map((row) => [row.topic, row.partition, row.committed, row.end, row.lag, row.member])
  await terminal.out(table(['topic', 'partition', 'committed', 'end', 'lag', 'member'], cells, false))
}

/** A row for each partition with a committed offset or a member that reads it. */
async function partitionRows(
  connection: Connection,
  groupId: string,
  members: readonly { id: string; assignment: PartitionsByTopic }[],
): Promise<Row[]> {
  const committed = await committedOffsets(connection, groupId)
  const readers = new Map<string, string>()
  for (const { id, assignment } of members)
    for (const [topic, partitions] of assignment)
      for (const partition of partitions) {
        readers.set(`${topic}\0${partition}`, id)
        if (!committed.has(topic)) committed.set(topic, new Map())
        if (!committed.get(topic)?.has(partition)) committed.get(topic)?.set(partition, null)
      }
  const rows: Row[] = []
  for (const [topic, offsets] of [...committed].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const partitions = [...offsets.keys()].sort((a, b) => a - b)
    const ends = await offsetsAt(connection, topic, partitions, Timestamp.latest)
    for (const partition of partitions) {
      const offset = offsets.get(partition) ?? null
      const end = ends.get(partition) ?? -1
      const lag = offset === null ? null : Math.max(0, end - offset)
      rows.push({
        topic,
        partition,
        committed: offset,
        end,
        lag,
        member: readers.get(`${topic}\0${partition}`) ?? null,
      })
    }
  }
  return rows
}

async function committedOffsets(
  connection: Connection,
  groupId: string,
): Promise<Map<string, Map<number, number | null>>> {
  // Version 9 is the last that names topics rather than ids.
  const answer = await connection.request(
    OffsetFetch,
    { groupId, topics: null, groups: [{ groupId, topics: null }] },
    { versionMax: 9 },
  )
  const group = answer.groups[0] ?? answer
  check(`offsets of group ${groupId}`, group.errorCode)
  return new Map(
    group.topics.map(({ name, partitions }) => [
      name,
      new Map(partitions.map((partition) => [partition.partitionIndex, partition.committedOffset])),
    ]),
  )
}

async function remove(connection: Connection, name: string): Promise<void> {
  const { results } = await connection.request(DeleteGroups, { groupsNames: [name] })
  check(`delete group ${name}`, results[0]?.errorCode ?? 0)
}
