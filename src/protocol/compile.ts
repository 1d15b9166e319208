import { assert } from '../base/assert.js'
import type { Message, Read, Write } from './api.js'
import { atVersion } from './at-version.js'
import { readCode } from './read-code.js'
import { reader } from './reader.js'
import type { Shape } from './schema.js'
import { writeCode } from './write-code.js'
import { writing } from './writer.js'

/**
 * The reader of `message` in `version`, compiled at first use. It throws ProtocolError for anything but exactly one
 * well-formed message.
 */
export function readerOf<S extends Shape>(message: Message<S>, version: number): Read<S> {
  const { readers } = message.compiled
  readers[version] ??= compile(message, version, 'read', ['b', 'p', 'e'], reader)
  return readers[version] as Read<S>
}

/**
 * As `readerOf`, but for bytes after the message's end: they are ignored, as Kafka's brokers do. Clients rely on it:
 * librdkafka 2.16 sends three zeros too many when it asks for the metadata of all topics.
 */
export function tolerantReaderOf<S extends Shape>(message: Message<S>, version: number): Read<S> {
  const { tolerantReaders } = message.compiled
  tolerantReaders[version] ??= compile(message, version, 'readStart', ['b', 'p', 'e'], reader)
  return tolerantReaders[version] as Read<S>
}

/** The writer of `message` in `version`, compiled at first use. It throws EncodeError for a message that doesn't fit. */
export function writerOf<S extends Shape>(message: Message<S>, version: number): Write<S> {
  const { writers } = message.compiled
  writers[version] ??= compile(message, version, 'write', ['w', 'm'], writing)
  return writers[version] as Write<S>
}

/**
 * Names in the source come from our declarations alone, never from the wire. The `sourceURL` and the function's name
 * show in stack traces and profiles.
 */
function compile(
  message: Message<Shape>,
  version: number,
  verb: 'read' | 'readStart' | 'write',
  parameters: readonly string[],
  runtime: object,
): unknown {
  const [min, max] = message.versions
  assert(version >= min && version <= max, `${message.name} has no version ${version}`)
  const wire = atVersion(message, version)
  const body = verb === 'write' ? writeCode(wire) : readCode(wire, verb === 'read' ? 'refused' : 'ignored')
  const name = `${verb}${wire.name.replaceAll(' ', '')}`
  const url = `heraclitus/protocol/${name}.js`
  const source = `'use strict'\nreturn function ${name}(${parameters.join(', ')}) {\n${body}\n}\n//# sourceURL=${url}`
  return new Function('r', source)(runtime)
}
