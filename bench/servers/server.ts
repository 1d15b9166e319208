import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createConnection, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** When a write is acknowledged: once the page cache has it, or once the disk has it. */
export type Durability = 'page cache' | 'fsync'

/** A running server that loads can be put on. */
export interface Server {
  /** `host:port` for clients. */
  readonly bootstrap: string
  /** Its process, whose CPU time and memory are measured. */
  readonly pid: number
  /** From the process's start to its first answer to ApiVersions; unknown for a server started elsewhere. */
  readonly startMs?: number
  /** Where a gateway tells its metrics. */
  readonly metricsUrl?: string
  /** Topic settings with which this server acknowledges only what the disk has. */
  readonly fsyncTopicConfig: readonly { name: string; value: string }[]
  /** Ends it and removes what it stored; does nothing to a server started elsewhere. */
  stop(): Promise<void>
}

/** A server that runs already, given as `host:port,pid`. */
export function runningServer(bootstrap: string, pid: number): Server {
  return { bootstrap, pid, fsyncTopicConfig: [], stop: () => Promise.resolve() }
}

/** ApiVersions, version 0, correlation id 1, no client id. */
const apiVersionsRequest = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])

/**
 * Waits until the server on that port of this machine answers ApiVersions without an error.
 * @throws Error when the process ends before, or after `timeoutMs`.
 */
export async function untilAnswering(
  child: ChildProcess,
  port: number,
  log: () => string,
  timeoutMs = 60_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await answers(port))) {
    if (hasEnded(child)) throw new Error(`the server ended with ${child.exitCode ?? child.signalCode}\n${log()}`)
    if (performance.now() > deadline) throw new Error(`no answer on port ${port} in ${timeoutMs} ms\n${log()}`)
    await sleep(5)
  }
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port })
    const end = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    let received = Buffer.alloc(0)
    socket.setTimeout(2000, () => end(false))
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
    socket.once('connect', () => socket.write(apiVersionsRequest))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (received.length >= 10) end(received.readInt32BE(4) === 1 && received.readInt16BE(8) === 0)
    })
  })
}

/**
 * A server whose process was started at `startedAt` (`performance.now()`), once it answers.
 * @throws Error when it does not; it has been ended then, and what it stored removed.
 */
export async function answeringServer(
  child: ChildProcess,
  port: number,
  startedAt: number,
  removeStored: () => void,
): Promise<Server & { startMs: number }> {
  const stop = endingWithUs(child, removeStored)
  try {
    await untilAnswering(child, port, outputOf(child))
  } catch (error) {
    await stop()
    throw error
  }
  const startMs = performance.now() - startedAt
  return { bootstrap: `127.0.0.1:${port}`, pid: child.pid ?? 0, startMs, fsyncTopicConfig: [], stop }
}

/**
 * Sees to it that a process does not outlive this one, nor what it stored. Gives a function that ends it before:
 * SIGTERM, and SIGKILL when that takes more than 20 s.
 */
export function endingWithUs(child: ChildProcess, removeStored: () => void): () => Promise<void> {
  const onOurExit = () => {
    child.kill('SIGKILL')
    removeStored()
  }
  process.once('exit', onOurExit)
  return async () => {
    const patience = setTimeout(() => child.kill('SIGKILL'), 20_000)
    if (!hasEnded(child)) {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
      if (child.signalCode === 'SIGKILL') process.stderr.write('the server ignored SIGTERM for 20 s\n')
    }
    clearTimeout(patience)
    process.off('exit', onOurExit)
    removeStored()
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

/** The end of what a process writes to stdout and stderr. */
export function outputOf(child: ChildProcess): () => string {
  let text = ''
  const keep = (chunk: Buffer) => {
    text = (text + chunk.toString()).slice(-4000)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  return () => text
}

/** A free port, below those that the system gives to outgoing connections. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 15_000 + Math.floor(Math.random() * 15_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
  throw new Error('no free port found')
}
