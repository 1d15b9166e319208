/** The bytes are no message of that API and version; `field` says where reading stopped. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  /** Message, version and path: 'Fetch request v12: topics[].partitions[].fetchOffset'. */
  readonly field: string

  constructor(field: string, problem: string) {
    super(`${field}: ${problem}`)
    this.field = field
  }
}

/** A message of ours can't be written in that version: a value is missing, null, or out of range. */
export class EncodeError extends Error {
  override readonly name = 'EncodeError'
  readonly field: string

  constructor(field: string, problem: string) {
    super(`${field}: ${problem}`)
    this.field = field
  }
}
