/**
 * The bytes of a record batch are not what the format allows (a length, a count, a checksum, a compressed stream),
 * or they unpack to more than the caller's bound. Everything in this folder that reads bytes throws this and nothing
 * else for bad bytes.
 */
export class RecordError extends Error {
  override readonly name = 'RecordError'
}
