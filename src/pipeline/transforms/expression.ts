import type { Environment } from '@marcbachmann/cel-js'
import { headersOf, type PipelineRecord } from '../record.js'

/**
 * CEL over records. The variables are `value`, `key`, `headers`, `topic`, `partition`, `offset` and `timestamp`.
 *
 * Numbers of a JSON document are doubles, as CEL's specification has it for JSON, and CEL knows no arithmetic
 * between doubles and the integers that literals are. People expect `value.qty * 2` to work: the mixed operators are
 * added here, and give doubles.
 */
export type Expression = (record: PipelineRecord) => unknown

/**
 * Compiles an expression. CEL is loaded at the first.
 * @param types the result types allowed, as CEL names them; any when absent
 * @throws SyntaxError with what is wrong in one line
 */
export async function compileExpression(source: string, types?: readonly string[]): Promise<Expression> {
  environment ??= createEnvironment()
  const evaluate = parse(await environment, source, types)
  const usesHeaders = /\bheaders\b/.test(source)
  return (record) => {
    try {
      return evaluate({
        value: record.value,
        key: record.key === null ? null : record.key.toString('utf8'),
        headers: usesHeaders ? headersOf(record) : undefined,
        topic: record.topic,
        partition: BigInt(record.partition),
        offset: BigInt(record.offset),
        timestamp: new Date(record.timestampMs),
      })
    } catch (cause) {
      throw new Error(`${source}: ${firstLine(cause)}`, { cause })
    }
  }
}

/**
 * A result of CEL as JSON has it: timestamps as RFC 3339, durations as `3600s`, bytes as base64.
 * @throws TypeError for what JSON has no form for (NaN, infinity, a type, an absent optional).
 */
export function toJson(result: unknown): unknown {
  if (result === null || typeof result === 'string' || typeof result === 'boolean') return result
  if (typeof result === 'bigint') return Number.isSafeInteger(Number(result)) ? Number(result) : result
  if (typeof result === 'number') {
    if (Number.isFinite(result)) return result
    throw new TypeError(`${result} has no form in JSON`)
  }
  if (Array.isArray(result)) return result.map(toJson)
  if (result instanceof Set) return [...result].map(toJson)
  if (result instanceof Date) return result.toISOString()
  if (result instanceof Uint8Array) return Buffer.from(result).toString('base64')
  if (result instanceof Map) return objectOf(result)
  if (typeof result === 'object') {
    const prototype = Object.getPrototypeOf(result)
    if (prototype === null || prototype === Object.prototype) return objectOf(Object.entries(result))
    const tag = Object.prototype.toString.call(result)
    if (tag === '[object google.protobuf.Duration]') return String(result)
    if ('value' in result && typeof result.value === 'bigint') return toJson(result.value)
  }
  throw new TypeError('the result has no form in JSON')
}

let environment: Promise<Environment> | undefined

async function createEnvironment(): Promise<Environment> {
  const { Environment } = await import('@marcbachmann/cel-js')
  const env = new Environment({ homogeneousAggregateLiterals: false, enableOptionalTypes: true })
    .registerVariable('value', 'dyn')
    .registerVariable('key', 'dyn')
    .registerVariable('headers', 'map<string, dyn>')
    .registerVariable('topic', 'string')
    .registerVariable('partition', 'int')
    .registerVariable('offset', 'int')
    .registerVariable('timestamp', 'google.protobuf.Timestamp')
  for (const [operator, compute] of Object.entries(arithmetic)) {
    const handler = (left: Numeric, right: Numeric) => compute(Number(left), Number(right))
    for (const whole of ['int', 'uint']) {
      env.registerOperator(`${whole} ${operator} double: double`, handler)
      env.registerOperator(`double ${operator} ${whole}: double`, handler)
    }
  }
  env.registerOperator('double % double: double', arithmetic['%'])
  env.registerOperator('int == double: bool', (left: bigint, right: number) => Number(left) === right)
  env.registerFunction('list.sum(): dyn', sum)
  env.registerFunction('string.substring(double): string', (text: string, start: number) => slice(text, start))
  env.registerFunction('string.substring(double, double): string', slice)
  env.registerFunction('string.substring(int, double): string', slice)
  env.registerFunction('string.substring(double, int): string', slice)
  return env
}

type Numeric = number | bigint

const arithmetic = {
  '+': (a: number, b: number) => a + b,
  '-': (a: number, b: number) => a - b,
  '*': (a: number, b: number) => a * b,
  '/': (a: number, b: number) => a / b,
  '%': (a: number, b: number) => a % b,
}

/** The sum of a list of numbers; 0 for an empty one. Whole numbers stay whole. */
function sum(list: readonly unknown[]): Numeric {
  let total: Numeric = 0n
  for (const element of list) {
    if (typeof element === 'bigint' && typeof total === 'bigint') total += element
    else if (typeof element === 'number' || typeof element === 'bigint') total = Number(total) + Number(element)
    else throw new TypeError(`sum() of a list that has a ${element === null ? 'null' : typeof element} in it`)
  }
  return total
}

function slice(text: string, start: Numeric, end: Numeric = text.length): string {
  const [from, to] = [Number(start), Number(end)]
  const fits = Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= text.length
  if (!fits) throw new RangeError(`substring(${from}, ${to}) of a string of length ${text.length}`)
  return text.slice(from, to)
}

function parse(env: Environment, source: string, types: readonly string[] | undefined) {
  let parsed: ReturnType<Environment['parse']>
  let checked: ReturnType<typeof parsed.check>
  try {
    parsed = env.parse(source)
    checked = parsed.check()
  } catch (cause) {
    throw new SyntaxError(firstLine(cause), { cause })
  }
  if (!checked.valid) throw new SyntaxError(firstLine(checked.error), { cause: checked.error })
  if (types !== undefined && !types.includes(checked.type ?? 'dyn'))
    throw new SyntaxError(`the expression gives ${checked.type}, expected ${types[0]}`)
  return parsed
}

/** CEL's messages go on with a drawing of the place. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? ''
}

function objectOf(entries: Iterable<[unknown, unknown]>): Record<string, unknown> {
  return Object.fromEntries([...entries].map(([key, value]) => [String(key), toJson(value)]))
}
