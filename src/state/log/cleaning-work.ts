import type { Clock } from '../../base/clock.js'
import { type CleanedRanges, CleaningSteps, type KeysToNote, type OffsetRules } from './cleaning-steps.js'
import { GivingWay } from './giving-way.js'
import type { StoredRanges } from './range-bytes.js'

/** Does what takes time when a partition is cleaned: here and there in turn with other work, or on another thread. */
export interface CleaningWork {
  /**
   * Begins a cleaning; there is one at a time.
   * @param signal aborted when this instance ends: what is under way then may reject with its reason.
   */
  begin(keys: KeysToNote, signal: AbortSignal): Promise<CleaningSession>
}

/**
 * One cleaning: first the keys, then what is left. See `CleaningSteps` for what it does, and gives. One piece is given at a
 * time, which bounds what is under way. Its memory goes over to the session: whoever gave it has no bytes any more.
 */
export interface CleaningSession {
  note(stored: StoredRanges): Promise<number | undefined>
  clean(stored: StoredRanges, rules: OffsetRules): Promise<CleanedRanges>
  /** Forgets the keys. */
  end(): void
}

/** Does it on the event loop, a batch at a time. */
export function inlineCleaning(clock: Clock): CleaningWork {
  return {
    begin: async (keys) => {
      const steps = new CleaningSteps(keys)
      const work = new GivingWay(clock)
      return {
        note: (stored) => work.through(steps.note(stored)),
        clean: (stored, rules) => work.through(steps.clean(stored, rules)),
        end() {},
      }
    },
  }
}
