import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test } from 'node:test'
import { ErrorCode } from '../../src/protocol/error-codes.js'
import { lookFor } from '../integration/tools.js'
import { kafkaClientsJar, slf4jJar } from './kafka-clients.js'

const program = `
import org.apache.kafka.common.protocol.Errors;
public class PrintErrors {
  public static void main(String[] arguments) {
    for (Errors error : Errors.values()) System.out.println(error.name() + " " + error.code());
  }
}
`

const { tool: classPath, skip } = await lookFor('Java with the kafka-clients jar', () => {
  execFileSync('java', ['-version'], { stdio: 'ignore' })
  return [kafkaClientsJar(), slf4jJar()].join(delimiter)
})

test('the error codes are those of Kafka', { skip }, () => {
  assert.ok(classPath)
  const directory = mkdtempSync(join(tmpdir(), 'heraclitus-errors-'))
  try {
    const source = join(directory, 'PrintErrors.java')
    writeFileSync(source, program)
    const output = execFileSync('java', ['-cp', classPath, source], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const expected = output
      .trim()
      .split('\n')
      .map((line) => line.trim().split(' '))
    assert.ok(expected.length > 100)
    assert.deepEqual({ ...ErrorCode }, Object.fromEntries(expected.map(([name, code]) => [name, Number(code)])))
  } finally {
    rmSync(directory, { recursive: true })
  }
})
