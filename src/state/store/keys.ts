import { assert } from '../../base/assert.js'

/** Longest key, characters: S3 allows 1,024 bytes, and a prefix of the operator's stands before ours. */
export const keyLengthMax = 512

const pattern = /^(?!(?:tmp|journal)(?:\/|$))(?:(?!\.\.?(?:\/|$))[A-Za-z0-9._-]{1,200}(?:\/(?!$)|$))+$/

/** Whether `key` is `/`-separated, of `[A-Za-z0-9._-]`, without `.` or `..`, and not below `tmp/` or `journal/`, which are the directory store's own. */
export function isKey(key: string): boolean {
  return key.length <= keyLengthMax && pattern.test(key)
}

/**
 * States that `key` is one that every store can hold.
 * @throws AssertionError when it is not: keys are made by us alone.
 */
export function checkKey(key: string): void {
  assert(isKey(key), `not an object key: ${JSON.stringify(key)}`)
}

/**
 * States that `prefix` is the beginning of keys; it need not end at a folder's boundary.
 * @throws AssertionError when it is not.
 */
export function checkPrefix(prefix: string): void {
  assert(
    prefix === '' || isKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix),
    `not a prefix of keys: ${JSON.stringify(prefix)}`,
  )
}

/** The key's folder without a trailing slash; empty for a key at the top. */
export function folderOf(key: string): string {
  return key.slice(0, Math.max(key.lastIndexOf('/'), 0))
}

/** Compares keys by their bytes, for sorting. */
export function byBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
