import type { Clock } from '../../operators/clock.ts'
import type { Log, LogRecord, NewRecord, Reader, SubscribeOptions, Subscription, TopicSpec } from '../sources/log.ts'
import { Placement } from '../sources/placement.ts'
import { Pace } from './pace.ts'
import { RecordedInput, RecordedPartition } from './recorded-input.ts'

export interface OverlayOptions {
  /** The log that was written to; it is only read. */
  readonly recorded: Log
  /** Takes everything the replay writes. */
  readonly own: Log
  /** Topics that telemetry came in by. */
  readonly inputs: readonly string[]
  readonly clock: Clock
}

/**
 * The log door of a replay. The topics that telemetry came in by are the recorded ones, in their own partitions and
 * offsets, as they were when the replay began; all others are in a log of the replay's own. Nothing is ever written to
 * the recorded log: what is appended to an input is seen by the replay alone, behind what was recorded.
 */
export class OverlayLog implements Log {
  readonly address: string
  readonly #options: OverlayOptions
  readonly #inputs: ReadonlyMap<string, readonly RecordedPartition[]>
  readonly #placement = new Placement()
  readonly #pace = new Pace()
  readonly #enough = new AbortController()

  private constructor(options: OverlayOptions, inputs: ReadonlyMap<string, readonly RecordedPartition[]>) {
    this.address = options.own.address
    this.#options = options
    this.#inputs = inputs
    for (const partition of [...inputs.values()].flat()) this.#pace.expect(partition.name)
  }

  /** @throws {MissingTopics} if an input is not there */
  static async open(options: OverlayOptions): Promise<OverlayLog> {
    const inputs = new Map<string, RecordedPartition[]>()
    for (const topic of options.inputs) {
      const ends = await options.recorded.ends(topic)
      inputs.set(
        topic,
        ends.map((end, partition) => new RecordedPartition(topic, partition, end)),
      )
    }
    return new OverlayLog(options, inputs)
  }

  /** Records of the inputs read so far. */
  get recordsRead(): number {
    return [...this.#inputs.values()].flat().reduce((sum, { read }) => sum + read, 0)
  }

  /** What has not been read yet is not read any more. */
  stopReading(): void {
    this.#enough.abort()
  }

  async ensure(topics: readonly TopicSpec[]): Promise<void> {
    await this.#options.own.ensure(topics.filter(({ topic }) => !this.#inputs.has(topic)))
  }

  async partitions(topic: string): Promise<number> {
    return this.#inputs.get(topic)?.length ?? this.#options.own.partitions(topic)
  }

  async ends(topic: string): Promise<readonly number[]> {
    return this.#inputs.get(topic)?.map(({ end }) => end) ?? this.#options.own.ends(topic)
  }

  async append(records: readonly NewRecord[]): Promise<void> {
    for (const record of records) {
      const partitions = this.#inputs.get(record.topic)
      if (partitions)
        partitions[this.#placement.place(record, partitions.length)]!.append(record, this.#options.clock.now())
    }
    await this.#options.own.append(records.filter(({ topic }) => !this.#inputs.has(topic)))
  }

  async subscribe(options: SubscribeOptions, reader: Reader): Promise<Subscription> {
    const partitions = options.topics.flatMap(topic => this.#inputs.get(topic) ?? [])
    if (partitions.length === 0) return this.#options.own.subscribe(options, reader)
    const { recorded: log, clock } = this.#options
    return new RecordedInput(partitions, options, reader, {
      log,
      clock,
      pace: this.#pace,
      enough: this.#enough.signal,
    })
  }

  read(topic: string, partition: number, from: number, to?: number): AsyncIterable<LogRecord> {
    const { recorded, own } = this.#options
    const input = this.#inputs.get(topic)?.[partition]
    return input ? input.records(recorded, from, to) : own.read(topic, partition, from, to)
  }

  async check(): Promise<void> {
    await this.#options.own.check()
  }

  /** Closes neither of the two: they belong to whoever opened them. */
  async close(): Promise<void> {}
}
