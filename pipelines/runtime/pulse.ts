import type { Clock } from '../../operators/clock.ts'
import type { Batch, Log, Reader } from '../sources/log.ts'

/** A partition whose reader has not finished anything for too long. */
export interface Stuck {
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** Milliseconds since something was finished. */
  readonly silent: number
}

interface Watched {
  readonly group: string
  readonly topic: string
  readonly partition: number
  finished: number
}

/**
 * Knows whether those who read topics get on with it. While a partition is ours, its reader finishes a batch now and
 * then, or is told that there is none; one that hangs, or waits for a door, does neither.
 */
export class Pulse {
  readonly #clock: Clock
  readonly #watched = new Set<Watched>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The log, its subscriptions watched. */
  watch(log: Log): Log {
    return {
      address: log.address,
      ensure: topics => log.ensure(topics),
      partitions: topic => log.partitions(topic),
      ends: topic => log.ends(topic),
      append: records => log.append(records),
      subscribe: (options, reader) => log.subscribe(options, this.#watch(options.group, reader)),
      read: (topic, partition, from, to) => log.read(topic, partition, from, to),
      check: () => log.check(),
      close: () => log.close(),
    }
  }

  /** The partitions that have finished nothing for as long as that, in milliseconds. */
  stuckFor(longest: number): Stuck[] {
    const now = this.#clock.now()
    return [...this.#watched]
      .map(({ finished, ...at }) => ({ ...at, silent: now - finished }))
      .filter(({ silent }) => silent > longest)
  }

  #watch(group: string, reader: Reader): Reader {
    const own = new Map<string, Watched>()
    const at = (topic: string, partition: number) => `${topic}/${partition}`
    const finished = (topic: string, partition: number): void => {
      const watched = own.get(at(topic, partition))
      if (watched) watched.finished = this.#clock.now()
    }
    return {
      assigned: async (topic, partition) => {
        const watched = { group, topic, partition, finished: this.#clock.now() }
        own.set(at(topic, partition), watched)
        this.#watched.add(watched)
        const from = await reader.assigned(topic, partition)
        finished(topic, partition)
        return from
      },
      batch: async (batch: Batch) => {
        await reader.batch(batch)
        finished(batch.topic, batch.partition)
      },
      idle: async (topic, partition) => {
        await reader.idle(topic, partition)
        finished(topic, partition)
      },
      revoked: async (topic, partition) => {
        await reader.revoked(topic, partition)
        const watched = own.get(at(topic, partition))
        if (watched) this.#watched.delete(watched)
        own.delete(at(topic, partition))
      },
    }
  }
}
