/**
 * The partition of a key, as Kafka's clients choose it: murmur2 over the key, its sign bit cleared, modulo the number
 * of partitions (`BuiltInPartitioner.partitionForKey` of kafka-clients).
 */
export function partitionForKey(key: Buffer, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

/** `Utils.murmur2` of kafka-clients: MurmurHash2 with its seed, as a signed 32-bit integer. */
export function murmur2(bytes: Buffer): number {
  const m = 0x5bd1e995
  let hash = 0x9747b28c ^ bytes.length
  const whole = bytes.length & ~3
  for (let i = 0; i < whole; i += 4) {
    let k = Math.imul(bytes.readInt32LE(i), m)
    k = Math.imul(k ^ (k >>> 24), m)
    hash = Math.imul(hash, m) ^ k
  }
  const rest = bytes.length - whole
  if (rest > 0) {
    if (rest === 3) hash ^= bytes.readUInt8(whole + 2) << 16
    if (rest >= 2) hash ^= bytes.readUInt8(whole + 1) << 8
    hash = Math.imul(hash ^ bytes.readUInt8(whole), m)
  }
  hash = Math.imul(hash ^ (hash >>> 13), m)
  return hash ^ (hash >>> 15)
}
