import type { Clock } from '../../operators/clock.ts'
import type { GroupOffsets } from './group-offsets.ts'
import type { Reader, SubscribeOptions, Subscription } from './log.ts'
import type { Logger } from './logger.ts'
import type { PartitionCursor, PartitionFiles } from './partition-files.ts'

const MAX_RECORDS = 2_000
const MAX_BYTES = 1024 * 1024

export interface SubscribedPartition {
  readonly topic: string
  readonly partition: number
  readonly files: PartitionFiles
}

/** One loop for each partition: read, hand over, wait for more. */
export class EmbeddedSubscription implements Subscription {
  readonly done: Promise<void>
  readonly #options: SubscribeOptions
  readonly #reader: Reader
  readonly #offsets: GroupOffsets
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #stop = new AbortController()

  constructor(
    partitions: readonly SubscribedPartition[],
    options: SubscribeOptions,
    reader: Reader,
    services: { offsets: GroupOffsets; clock: Clock; logger: Logger; ended(): void },
  ) {
    this.#options = options
    this.#reader = reader
    this.#offsets = services.offsets
    this.#clock = services.clock
    this.#logger = services.logger
    this.done = this.#run(partitions).finally(services.ended)
    this.done.catch((error: Error) => this.#logger.error({ group: options.group, error }, 'the subscription has ended'))
  }

  /** A commit that fails is only told: the next one says more. */
  async commit(topic: string, partition: number, next: number): Promise<void> {
    try {
      await this.#offsets.set(topic, partition, next)
    } catch (error) {
      this.#logger.info({ topic, partition, next, error }, 'embedded log: offset not committed')
    }
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.done
  }

  /** When one partition fails, all are stopped; each is revoked before this rejects with the first error. */
  async #run(partitions: readonly SubscribedPartition[]): Promise<void> {
    const failures: unknown[] = []
    const loops = partitions.map(async each => {
      try {
        await this.#consume(each)
      } catch (error) {
        failures.push(error)
        this.#stop.abort()
      }
    })
    await Promise.all(loops)
    if (failures.length > 0) throw failures[0]
  }

  async #consume(at: SubscribedPartition): Promise<void> {
    const { topic, partition, files } = at
    try {
      const asked = await this.#reader.assigned(topic, partition)
      const cursor = files.read(this.#startOf(at, asked))
      try {
        while (!this.#stop.signal.aborted) {
          if (cursor.offset < files.end) await this.#hand(at, cursor)
          else if ((await this.#wait(files, cursor.offset)) === 'quiet') await this.#reader.idle(topic, partition)
        }
      } finally {
        await cursor.close()
      }
    } finally {
      await this.#reader.revoked(topic, partition)
    }
  }

  #startOf({ topic, partition, files }: SubscribedPartition, asked: number | undefined): number {
    const from = asked ?? this.#offsets.get(topic, partition)
    if (from === undefined) return this.#options.start === 'earliest' ? files.start : files.end
    if (from > files.end)
      throw new RangeError(
        `topic '${topic}' partition ${partition}: offset ${from} is asked for, but it ends at ${files.end}; was its folder removed without the checkpoints?`,
      )
    if (from < files.start)
      this.#logger.warn(
        { topic, partition, from, start: files.start },
        'embedded log: records were removed by retention before this group had read them',
      )
    return from
  }

  async #hand({ topic, partition, files }: SubscribedPartition, cursor: PartitionCursor): Promise<void> {
    const { maxRecords = MAX_RECORDS, maxBytes = MAX_BYTES } = this.#options
    const records = await cursor.next(maxRecords, maxBytes)
    await this.#reader.batch({
      topic,
      partition,
      records,
      next: cursor.offset,
      end: files.end,
      heartbeat: () => new Promise(resolve => setImmediate(resolve)), // nobody waits for us but our own process
    })
  }

  /** Until there is more to read, or the subscription is closed, or nothing came for `idleEvery`. */
  async #wait(files: PartitionFiles, from: number): Promise<'quiet' | 'woken'> {
    const over = new AbortController()
    const end = () => over.abort('woken') // a reason of its own spares the making of an error each time
    const forget = files.onGrowth(end)
    this.#stop.signal.addEventListener('abort', end)
    try {
      if (!this.#stop.signal.aborted && files.end === from)
        await this.#clock.sleep(this.#options.idleEvery, over.signal)
      return over.signal.aborted || this.#stop.signal.aborted ? 'woken' : 'quiet'
    } finally {
      forget()
      this.#stop.signal.removeEventListener('abort', end)
    }
  }
}
