import fc from 'fast-check'
import type { Message } from '../../src/protocol/api.js'
import type { Presence, Shape, Type } from '../../src/protocol/schema.js'
import { isNullable, isPresent } from './oracle.js'

/** Any value that a writer of `message` takes in `version`; what may be left out sometimes is. */
export function messageArbitrary(message: Message<Shape>, version: number): fc.Arbitrary<Record<string, unknown>> {
  return shapeArbitrary(message.fields, version)
}

function shapeArbitrary(shape: Shape, version: number): fc.Arbitrary<Record<string, unknown>> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {}
  const required: string[] = []
  for (const [name, { type, presence }] of Object.entries(shape)) {
    if (!isPresent(presence, version)) continue
    const value = typeArbitrary(type, version)
    fields[name] = isNullable(presence, version) ? fc.option(value, { freq: 4 }) : value
    if (!mayBeLeftOut(presence)) required.push(name)
  }
  return fc.record(fields, { requiredKeys: required })
}

function mayBeLeftOut({ since, until, tag, default: value }: Presence): boolean {
  return value !== undefined || tag !== undefined || since > 0 || until !== Number.POSITIVE_INFINITY
}

function typeArbitrary(type: Type, version: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'boolean':
      return fc.boolean()
    case 'int8':
      return fc.integer({ min: -0x80, max: 0x7f })
    case 'int16':
      return fc.integer({ min: -0x8000, max: 0x7fff })
    case 'uint16':
      return fc.integer({ min: 0, max: 0xffff })
    case 'int32':
      return fc.integer()
    case 'int64':
      return fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, 2 ** 32, -(2 ** 32), 2 ** 53 - 1, 1 - 2 ** 53))
    case 'float64':
      // Kafka takes -0 for 0, and so doesn't write it where 0 is the default.
      return fc.double().map((value) => (value === 0 ? 0 : value))
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'))
    case 'string':
      return fc.oneof(
        { weight: 4, arbitrary: fc.string({ maxLength: 12 }) },
        { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 12 }) },
        { weight: 1, arbitrary: fc.string({ minLength: 38, maxLength: 200 }) },
        { weight: 1, arbitrary: fc.string({ unit: 'binary', minLength: 38, maxLength: 200 }) },
      )
    case 'bytes':
      return bytesArbitrary(200)
    case 'records':
      return fc.array(fc.oneof(bytesArbitrary(40), bytesArbitrary(1500)), { maxLength: 3 })
    case 'array':
      return fc.array(typeArbitrary(type.element, version), { maxLength: 3 })
    case 'struct':
      return shapeArbitrary(type.fields, version)
  }
}

function bytesArbitrary(maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength, size: 'max' }).map((bytes) => Buffer.from(bytes))
}
