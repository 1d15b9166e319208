import * as z from 'zod'
import type { StepSpec } from '../component.js'
import { withValue } from '../record.js'
import { detectorNames, maskEmail, maskText, wholeEmail } from './detectors.js'
import { changeField, changeStrings, parsePath } from './paths.js'

const options = z
  .strictObject({
    fields: z.array(z.string().min(1)).default([]),
    detect: z.array(z.enum(detectorNames)).default([]),
    replacement: z.string().default('***'),
  })
  .refine((mask) => mask.fields.length + mask.detect.length > 0, { error: 'expected `fields`, `detect` or both' })

export type MaskOptions = z.infer<typeof options>

/** `mask = { fields = ["email"], detect = ["credit_card"] }`: hides what must not go further. */
export const mask: StepSpec<MaskOptions> = {
  kind: 'step',
  name: 'mask',
  summary: 'Replaces fields by name, and e-mail addresses, card numbers and the like wherever they stand in texts.',
  delivery: 'exactly-once',
  options,
  async open({ fields, detect, replacement }, { format }) {
    if (format === 'raw' && fields.length > 0)
      throw new SyntaxError('mask.fields needs format = "json": a raw value has no fields')
    const paths = fields.map(parsePath)
    const hide = (value: unknown) => {
      if (value === null) return null
      return typeof value === 'string' && wholeEmail.test(value) ? maskEmail(value, replacement) : replacement
    }
    const search = (text: string) => maskText(text, detect, replacement)
    return {
      apply(record) {
        if (record.value === null) return [record]
        if (Buffer.isBuffer(record.value)) {
          // latin1 maps every byte to one character and back, so that bytes that are no text come through unharmed.
          const text = record.value.toString('latin1')
          const masked = search(text)
          return [masked === text ? record : withValue(record, Buffer.from(masked, 'latin1'))]
        }
        let value: unknown = record.value
        for (const path of paths) value = changeField(value, path, hide)
        if (detect.length > 0) value = changeStrings(value, search)
        return [value === record.value ? record : withValue(record, value)]
      },
    }
  },
}
