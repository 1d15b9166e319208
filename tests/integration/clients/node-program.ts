import { createInterface } from 'node:readline'
import type { ClientRecord, Verbs } from './driver.js'

/** What a group member tells without being asked. */
export type MemberEvent = { event: 'assigned'; partitions: number[] } | { event: 'records'; records: ClientRecord[] }

/** The verbs of a client program in TypeScript; those its library has no call for are left out. */
export type Answers = {
  [V in keyof Verbs]?: (parameters: Verbs[V][0], report: (event: MemberEvent) => void) => Promise<Verbs[V][1]>
}

/** Answers the requests on standard input until it ends, then calls `close`. */
export async function serve(answers: Answers, close: () => Promise<void>): Promise<void> {
  const write = (reply: object) => process.stdout.write(`${JSON.stringify(reply)}\n`)
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, verb, ...parameters } = JSON.parse(line) as { id: number; verb: keyof Verbs }
    try {
      const answer = answers[verb] as ((parameters: object, report: typeof write) => Promise<unknown>) | undefined
      write({ id, result: (await (answer ?? refused(verb))(parameters, write)) ?? null })
    } catch (error) {
      write({ id, error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) })
    }
  }
  await close()
  process.exit(0)
}

/** @throws Error always: this client has no such thing. */
export function refused(what: string): never {
  throw new Error(`this client has no ${what}`)
}
