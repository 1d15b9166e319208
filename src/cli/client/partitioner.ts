/**
 * The partition that Kafka's own producer chooses for a key, so that records of one key meet whoever writes them
 * (BuiltInPartitioner: murmur2 of the key, positive, modulo partitions).
 */
export function partitionForKey(key: Buffer, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount
}

/** MurmurHash2 as in `org.apache.kafka.common.utils.Utils.murmur2`; a signed 32-bit integer. */
export function murmur2(bytes: Buffer): number {
  const m = 0x5bd1e995
  const whole = bytes.length & ~3
  let hash = 0x9747b28c ^ bytes.length
  for (let i = 0; i < whole; i += 4) {
    let k = Math.imul(bytes.readInt32LE(i), m)
    k = Math.imul(k ^ (k >>> 24), m)
    hash = Math.imul(hash, m) ^ k
  }
  const rest = bytes.length - whole
  if (rest >= 3) hash ^= bytes.readUInt8(whole + 2) << 16
  if (rest >= 2) hash ^= bytes.readUInt8(whole + 1) << 8
  if (rest >= 1) hash = Math.imul(hash ^ bytes.readUInt8(whole), m)
  hash = Math.imul(hash ^ (hash >>> 13), m)
  return hash ^ (hash >>> 15)
}
