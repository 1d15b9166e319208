import * as z from 'zod'
import type { StepSpec } from '../component.js'
import { withValue } from '../record.js'
import { compileExpression, type Expression, toJson } from './expression.js'
import { type FieldPath, parsePath, removeField, setField } from './paths.js'

/** Fields and their expressions; nested tables are nested fields, as are dots in a name. */
export interface MapOptions {
  [field: string]: string | MapOptions
}

const options: z.ZodType<MapOptions> = z.lazy(() =>
  z.record(
    z.string(),
    z.union([z.string(), options], { error: 'expected a CEL expression in quotes (an empty one removes the field)' }),
    { error: "expected a table of fields and CEL expressions, such as { total = 'value.qty * value.price' }" },
  ),
)

/** `map = { total = 'value.qty * value.price', card = '' }`: sets fields of the value. */
export const map: StepSpec<MapOptions> = {
  kind: 'step',
  name: 'map',
  summary: 'Sets fields of the value to the results of CEL expressions; an empty expression removes the field.',
  delivery: 'exactly-once',
  options,
  async open(options, { format }) {
    if (format === 'raw') throw new SyntaxError('map needs format = "json": a raw value has no fields')
    const fields: { path: FieldPath; expression: Expression | undefined }[] = []
    for (const [path, source] of flatten(options, [])) {
      try {
        fields.push({ path, expression: source.trim() === '' ? undefined : await compileExpression(source) })
      } catch (cause) {
        throw new SyntaxError(`${path.join('.')}: ${cause instanceof Error ? cause.message : cause}`, { cause })
      }
    }
    return {
      apply(record) {
        // A tombstone has no fields to set, and must stay one for compacted topics to forget the key.
        if (record.value === null) return [record]
        // All expressions see the record as it came: their order does not matter.
        let value: unknown = record.value
        for (const { path, expression } of fields)
          value =
            expression === undefined ? removeField(value, path) : setField(value, path, toJson(expression(record)))
        return [withValue(record, value)]
      },
    }
  },
}

function* flatten(options: MapOptions, above: FieldPath): Generator<[FieldPath, string]> {
  for (const [name, source] of Object.entries(options)) {
    const path = [...above, ...parsePath(name)]
    if (typeof source === 'string') yield [path, source]
    else yield* flatten(source, path)
  }
}
