import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { handlers } from '../../src/server/handlers/table.js'

const path = 'docs/compatibility.md'
const begin = '<!-- generated: npm run docs -->\n'
const end = '<!-- end -->'

function table(): string {
  const rows = handlers
    .map(({ api: { key, name, versions, advertisedFrom } }) => {
      const [first, last] = versions
      const advertised = advertisedFrom === first ? '' : ` (advertised from ${advertisedFrom})`
      return { key, row: `| ${key} | ${name} | ${first === last ? first : `${first}–${last}`}${advertised} |\n` }
    })
    .sort((a, b) => a.key - b.key)
  return `| key | API | versions |\n| --- | --- | --- |\n${rows.map(({ row }) => row).join('')}`
}

test('the table of APIs in docs/compatibility.md is what is served', () => {
  const text = readFileSync(path, 'utf8')
  const [from, to] = [text.indexOf(begin) + begin.length, text.indexOf(end)]
  assert.ok(from >= begin.length && to > from, `${path} has lost its marks`)
  if (process.env.UPDATE_DOCS === '1') writeFileSync(path, text.slice(0, from) + table() + text.slice(to))
  else assert.equal(text.slice(from, to), table(), 'run `npm run docs`')
})
