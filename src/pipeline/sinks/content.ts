import * as z from 'zod'

/** `content = "value" | "record"`: what text sinks write of a record. */
export const contentOption = z.enum(['value', 'record']).default('value')
