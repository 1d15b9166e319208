import type { CleanedRanges, KeysToNote, OffsetRules } from '../state/log/cleaning-steps.js'
import type { Range } from '../state/views/ranges.js'

/** What a worker thread is asked. But for `end`, each is answered, and the next one comes after that. */
export type Question =
  | { kind: 'begin'; keys: KeysToNote }
  | { kind: 'note'; ranges: readonly Range[]; bytes: Uint8Array }
  | { kind: 'clean'; ranges: readonly Range[]; bytes: Uint8Array; rules: OffsetRules }
  | { kind: 'end' }

/** What it says; `ready` once, before the first question. */
export type Answer =
  | { kind: 'ready' }
  | { kind: 'begun' }
  | { kind: 'noted'; full: number | undefined }
  /** A buffer arrives as the array of bytes that it is. */
  | { kind: 'cleaned'; cleaned: Omit<CleanedRanges, 'bytes'> & { bytes: Uint8Array } }
  /** A class does not survive the way from thread to thread. */
  | { kind: 'failed'; message: string; isCorrupt: boolean }
