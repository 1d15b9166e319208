/** The types of configuration values, as Kafka's `ConfigDef.Type`. */
export type ConfigType = 'boolean' | 'string' | 'int' | 'long' | 'double' | 'list'

/** One configuration key: what values it takes, and what it means. */
export interface ConfigDefinition {
  readonly name: string
  readonly type: ConfigType
  /** As text, as it is shown. */
  readonly default: string
  /** Smallest and largest number. */
  readonly min?: number
  readonly max?: number
  /** The values a string, or each element of a list, may have. */
  readonly values?: readonly string[]
  /** What the key of the broker's defaults is called. */
  readonly brokerName: string | undefined
  readonly documentation: string
}

const integerBounds = {
  int: [-(2n ** 31n), 2n ** 31n - 1n],
  long: [-(2n ** 63n), 2n ** 63n - 1n],
} as const

/**
 * What is wrong with a value, in the words of Kafka's `ConfigDef`: key, value, and what was expected. Undefined if
 * it is right.
 */
export function configProblem(definition: ConfigDefinition, value: string): string | undefined {
  const problem = problemOf(definition, value.trim())
  return problem && `Invalid value ${value} for configuration ${definition.name}: ${problem}`
}

function problemOf({ type, min, max, values }: ConfigDefinition, value: string): string | undefined {
  switch (type) {
    case 'boolean':
      return /^(true|false)$/i.test(value) ? undefined : 'Expected value to be either true or false'
    case 'string':
      return values === undefined || values.includes(value) ? undefined : `String must be one of: ${values.join(', ')}`
    case 'list': {
      const strange = listOf(value).find((element) => values !== undefined && !values.includes(element))
      return strange === undefined ? undefined : `String must be one of: ${values?.join(', ')}`
    }
    case 'double':
      if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value)) return 'Not a number of type DOUBLE'
      return outOfRange(Number(value), min, max)
    default: {
      const [smallest, largest] = integerBounds[type]
      const isInteger = /^[+-]?\d{1,20}$/.test(value)
      const integer = isInteger ? BigInt(value.replace('+', '')) : 0n
      if (!isInteger || integer < smallest || integer > largest) return `Not a number of type ${type.toUpperCase()}`
      return outOfRange(Number(integer), min, max)
    }
  }
}

function outOfRange(value: number, min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY): string | undefined {
  if (value < min) return `Value must be at least ${min}`
  if (value > max) return `Value must be no more than ${max}`
  return undefined
}

/** The elements of a list's text. */
export function listOf(value: string): string[] {
  const text = value.trim()
  return text === '' ? [] : text.split(/\s*,\s*/)
}
