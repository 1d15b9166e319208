import { randomBytes, randomUUID } from 'node:crypto'

/** Chance comes in by the door, as time does: a simulation passes a seeded source. */
export interface Random {
  /** A number in [0, 1). */
  next(): number
  /** `length` bytes as lower-case hexadecimal. */
  hex(length: number): string
  /** A random UUID (version 4) with dashes. */
  uuid(): string
}

/** The machine's own randomness. */
export const systemRandom: Random = {
  next: () => Math.random(),
  hex: (length) => randomBytes(length).toString('hex'),
  uuid: () => randomUUID(),
}

/** A seeded source (mulberry32): the same seed gives the same sequence. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
  const hex = (length: number) => {
    let text = ''
    for (let i = 0; i < length; i++)
      text += Math.floor(next() * 256)
        .toString(16)
        .padStart(2, '0')
    return text
  }
  const uuid = () => {
    const h = hex(16)
    const variant = (8 + (Number.parseInt(h[16] ?? '0', 16) & 3)).toString(16)
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-${variant}${h.slice(17, 20)}-${h.slice(20)}`
  }
  return { next, hex, uuid }
}
