import assert from 'node:assert/strict'
import { test } from 'node:test'
import { topicNameProblem } from './topic-name.js'

test('names are valid as Kafka has it', () => {
  for (const name of ['a', 'A.b_c-9', '...', '__consumer_offsets', 'x'.repeat(249)])
    assert.equal(topicNameProblem(name), undefined)
  for (const name of ['', '.', '..', 'a b', 'ä', 'a/b', 'a\n', 'x'.repeat(250)])
    assert.match(topicNameProblem(name) ?? '', /^Topic name is invalid: /)
})
