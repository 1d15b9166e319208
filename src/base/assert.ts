/** We are mistaken: a broken invariant of ours. Never caught to go on; the process stops. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/**
 * States an invariant.
 * @throws AssertionError when it does not hold.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}
