import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { bareListener } from '../../tests/support/bare-listener.js'
import { AssertionError } from '../base/assert.js'
import { systemClock } from '../base/clock.js'
import { UnavailableError } from '../base/errors.js'
import { readResponse, writeRequest } from '../protocol/frame.js'
import { Heartbeat } from '../protocol/messages/heartbeat.js'
import { type Handle, handle } from './handler.js'
import { listen } from './listener.js'
import type { ConnectionLimits } from './services.js'

type HeartbeatFields = typeof Heartbeat.request.fields
type HeartbeatAnswer = typeof Heartbeat.response.fields

/** A server whose only API, Heartbeat, does what the test says; the group id says which request it is. */
async function server(
  context: TestContext,
  run: Handle<HeartbeatFields, HeartbeatAnswer>,
  options: { hasAnswerWhenUnavailable?: boolean; limits?: Partial<ConnectionLimits> } = {},
) {
  const closed: string[] = []
  const fatal: Error[] = []
  const unavailable = options.hasAnswerWhenUnavailable ? () => ({ errorCode: 15 }) : undefined
  const listener = await listen({
    ...bareListener(),
    observer: {
      connectionOpened() {},
      connectionRefused() {},
      connectionClosed: (reason) => void closed.push(reason),
      requestDone() {},
    },
    handlers: [handle(Heartbeat, run, unavailable)],
    fatal: (error) => void fatal.push(error),
    ...(options.limits && { limits: options.limits }),
  })
  const socket = createConnection({ port: listener.port, host: '127.0.0.1' })
  context.after(async () => {
    socket.destroy()
    await listener.close(100)
  })
  await once(socket, 'connect')
  return { socket, closed, fatal, listener }
}

/** Why connections were closed, once one is: the server learns a little later than the client that both sides are. */
async function reasons(closed: string[]): Promise<string[]> {
  while (closed.length === 0) await systemClock.sleep(1)
  return closed
}

function send(socket: Socket, ...groupIds: string[]): void {
  for (const groupId of groupIds) {
    const request = { groupId, generationId: 1, memberId: 'm' }
    for (const chunk of writeRequest(Heartbeat, 0, Number(groupId), null, request)) socket.write(chunk)
  }
}

/** The correlation ids and error codes of the answers, up to `count` or the connection's end. */
async function answers(socket: Socket, count: number): Promise<[number, number][]> {
  const found: [number, number][] = []
  let bytes = Buffer.alloc(0)
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, chunk])
    for (; bytes.length >= 10; bytes = bytes.subarray(10)) {
      const { correlationId, response } = readResponse(Heartbeat, 0, bytes.subarray(4, 10))
      found.push([correlationId, response.errorCode])
    }
    if (found.length >= count) break
  }
  return found
}

test('a request starts when the one before is answered, unless that lets it pass', async (context) => {
  const events: string[] = []
  const { socket } = await server(context, async ({ groupId }) => {
    events.push(`start ${groupId}`)
    await systemClock.sleep(20)
    events.push(`end ${groupId}`)
    return { errorCode: Number(groupId) }
  })
  send(socket, '1', '2')
  assert.deepEqual(await answers(socket, 2), [
    [1, 1],
    [2, 2],
  ])
  assert.deepEqual(events, ['start 1', 'end 1', 'start 2', 'end 2'])
})

test('answers keep the order of the requests, whichever is ready first', async (context) => {
  const turns: string[] = []
  const { socket } = await server(context, async ({ groupId }, request) => {
    request.proceed()
    await systemClock.sleep(groupId === '1' ? 60 : 5)
    await request.turn()
    turns.push(groupId)
    return { errorCode: 0 }
  })
  send(socket, '1', '2', '3')
  assert.deepEqual(await answers(socket, 3), [
    [1, 0],
    [2, 0],
    [3, 0],
  ])
  assert.deepEqual(turns, ['1', '2', '3'])
})

test('a handler hears when its answer has been handed to the system, in the order of the answers', async (context) => {
  const events: string[] = []
  const { socket } = await server(context, async ({ groupId }, request) => {
    request.proceed()
    request.whenSent(() => events.push(`sent ${groupId}`))
    await systemClock.sleep(groupId === '1' ? 30 : 1)
    events.push(`answered ${groupId}`)
    return { errorCode: 0 }
  })
  send(socket, '1', '2')
  await answers(socket, 2)
  while (events.length < 4) await systemClock.sleep(1)
  assert.deepEqual(events, ['answered 2', 'answered 1', 'sent 1', 'sent 2'])
})

