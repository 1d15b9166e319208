import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StoreError } from '../../base/errors.js'
import { errnoOf, fromErrno } from './errno.js'

const failed = (code: string) => Object.assign(new Error(`${code}: that failed, open 'x'`), { code })

test('a full disk, a broken one and too many open files may pass', () => {
  for (const code of ['ENOSPC', 'EDQUOT', 'EIO', 'EMFILE', 'ENFILE', 'EAGAIN', 'ESTALE', 'ENOENT']) {
    const error = fromErrno('put', 'a/b', failed(code))
    assert.ok(error instanceof StoreError)
    assert.ok(error.retry, code)
    assert.equal(error.key, 'a/b')
    assert.match(error.message, new RegExp(`put failed: ${code}`))
  }
})

test('missing rights, a read-only file system and one without links last', () => {
  for (const code of ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EXDEV', 'EOPNOTSUPP']) {
    const error = fromErrno('put', 'a/b', failed(code))
    assert.ok(error instanceof StoreError && !error.retry, code)
  }
})

test('what is no error of the system stays what it is', () => {
  const bug = new TypeError('not a function')
  assert.equal(fromErrno('put', 'a', bug), bug)
  const known = new StoreError('fsync failed', { key: 'a', retry: false })
  assert.equal(fromErrno('put', 'a', known), known)
  assert.equal(errnoOf('ENOENT'), undefined)
})
