/** What is used of a block that was read lately counts this much. */
const weight = 1 / 16
/** One of so many small ranges is read with its whole block in any case, to see how much of it is used. */
const trialEvery = 32

/** What a read costs, told in bytes: it takes as long as so many bytes do, however few it brings. */
export const readCostBytes = 64 * 1024

/**
 * Whether small ranges are worth a read of the whole block around them: where a consumer reads many partitions in step,
 * or many consumers do, the ranges beside it are wanted next, and otherwise they are read for nothing. Measured with
 * ranges of 60 KiB: of blocks all of which is used some 0.7× of the CPU of a read for each range, of those of which one
 * range in four is 5×.
 */
export class BlockUse {
  readonly #blockBytes: number
  /** Of the blocks that were read lately, and have gone, so much was used. */
  #share = 1
  #asked = 0

  constructor(blockBytes: number) {
    this.#blockBytes = blockBytes
  }

  /** A block of so many bytes is gone, so many of which were used. */
  gone(usedBytes: number, bytes: number): void {
    if (bytes > 0) this.#share += (Math.min(1, usedBytes / bytes) - this.#share) * weight
  }

  /** Whether a range of so many bytes is to be read with the block around it. */
  isWorthIt(length: number): boolean {
    this.#asked++
    if (this.#asked % trialEvery === 0) return true
    const rangesUsed = (this.#share * this.#blockBytes) / length
    return rangesUsed * (readCostBytes + length) > readCostBytes + this.#blockBytes
  }
}
