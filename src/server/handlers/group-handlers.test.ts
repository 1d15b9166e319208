import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupTestBed, topicIdOf } from '../../../tests/support/group-members.js'
import { silentLog } from '../../base/log.js'
import { seededRandom } from '../../base/random.js'
import type { Api, DecodedOf } from '../../protocol/api.js'
import { ErrorCode } from '../../protocol/error-codes.js'
import { readRequest, readRequestHeader, readResponse, writeRequest, writeResponse } from '../../protocol/frame.js'
import { DeleteGroups } from '../../protocol/messages/delete-groups.js'
import { DescribeGroups } from '../../protocol/messages/describe-groups.js'
import { FindCoordinator } from '../../protocol/messages/find-coordinator.js'
import { Heartbeat } from '../../protocol/messages/heartbeat.js'
import { JoinGroup } from '../../protocol/messages/join-group.js'
import { LeaveGroup } from '../../protocol/messages/leave-group.js'
import { ListGroups } from '../../protocol/messages/list-groups.js'
import { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../protocol/messages/offset-fetch.js'
import { SyncGroup } from '../../protocol/messages/sync-group.js'
import type { Shape } from '../../protocol/schema.js'
import type { Handler, RequestContext } from '../handler.js'
import { deleteGroups } from './delete-groups.js'
import { describeGroups } from './describe-groups.js'
import { findCoordinator } from './find-coordinator.js'
import { heartbeat } from './heartbeat.js'
import { joinGroup } from './join-group.js'
import { leaveGroup } from './leave-group.js'
import { listGroups } from './list-groups.js'
import { offsetCommit } from './offset-commit.js'
import { offsetFetch } from './offset-fetch.js'
import { syncGroup } from './sync-group.js'

const topicId = topicIdOf('orders')

/** A server of one instance, whose requests and answers go through the codec of each version. */
async function openServer() {
  const bed = new GroupTestBed({ groupInitialRebalanceDelayMs: 0 })
  const { coordinator, instance } = bed.open()
  await bed.createTopic('orders', 2)
  const ask = async <Request extends Shape, Response extends Shape>(
    api: Api<Request, Response>,
    handler: Handler,
    version: number,
    request: unknown,
  ): Promise<DecodedOf<Api<Request, Response>['response']>> => {
    const { topics: known } = instance.state
    const topics = {
      byId: (id: string) => known.byId(id),
      byName: (name: string) => known.byName(name),
      barrier: () => instance.barrier(),
    }
    const context = {
      cluster: { topics, barrier: () => instance.barrier() },
      groups: coordinator,
      config: { nodeId: 7, advertisedHost: 'gateway.example', advertisedPort: 9094 },
      clock: bed.clock,
      random: seededRandom(1),
      log: silentLog(),
      apiVersion: version,
      clientId: 'client',
      clientHost: '/127.0.0.1',
      signal: new AbortController().signal,
      proceed() {},
    } as unknown as RequestContext
    const frame = Buffer.concat(writeRequest(api, version, 1, 'client', request as never)).subarray(4)
    const running = Promise.resolve(handler.run(readRequest(api, readRequestHeader(frame), frame), context))
    const answer = await bed.soon(running)
    return readResponse(api, version, Buffer.concat(writeResponse(api, version, 1, answer as never)).subarray(4))
      .response
  }
  return { bed, ask }
}

function versionsOf({ versions: [min, max] }: { versions: readonly [number, number] }): number[] {
  return Array.from({ length: max - min + 1 }, (_, i) => min + i)
}

type Server = Awaited<ReturnType<typeof openServer>>

/** Joins and syncs a group of one with the given versions; gives the member's id. */
async function join({ ask }: Server, groupId: string, version = 9): Promise<string> {
  const request = {
    groupId,
    sessionTimeoutMs: 10_000,
    rebalanceTimeoutMs: 60_000,
    memberId: '',
    groupInstanceId: null,
    protocolType: 'consumer',
    protocols: [{ name: 'range', metadata: Buffer.from('topics') }],
    reason: null,
  }
  let answer = await ask(JoinGroup, joinGroup, version, request)
  if (version >= 4) {
    assert.equal(answer.errorCode, ErrorCode.MEMBER_ID_REQUIRED)
    assert.equal(answer.protocolName, version >= 7 ? null : '')
    answer = await ask(JoinGroup, joinGroup, version, { ...request, memberId: answer.memberId })
  }
  assert.equal(answer.errorCode, ErrorCode.NONE)
  assert.equal(answer.generationId, 1)
  assert.equal(answer.protocolName, 'range')
  assert.equal(answer.protocolType, version >= 7 ? 'consumer' : null)
  assert.equal(answer.leader, answer.memberId)
  assert.match(answer.memberId, /^client-/)
  assert.deepEqual(
    answer.members.map(({ memberId, metadata }) => [memberId, metadata.toString()]),
    [[answer.memberId, 'topics']],
  )
  return answer.memberId
}

function sync({ ask }: Server, groupId: string, memberId: string, version = 5) {
  return ask(SyncGroup, syncGroup, version, {
    groupId,
    generationId: 1,
    memberId,
    groupInstanceId: null,
    protocolType: 'consumer',
    protocolName: 'range',
    assignments: [{ memberId, assignment: Buffer.from('all') }],
  })
}

test('every version of JoinGroup, SyncGroup, Heartbeat and LeaveGroup takes a member through its life', async () => {
  const server = await openServer()
  for (const version of versionsOf(JoinGroup)) {
    const groupId = `group-${version}`
    const memberId = await join(server, groupId, version)
    const synced = await sync(server, groupId, memberId, Math.min(version, 5))
    assert.equal(synced.errorCode, ErrorCode.NONE)
    assert.equal(synced.assignment.toString(), 'all')
    assert.equal(synced.protocolName, version >= 5 ? 'range' : null)
    const beat = { groupId, generationId: 1, memberId, groupInstanceId: null }
    const heartbeatVersion = Math.min(version, 4)
    assert.equal((await server.ask(Heartbeat, heartbeat, heartbeatVersion, beat)).errorCode, ErrorCode.NONE)
    const members = [
      { memberId, groupInstanceId: null, reason: null },
      { memberId: 'nobody', groupInstanceId: null, reason: null },
    ]
    const left = await server.ask(LeaveGroup, leaveGroup, Math.min(version, 5), { groupId, memberId, members })
    assert.equal(left.errorCode, ErrorCode.NONE)
    assert.deepEqual(
      left.members.map(({ errorCode }) => errorCode),
      version < 3 ? [] : [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID],
    )
    assert.equal(
      (await server.ask(Heartbeat, heartbeat, heartbeatVersion, beat)).errorCode,
      ErrorCode.UNKNOWN_MEMBER_ID,
    )
  }
  server.bed.close()
})

test('before LeaveGroup v3 the error of the one member is that of the request', async () => {
  const { ask } = await openServer()
  for (const version of [0, 1, 2]) {
    const left = await ask(LeaveGroup, leaveGroup, version, { groupId: 'group', memberId: 'nobody', members: [] })
    assert.equal(left.errorCode, ErrorCode.UNKNOWN_MEMBER_ID)
  }
  const invalid = await ask(LeaveGroup, leaveGroup, 5, { groupId: '', memberId: '', members: [] })
  assert.equal(invalid.errorCode, ErrorCode.INVALID_GROUP_ID)
})

test('every version of OffsetCommit stores what every version of OffsetFetch finds', async () => {
  const { ask, bed } = await openServer()
  const versions = versionsOf(OffsetCommit)
  for (const version of versions) {
    const groupId = `group-${version}`
    const committed = await ask(OffsetCommit, offsetCommit, version, {
      groupId,
      generationIdOrMemberEpoch: -1,
      memberId: '',
      groupInstanceId: null,
      retentionTimeMs: -1,
      topics: [
        {
          name: 'orders',
          topicId,
          partitions: [1, 2].map((partitionIndex) => ({
            partitionIndex,
            committedOffset: 40 + version,
            committedLeaderEpoch: 3,
            committedMetadata: 'note',
          })),
        },
      ],
    })
    assert.deepEqual(
      committed.topics.map(({ name, topicId: id, partitions }) => [
        name || id,
        partitions.map((each) => each.errorCode),
      ]),
      [[version < 10 ? 'orders' : topicId, [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]]],
    )
    for (const fetchVersion of versionsOf(OffsetFetch)) {
      const fetched = await ask(OffsetFetch, offsetFetch, fetchVersion, {
        groupId,
        topics: [{ name: 'orders', partitionIndexes: [0, 1] }],
        groups: [
          {
            groupId,
            memberId: null,
            memberEpoch: -1,
            topics: [{ name: 'orders', topicId, partitionIndexes: [0, 1] }],
          },
        ],
        requireStable: false,
      })
      const [topic] = fetchVersion < 8 ? fetched.topics : (fetched.groups[0]?.topics ?? [])
      assert.ok(topic)
      assert.deepEqual(
        topic.partitions.map((each) => [each.committedOffset, each.metadata, each.errorCode]),
        [
          [-1, '', ErrorCode.NONE],
          [40 + version, 'note', ErrorCode.NONE],
        ],
      )
      if (version >= 6 && fetchVersion >= 5) assert.equal(topic.partitions[1]?.committedLeaderEpoch, 3)
      if (fetchVersion === 1) continue
      const all = await ask(OffsetFetch, offsetFetch, fetchVersion, {
        groupId,
        topics: null,
        groups: [{ groupId, memberId: null, memberEpoch: -1, topics: null }],
        requireStable: true,
      })
      const [found] = fetchVersion < 8 ? all.topics : (all.groups[0]?.topics ?? [])
      assert.deepEqual(
        found?.partitions.map((each) => each.partitionIndex),
        [1],
      )
      if (fetchVersion >= 10) assert.equal(all.groups[0]?.topics[0]?.topicId, topicId)
    }
  }
  bed.close()
})

test('an unknown topic id is refused partition by partition, beside topics that are known', async () => {
  const { ask } = await openServer()
  const unknown = 'f'.repeat(32)
  const partition = {
    partitionIndex: 0,
    committedOffset: 1,
    committedLeaderEpoch: -1,
    committedMetadata: null,
  }
  const committed = await ask(OffsetCommit, offsetCommit, 10, {
    groupId: 'group',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    topics: [
      { topicId: unknown, partitions: [partition] },
      { topicId, partitions: [partition] },
    ],
  })
  assert.deepEqual(
    committed.topics.map((topic) => [topic.topicId, topic.partitions[0]?.errorCode]),
    [
      [unknown, ErrorCode.UNKNOWN_TOPIC_ID],
      [topicId, ErrorCode.NONE],
    ],
  )
  const fetched = await ask(OffsetFetch, offsetFetch, 10, {
    groups: [{ groupId: 'group', topics: [{ topicId: unknown, partitionIndexes: [0] }] }],
  })
  assert.equal(fetched.groups[0]?.topics[0]?.partitions[0]?.errorCode, ErrorCode.UNKNOWN_TOPIC_ID)
})

test('a member that commits to a group that is not there gets the error that its version knows', async () => {
  const { ask } = await openServer()
  const commit = async (version: number) => {
    const { topics } = await ask(OffsetCommit, offsetCommit, version, {
      groupId: 'nowhere',
      generationIdOrMemberEpoch: 1,
      memberId: 'member',
      topics: [
        {
          name: 'orders',
          topicId,
          partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }],
        },
      ],
    })
    return topics[0]?.partitions[0]?.errorCode
  }
  assert.equal(await commit(8), ErrorCode.ILLEGAL_GENERATION)
  assert.equal(await commit(9), ErrorCode.GROUP_ID_NOT_FOUND)
})

