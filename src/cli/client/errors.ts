import { errorName } from '../../protocol/error-codes.js'

/** The gateway could not be reached, went away, or did not answer in time. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
}

/** The gateway refused what was asked. */
export class KafkaError extends Error {
  override readonly name = 'KafkaError'
  readonly code: number

  /** @param what what was asked, for the message: 'create topic orders' */
  constructor(what: string, code: number, detail?: string | null) {
    super(`${what}: ${errorName(code)}${detail ? ` (${detail})` : ''}`)
    this.code = code
  }
}

/** @throws KafkaError unless the code is NONE. */
export function check(what: string, code: number, detail?: string | null): void {
  if (code !== 0) throw new KafkaError(what, code, detail)
}
