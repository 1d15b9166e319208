import type { Random } from '../base/random.js'

/** How often and how soon a failed write is tried again. */
export interface RetryPolicy {
  /** Tries in all, the first included. */
  attempts: number
  /** Before the second try, milliseconds; doubled each time. */
  intervalMs: number
  maxIntervalMs: number
}

/** No target may make a pipeline wait longer than that by `Retry-After`. */
export const retryAfterMsMax = 5 * 60_000

/**
 * How long to wait after so many failures (1 and up), milliseconds: exponential, the upper half by chance, so that
 * partitions that failed together do not come back together. A target's own wish counts if it is longer.
 */
export function backoffMs(policy: RetryPolicy, failures: number, random: Random, retryAfterMs = 0): number {
  const full = Math.min(policy.maxIntervalMs, policy.intervalMs * 2 ** Math.min(failures - 1, 30))
  return Math.max(full * (0.5 + random.next() / 2), Math.min(retryAfterMs, retryAfterMsMax))
}