test('every version describes, lists and deletes groups', async () => {
  const server = await openServer()
  const { ask } = server
  const memberId = await join(server, 'busy')
  await sync(server, 'busy', memberId)
  for (const version of versionsOf(DescribeGroups)) {
    const { groups } = await ask(DescribeGroups, describeGroups, version, {
      groups: ['busy', 'unknown'],
      includeAuthorizedOperations: version >= 3,
    })
    const [busy, unknown] = groups
    assert.equal(busy?.groupState, 'Stable')
    assert.equal(busy.protocolData, 'range')
    assert.equal(busy.authorizedOperations, version >= 3 ? 328 : -2147483648)
    assert.deepEqual(
      busy.members.map((member) => [member.memberId, member.clientHost, member.memberAssignment.toString()]),
      [[memberId, '/127.0.0.1', 'all']],
    )
    assert.equal(unknown?.groupState, 'Dead')
    assert.equal(unknown.errorCode, version < 6 ? ErrorCode.NONE : ErrorCode.GROUP_ID_NOT_FOUND)
    assert.equal(unknown.errorMessage, version < 6 ? null : 'Group unknown not found.')
  }
  for (const version of versionsOf(ListGroups)) {
    const listed = await ask(ListGroups, listGroups, version, { statesFilter: ['Stable'], typesFilter: ['classic'] })
    assert.equal(listed.errorCode, ErrorCode.NONE)
    assert.deepEqual(listed.groups, [
      {
        groupId: 'busy',
        protocolType: 'consumer',
        groupState: version < 4 ? '' : 'Stable',
        groupType: version < 5 ? '' : 'classic',
      },
    ])
  }
  for (const version of versionsOf(DeleteGroups)) {
    const { results } = await ask(DeleteGroups, deleteGroups, version, { groupsNames: ['busy', 'unknown'] })
    assert.deepEqual(results, [
      { groupId: 'busy', errorCode: ErrorCode.NON_EMPTY_GROUP },
      { groupId: 'unknown', errorCode: ErrorCode.GROUP_ID_NOT_FOUND },
    ])
  }
  server.bed.close()
})

test('the coordinator of every group is where the client came, and there is none for transactions', async () => {
  const { ask } = await openServer()
  for (const version of versionsOf(FindCoordinator)) {
    const answer = await ask(FindCoordinator, findCoordinator, version, {
      key: 'group',
      keyType: 0,
      coordinatorKeys: ['group'],
    })
    const coordinator = version < 4 ? answer : answer.coordinators[0]
    assert.equal(coordinator?.errorCode, ErrorCode.NONE)
    assert.deepEqual([coordinator.nodeId, coordinator.host, coordinator.port], [7, 'gateway.example', 9094])
    if (version === 0) continue
    const none = await ask(FindCoordinator, findCoordinator, version, {
      key: 'id',
      keyType: 1,
      coordinatorKeys: ['id'],
    })
    const refused = version < 4 ? none : none.coordinators[0]
    assert.equal(refused?.errorCode, ErrorCode.INVALID_REQUEST)
    assert.equal(refused.errorMessage, 'Transactions are not supported yet.')
  }
})
