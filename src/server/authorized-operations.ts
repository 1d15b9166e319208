/** What an answer says when the operations were not asked for. */
export const operationsOmitted = -2147483648

// Bits are the codes of Kafka's `AclOperation`. There are no ACLs yet: a client may do all there is.

/** Read, write, create, delete, alter, describe, describe configs, alter configs. */
export const topicOperations = bits(3, 4, 5, 6, 7, 8, 10, 11)
/** Create, alter, describe, cluster action, describe configs, alter configs, idempotent write. */
export const clusterOperations = bits(5, 7, 8, 9, 10, 11, 12)

function bits(...codes: number[]): number {
  return codes.reduce((mask, code) => mask | (1 << code), 0)
}
