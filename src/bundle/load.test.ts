import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type * as Load from './load.js'

test('a bundle is used only while nothing that it was made of is newer', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'heraclitus-bundle-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const path of ['bundle/load.js', 'base/heap.js'])
    cpSync(fileURLToPath(new URL(`../${path}`, import.meta.url)), join(root, 'dist/src', path))
  writeFileSync(join(root, 'package.json'), '{"type":"module"}')
  const { isBundleUpToDate, bundlePath } = (await import(
    pathToFileURL(join(root, 'dist/src/bundle/load.js')).href
  )) as typeof Load
  const writeAt = (path: string, seconds: number) => {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, '')
    utimesSync(path, seconds, seconds)
  }

  assert.equal(isBundleUpToDate(), false)
  writeAt(bundlePath, 1_000)
  assert.equal(isBundleUpToDate(), true)
  for (const origin of ['dist/src.tsbuildinfo', 'node_modules/.package-lock.json']) {
    writeAt(join(root, origin), 1_000)
    assert.equal(isBundleUpToDate(), true, origin)
    writeAt(join(root, origin), 1_001)
    assert.equal(isBundleUpToDate(), false, origin)
    writeAt(join(root, origin), 999)
  }
})
