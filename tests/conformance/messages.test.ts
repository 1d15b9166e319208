import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Message } from '../../src/protocol/api.js'
import { apis } from '../../src/protocol/apis.js'
import type { Shape } from '../../src/protocol/schema.js'
import { lookFor } from '../integration/tools.js'
import { type Definition, declaredLines, definedLines, parseDefinition, parseRange } from './definitions.js'
import { kafkaClientsJar, readJar } from './kafka-clients.js'
import { isPresent } from './oracle.js'

const { tool: jar, skip } = await lookFor('the kafka-clients jar', kafkaClientsJar)

if (jar === undefined) {
  test('every message is declared as Kafka defines it', { skip })
} else {
  const definitions = new Map<string, Definition>()
  for (const content of readJar(jar, (name) => /^common\/message\/.*\.json$/.test(name)).values()) {
    const definition = parseDefinition(content.toString('utf8'))
    definitions.set(definition.name, definition)
  }

  describe('every message is declared as Kafka defines it', () => {
    for (const api of apis) {
      for (const message of [api.request, api.response]) {
        test(message.name, () => {
          const definition = definitions.get(message.name.replace(/ (.)/, (_, letter) => String(letter).toUpperCase()))
          assert.ok(definition, `Kafka defines no ${message.name}`)
          compare(api.key, message, definition)
        })
      }
    }
  })

  test('request and response headers are as our framing has them', () => {
    const request = definitions.get('RequestHeader')
    const response = definitions.get('ResponseHeader')
    assert.ok(request && response)
    assert.equal(request.flexibleVersions, '2+')
    assert.deepEqual(definedLines(request, 2), [
      'requestApiKey: int16, default 0',
      'requestApiVersion: int16, default 0',
      'correlationId: int32, default 0',
      'clientId: string or null, default null not flexible',
    ])
    assert.equal(response.flexibleVersions, '1+')
    assert.deepEqual(definedLines(response, 1), ['correlationId: int32, default 0'])
  })
}

function compare(key: number, message: Message<Shape>, definition: Definition): void {
  const [min, max] = message.versions
  assert.equal(key, definition.apiKey)
  assert.deepEqual(message.versions, parseRange(definition.validVersions))
  assert.equal(message.flexible, parseRange(definition.flexibleVersions)[0])
  for (let version = min; version <= max; version++) {
    assert.deepEqual(declaredLines(message, version), definedLines(definition, version), `v${version}`)
  }
  assertNoDeadField(message.fields, min, max)
}

/** Each field is in some version between `min` and `max`, within the versions of the struct around it. */
function assertNoDeadField(shape: Shape, min: number, max: number): void {
  for (const [name, { type, presence }] of Object.entries(shape)) {
    const [since, until] = [Math.max(min, presence.since), Math.min(max, presence.until)]
    assert.ok(since <= until && isPresent(presence, since), `${name} is in no version`)
    const element = type.kind === 'array' ? type.element : type
    if (element.kind === 'struct') assertNoDeadField(element.fields, since, until)
  }
}
