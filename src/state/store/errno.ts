import { StoreError } from '../../base/errors.js'

/** Errors that the same call will meet again until an operator has done something. */
const lasting = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EISDIR',
  'ELOOP',
  'ENAMETOOLONG',
  'EXDEV',
  'ENOSYS',
  'ENOTSUP',
  'EOPNOTSUPP',
])

/** The system's name of a failed call's error (`ENOENT`), or undefined if it is no error of the system. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** A failed file call as a store error; `operation` is the store's, as in 'put failed'. Anything else comes back as it was. */
export function fromErrno(operation: string, key: string, error: unknown): unknown {
  const errno = errnoOf(error)
  if (errno === undefined || !(error instanceof Error)) return error
  return new StoreError(`${operation} failed: ${error.message}`, { key, retry: !lasting.has(errno), cause: error })
}
