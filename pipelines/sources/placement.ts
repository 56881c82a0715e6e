import type { NewRecord } from './log.ts'

const SEED = 0x9747b28c
const MULTIPLIER = 0x5bd1e995

/**
 * Murmur2 as Kafka's clients compute it over a record's key, as a signed 32-bit number.
 * Source: org.apache.kafka.common.utils.Utils.murmur2
 */
export function murmur2(data: Uint8Array): number {
  const { length } = data
  const whole = length & ~3
  let hash = SEED ^ length
  for (let at = 0; at < whole; at += 4) {
    let word = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word ^= word >>> 24
    hash = Math.imul(hash, MULTIPLIER) ^ Math.imul(word, MULTIPLIER)
  }
  const rest = length - whole
  if (rest > 2) hash ^= data[whole + 2]! << 16
  if (rest > 1) hash ^= data[whole + 1]! << 8
  if (rest > 0) hash = Math.imul(hash ^ data[whole]!, MULTIPLIER)
  hash ^= hash >>> 13
  hash = Math.imul(hash, MULTIPLIER)
  return hash ^ (hash >>> 15)
}

/** The partition of a key: where Kafka's default partitioner puts it. */
export function partitionOf(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions
}

/**
 * Chooses partitions for both doors, so that the same records appended in the same order to topics with the same number
 * of partitions lie alike in the embedded log and in Kafka. Records without a key take turns.
 */
export class Placement {
  #turns = new Map<string, number>()

  /** @throws {RangeError} where the record names a partition that the topic does not have */
  place(record: NewRecord, partitions: number): number {
    const { topic, partition } = record
    if (partition !== undefined) {
      if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition
      throw new RangeError(`topic '${topic}' has no partition ${partition}: it has ${partitions}`)
    }
    const key = record.partitionKey ?? record.key
    if (key !== null) return partitionOf(key, partitions)
    const turn = this.#turns.get(topic) ?? 0
    this.#turns.set(topic, turn + 1)
    return turn % partitions
  }
}
