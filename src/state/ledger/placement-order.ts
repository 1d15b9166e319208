/**
 * Tells which parts of one writer, looked at in their order, stand where they can take effect. After one that has lost
 * its place, those that come after it in the writer's order and before it in the ledger's will be void: unless they are
 * placed again together with it, parts and places stay out of step for as long as there is traffic.
 */
export class PlacementOrder {
  #last = 0
  #isBroken = false

  /** `sequence` is where the next part is being stored; 0 if nowhere. */
  isWellPlaced(sequence: number): boolean {
    this.#isBroken ||= sequence === 0 || sequence < this.#last
    this.#last = sequence
    return !this.#isBroken
  }
}