test('so many requests of a connection are under way, and no more', async (context) => {
  let underWay = 0
  let most = 0
  const { socket } = await server(
    context,
    async (_request, request) => {
      most = Math.max(most, ++underWay)
      request.proceed()
      await systemClock.sleep(5)
      underWay--
      return { errorCode: 0 }
    },
    { limits: { inFlightPerConnection: 4 } },
  )
  const ids = Array.from({ length: 50 }, (_, i) => String(i))
  send(socket, ...ids)
  assert.equal((await answers(socket, 50)).length, 50)
  assert.equal(most, 4)
})

test('an unavailable instance answers so where the API has a place for it', async (context) => {
  const run = async () => {
    throw new UnavailableError('the store is away')
  }
  const { socket } = await server(context, run, { hasAnswerWhenUnavailable: true })
  send(socket, '1', '2')
  assert.deepEqual(await answers(socket, 2), [
    [1, 15],
    [2, 15],
  ])
})

test('an unavailable instance closes the connection otherwise, once earlier requests are answered', async (context) => {
  const { socket, closed } = await server(context, async ({ groupId }, request) => {
    request.proceed()
    if (groupId === '2') throw new UnavailableError('the store is away')
    await systemClock.sleep(20)
    return { errorCode: 0 }
  })
  send(socket, '1', '2', '3')
  assert.deepEqual(await answers(socket, 3), [[1, 0]])
  assert.deepEqual(await reasons(closed), ['unavailable'])
})

test('a handler that fails costs its connection only', async (context) => {
  const { socket, closed, fatal } = await server(context, () => {
    throw new TypeError('a defect')
  })
  send(socket, '1')
  assert.deepEqual(await answers(socket, 1), [])
  assert.deepEqual(await reasons(closed), ['handlerError'])
  assert.deepEqual(fatal, [])
})

test('an answer that does not fit its declaration costs the connection only', async (context) => {
  const { socket, closed } = await server(context, async () => ({ errorCode: 'zero' as unknown as number }))
  send(socket, '1')
  assert.deepEqual(await answers(socket, 1), [])
  assert.deepEqual(await reasons(closed), ['handlerError'])
})

test('a broken invariant stops the process', async (context) => {
  const { socket, fatal } = await server(context, async () => {
    throw new AssertionError('two and two are five')
  })
  send(socket, '1')
  assert.deepEqual(await answers(socket, 1), [])
  assert.deepEqual(
    fatal.map(({ message }) => message),
    ['two and two are five'],
  )
})

test('who waits is told when the server closes, and still answered', async (context) => {
  const { socket, listener, closed } = await server(context, async (_request, { signal }) => {
    await systemClock.sleep(60_000, signal)
    return { errorCode: 7 }
  })
  send(socket, '1')
  await systemClock.sleep(20)
  const closing = listener.close(5_000)
  assert.deepEqual(await answers(socket, 1), [[1, 7]])
  await closing
  assert.deepEqual(await reasons(closed), ['shutdown'])
})

test('a handler is told that its answer is no longer used, also if nobody gets it', async (t) => {
  const done: string[] = []
  const resolvers = new Map<string, () => void>()
  const { socket, closed } = await server(t, (request, context) => {
    const { groupId } = request
    context.proceed()
    context.whenSent(() => done.push(groupId))
    if (groupId === '1') return { errorCode: 0 }
    return new Promise((resolve) => resolvers.set(groupId, () => resolve({ errorCode: 0 })))
  })
  send(socket, '1')
  while (done.length < 1) await systemClock.sleep(1)
  // One that is done waits for its turn behind one that is not, and another is done after its connection is gone.
  send(socket, '2', '3')
  while (resolvers.size < 2) await systemClock.sleep(1)
  resolvers.get('3')?.()
  await systemClock.sleep(5)
  assert.deepEqual(done, ['1'])
  socket.destroy()
  await reasons(closed)
  while (done.length < 2) await systemClock.sleep(1)
  assert.deepEqual(done, ['1', '3'])
  resolvers.get('2')?.()
  while (done.length < 3) await systemClock.sleep(1)

  const other = await server(t, (request, context) => {
    context.whenSent(() => done.push(request.groupId))
    throw new UnavailableError('not now')
  })
  send(other.socket, '4')
  await reasons(other.closed)
  assert.deepEqual(done, ['1', '3', '2', '4'])
})
