import type { Clock } from '../../operators/clock.ts'
import { SinkError } from '../../sinks/store.ts'
import type { SubscribeOptions } from './log.ts'
import type { Logger } from './logger.ts'

const RETRY_EVERY = 1_000

export interface StartServices {
  readonly clock: Clock
  readonly logger: Logger
  toError(error: unknown, about: string): SinkError
  /** The oldest offset of each partition, and the next to be written. */
  offsets(topic: string): Promise<readonly { low: number; high: number }[]>
  committed(group: string, topic: string): Promise<ReadonlyMap<number, number>>
}

/** Where a member of a group starts in a partition. Asks the brokers for as long as the partition is ours. */
export class Starts {
  readonly #options: SubscribeOptions
  readonly #services: StartServices

  constructor(options: SubscribeOptions, services: StartServices) {
    this.#options = options
    this.#services = services
  }

  /**
   * The offset asked for, or else committed, or else the group's start; not before the oldest record.
   * Undefined: the partition was lost meanwhile. @throws {SinkError} for an offset past the end
   */
  async find(topic: string, partition: number, asked: number | undefined, ours: () => boolean) {
    const { group, start } = this.#options
    const { offsets, committed, toError } = this.#services
    const ranges = await this.#persist(ours, () => offsets(topic))
    const saved = asked === undefined ? await this.#persist(ours, () => committed(group, topic)) : new Map()
    const range = ranges?.[partition]
    if (!range || !saved) return undefined
    const from = asked ?? saved.get(partition)
    if (from === undefined) return start === 'earliest' ? range.low : range.high
    if (from > range.high) {
      const said = `offset ${from} is asked for, but it ends at ${range.high}; was the topic made anew?`
      throw toError(new RangeError(said), `topic '${topic}' partition ${partition}`)
    }
    return this.#notBefore(range.low, topic, partition, from)
  }

  /** Whether a fetch that skipped from `position` to `fetched` may have: the records between were removed. */
  async isExpired(topic: string, partition: number, position: number, ours: () => boolean): Promise<boolean> {
    const ranges = await this.#persist(ours, () => this.#services.offsets(topic))
    const low = ranges?.[partition]?.low ?? 0
    return this.#notBefore(low, topic, partition, position) > position
  }

  #notBefore(low: number, topic: string, partition: number, from: number): number {
    if (from >= low) return from
    this.#services.logger.warn(
      { topic, partition, from, start: low },
      'kafka: records were removed by retention before this group had read them',
    )
    return low
  }

  async #persist<T>(ours: () => boolean, ask: () => Promise<T>): Promise<T | undefined> {
    while (ours()) {
      try {
        return await ask()
      } catch (error) {
        if (!(error instanceof SinkError) || !error.retryable) throw error
        await this.#services.clock.sleep(RETRY_EVERY)
      }
    }
    return undefined
  }
}
