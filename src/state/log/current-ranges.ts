import { CorruptObjectError } from '../../base/errors.js'
import type { PartitionLog } from '../views/partition-log.js'

/** So often ranges may change under one reader before it gives up. */
const attemptsMax = 5

/**
 * Reads by a partition's ranges. Upkeep, here or on another instance, may move records into a segment and delete the
 * object that a reader is just about to read: it then looks at the ranges again, as they are once `catchUp` has
 * applied what others wrote. Undefined if the partition itself is gone.
 * @throws CorruptObjectError if an object is missing to which the newest ranges refer.
 */
export async function withCurrentRanges<Result>(
  log: PartitionLog,
  options: { isCurrent(log: PartitionLog): boolean; catchUp(): Promise<void> },
  read: () => Promise<Result>,
): Promise<Result | undefined> {
  for (let attempt = 1; ; attempt++) {
    const { changes } = log.ranges
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof CorruptObjectError) || !error.isMissing) throw error
      await options.catchUp()
      if (!options.isCurrent(log)) return undefined
      if (attempt >= attemptsMax || log.ranges.changes === changes) throw error
    }
  }
}
