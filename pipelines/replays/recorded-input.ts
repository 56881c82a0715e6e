import type { Clock } from '../../operators/clock.ts'
import type { Batch, Log, LogRecord, NewRecord, Reader, SubscribeOptions, Subscription } from '../sources/log.ts'
import type { Pace } from './pace.ts'

const MAX_RECORDS = 2_000
const MAX_BYTES = 1024 * 1024

/** A partition of a topic that telemetry came in by, as it was when the replay began. */
export class RecordedPartition {
  readonly topic: string
  readonly partition: number
  /** Records that the replay itself appended; they are seen by it alone. */
  readonly #own: LogRecord[] = []
  readonly #recorded: number
  /** The offset after the last record; known to be smaller where the last offsets hold no records. */
  #end: number
  #read = 0

  constructor(topic: string, partition: number, recorded: number) {
    this.topic = topic
    this.partition = partition
    this.#recorded = recorded
    this.#end = recorded
  }

  get name(): string {
    return `${this.topic}/${this.partition}`
  }

  get end(): number {
    return this.#end
  }

  /** Records read so far. */
  get read(): number {
    return this.#read
  }

  append({ key, value, headers = {} }: NewRecord, appendedAt: number): void {
    const { topic, partition } = this
    const bytes = typeof value === 'string' ? Buffer.from(value) : value
    const offset = this.#recorded + this.#own.length
    this.#own.push({ topic, partition, offset, appendedAt, key, value: bytes, headers })
    this.#end = offset + 1
  }

  /** What is in the partition from one offset to before another. */
  async *records(log: Log, from: number, to = Number.POSITIVE_INFINITY): AsyncGenerator<LogRecord> {
    yield* log.read(this.topic, this.partition, from, Math.min(to, this.#recorded))
    yield* this.own(from).filter(({ offset }) => offset < to)
  }

  /** The recorded part, in batches, until it ends or `stop` is aborted. */
  async *batches(log: Log, from: number, options: SubscribeOptions, stop: AbortSignal): AsyncGenerator<LogRecord[]> {
    const { maxRecords = MAX_RECORDS, maxBytes = MAX_BYTES } = options
    let records: LogRecord[] = []
    let bytes = 0
    for await (const record of log.read(this.topic, this.partition, from, this.#recorded)) {
      if (stop.aborted) break
      records.push(record)
      bytes += record.value?.length ?? 0
      if (records.length < maxRecords && bytes < maxBytes) continue
      yield records
      this.#read += records.length
      records = []
      bytes = 0
    }
    if (records.length > 0 && !stop.aborted) yield records
    this.#read += records.length
  }

  /** Nothing recorded will be read any more; the next offset to be read is this. */
  ended(next: number): void {
    if (this.#own.length === 0) this.#end = next
  }

  own(from: number): LogRecord[] {
    return this.#own.filter(({ offset }) => offset >= from)
  }
}

export interface RecordedInputServices {
  readonly log: Log
  readonly clock: Clock
  readonly pace: Pace
  /** Aborted: what has not been read yet is not read any more. */
  readonly enough: AbortSignal
}

/** Reads recorded partitions once, each in its own loop, and is quiet then. It is no member of any group. */
export class RecordedInput implements Subscription {
  readonly done: Promise<void>
  readonly #options: SubscribeOptions
  readonly #reader: Reader
  readonly #services: RecordedInputServices
  readonly #stop = new AbortController()

  constructor(
    partitions: readonly RecordedPartition[],
    options: SubscribeOptions,
    reader: Reader,
    services: RecordedInputServices,
  ) {
    this.#options = options
    this.#reader = reader
    this.#services = services
    this.done = this.#run(partitions)
    this.done.catch(() => undefined)
  }

  async commit(): Promise<void> {}

  async close(): Promise<void> {
    this.#stop.abort()
    await this.done
  }

  async #run(partitions: readonly RecordedPartition[]): Promise<void> {
    const outcomes = await Promise.allSettled(
      partitions.map(partition =>
        this.#consume(partition).catch(error => {
          this.#stop.abort()
          throw error
        }),
      ),
    )
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  async #consume(at: RecordedPartition): Promise<void> {
    const { topic, partition } = at
    try {
      let next = (await this.#reader.assigned(topic, partition)) ?? 0
      next = await this.#readRecorded(at, next)
      while (!this.#stop.signal.aborted) {
        const own = at.own(next)
        if (own.length > 0) next = await this.#hand(at, own)
        else {
          await this.#reader.idle(topic, partition)
          await this.#services.clock.sleep(this.#options.idleEvery, this.#stop.signal)
        }
      }
    } finally {
      this.#services.pace.end(at.name)
      await this.#reader.revoked(topic, partition)
    }
  }

  async #readRecorded(at: RecordedPartition, from: number): Promise<number> {
    const { log, pace, enough } = this.#services
    const stop = AbortSignal.any([enough, this.#stop.signal])
    let next = from
    for await (const records of at.batches(log, from, this.#options, stop)) {
      await pace.turn(at.name, records[0]!.appendedAt, stop)
      if (stop.aborted) break
      next = await this.#hand(at, records)
    }
    pace.end(at.name)
    at.ended(next)
    return next
  }

  async #hand(at: RecordedPartition, records: LogRecord[]): Promise<number> {
    const next = records.at(-1)!.offset + 1
    const batch: Batch = {
      topic: at.topic,
      partition: at.partition,
      records,
      next,
      end: at.end,
      heartbeat: () => new Promise(resolve => setImmediate(resolve)), // nobody waits for us but our own process
    }
    await this.#reader.batch(batch)
    return next
  }
}
