import * as z from 'zod'
import type { StepSpec } from '../component.js'
import { compileExpression } from './expression.js'

const dropped: readonly never[] = []

/** `filter = 'value.status == "paid"'`: keeps the records for which the expression is true. */
export const filter: StepSpec<string> = {
  kind: 'step',
  name: 'filter',
  summary: 'Keeps the records for which a CEL expression is true; the others are done with.',
  delivery: 'exactly-once',
  options: z
    .string({ error: 'expected a CEL expression, such as \'value.status == "paid"\'' })
    .min(1, { error: 'expected a CEL expression, such as \'value.status == "paid"\'' }),
  async open(options) {
    const expression = await compileExpression(options, ['bool', 'dyn'])
    return {
      apply(record) {
        const result = expression(record)
        if (result === true) return [record]
        if (result === false) return dropped
        throw new TypeError(`filter gave ${result === null ? 'null' : typeof result}, expected true or false`)
      },
    }
  },
}
