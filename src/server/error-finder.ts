import type { Shape, Type } from '../protocol/schema.js'

/** Where an error code may stand: names of arrays and structs, then `errorCode`. */
type Path = readonly string[]

/**
 * Makes a function that gives the first error code in an answer of that shape that isn't 0, or 0. It looks where the
 * declaration has an `errorCode`: at the top, and in the elements of arrays.
 */
export function errorFinder(response: Shape): (answer: unknown) => number {
  const paths = pathsIn(response, [])
  return (answer) => {
    for (const path of paths) {
      const code = firstError(answer, path, 0)
      if (code !== 0) return code
    }
    return 0
  }
}

function pathsIn(shape: Shape, above: Path): Path[] {
  return Object.entries(shape).flatMap(([name, field]) => {
    if (name === 'errorCode') return [[...above, name]]
    const fields = fieldsOf(field.type)
    return fields === undefined ? [] : pathsIn(fields, [...above, name])
  })
}

function fieldsOf(type: Type): Shape | undefined {
  if (type.kind === 'array') return fieldsOf(type.element)
  return type.kind === 'struct' ? type.fields : undefined
}

function firstError(value: unknown, path: Path, depth: number): number {
  if (typeof value === 'number') return value
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) {
    for (const element of value) {
      const code = firstError(element, path, depth)
      if (code !== 0) return code
    }
    return 0
  }
  const name = path[depth]
  return name === undefined ? 0 : firstError((value as Record<string, unknown>)[name], path, depth + 1)
}
