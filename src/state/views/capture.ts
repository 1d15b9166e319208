import { assert } from '../../base/assert.js'

/** A piece of a view that changes, and is encoded as a whole. */
export interface Capturable {
  /** The last capture that has this piece, or began before there was it; 0 for none. Not part of the state. */
  captured: number
}

export interface Captured {
  plain: unknown
  /** About how many bytes it takes. */
  bytes: number
}

/**
 * All of a piece as plain data. It must not change with the piece any more if that is changing; otherwise it is encoded
 * before anything can.
 */
export type CaptureOf<Piece> = (piece: Piece, isChanging: boolean) => Captured

/** Something that is taken a few pieces at a time, while the ledger goes on. */
export interface Slices {
  /** The next pieces in their order, as plain data: at most `countMax`, and no more once they have `bytesMax`. */
  take(countMax: number, bytesMax: number): unknown[]
  /** Nothing needs to be kept any more. */
  end(): void
}

/**
 * What all pieces of a view were at one moment: a piece that is about to change before its turn is taken just then.
 * One capture of a view ends before the next begins.
 */
export class Captures<Piece extends Capturable> {
  readonly #capture: CaptureOf<Piece>
  #current: Capture<Piece> | undefined
  /** How many there were: what a new piece begins with as `captured`. */
  count = 0

  constructor(capture: CaptureOf<Piece>) {
    this.#capture = capture
  }

  begin(pieces: readonly Piece[]): Slices {
    assert(this.#current === undefined, 'one capture ends before the next begins')
    const capture = new Capture(++this.count, pieces, this.#capture, () => {
      this.#current = undefined
    })
    this.#current = capture
    return capture
  }

  /** To be called before a piece is changed. */
  willChange(piece: Piece): void {
    this.#current?.keep(piece)
  }
}

class Capture<Piece extends Capturable> implements Slices {
  /** Counted from 1. */
  readonly #number: number
  readonly #pieces: readonly Piece[]
  readonly #capture: CaptureOf<Piece>
  readonly #onEnd: () => void
  /** Of pieces that changed before their turn: what they were. */
  readonly #early = new Map<Piece, Captured>()
  #next = 0

  constructor(number: number, pieces: readonly Piece[], capture: CaptureOf<Piece>, onEnd: () => void) {
    this.#number = number
    this.#pieces = pieces
    this.#capture = capture
    this.#onEnd = onEnd
  }

  keep(piece: Piece): void {
    if (piece.captured === this.#number) return
    piece.captured = this.#number
    this.#early.set(piece, this.#capture(piece, true))
  }

  take(countMax: number, bytesMax: number): unknown[] {
    const taken: unknown[] = []
    for (let bytes = 0; taken.length < countMax && bytes < bytesMax; ) {
      const piece = this.#pieces[this.#next]
      if (piece === undefined) break
      this.#next++
      const early = this.#early.get(piece)
      const one = early ?? this.#capture(piece, false)
      taken.push(one.plain)
      bytes += one.bytes
      if (early === undefined) piece.captured = this.#number
      else this.#early.delete(piece)
    }
    return taken
  }

  end(): void {
    this.#onEnd()
  }
}

/** The same for pieces that never change: only which there are does. */
export function slicesOf<Piece>(pieces: readonly Piece[], toPlain: (piece: Piece) => unknown): Slices {
  let next = 0
  return {
    take(countMax) {
      const taken = pieces.slice(next, next + countMax).map(toPlain)
      next += taken.length
      return taken
    },
    end() {},
  }
}
