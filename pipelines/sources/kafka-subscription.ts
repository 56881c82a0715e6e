import { setTimeout } from 'node:timers/promises'
import type { Clock } from '../../operators/clock.ts'
import type {
  Consumer,
  ConsumerCrashEvent,
  ConsumerEndBatchProcessEvent,
  ConsumerGroupJoinEvent,
  EachBatchPayload,
  Kafka,
} from './kafka-client.ts'
import { toOffset } from './kafka-errors.ts'
import { toLogRecord } from './kafka-record.ts'
import { type StartServices, Starts } from './kafka-starts.ts'
import type { LogRecord, Reader, SubscribeOptions, Subscription } from './log.ts'
import type { TopicNames } from './topic-names.ts'

const MAX_RECORDS = 2_000
const MAX_BYTES = 1024 * 1024
/** How long the broker may hold a fetch when there is nothing; a partition just loaded waits for its end. */
const FETCH_WAIT = 250
const REJOIN_AFTER = 1_000
const SESSION = 30_000
/** In a session that lasts; several may be lost. */
const HEARTBEATS = 10
/** How long leaving the group may take when no broker answers. */
const LEAVE = 5_000

export interface SubscriptionServices extends StartServices {
  readonly client: Kafka
  readonly names: TopicNames
  readonly sessionTimeout?: number
  readonly rebalanceTimeout?: number
  readonly concurrency?: number
}

/** A partition that is ours, from the group's giving it to its taking it away. */
interface Owned {
  readonly topic: string
  readonly partition: number
  /** Offset to be read next; undefined while the reader is loading it. */
  position: number | undefined
  /** An offset that the group was not told yet. */
  untold: number | undefined
  /** Whether `assigned` was called, so that `revoked` has to be. */
  begun: boolean
  lost: boolean
}

/** A batch being handed on. `alive`: the group has not said, since it was fetched, that it shares out anew. */
interface Work {
  readonly owned: Owned
  readonly payload: EachBatchPayload
  alive: boolean
}

/**
 * One member of a consumer group. kafkajs joins, fetches and heartbeats; here each partition's calls are put in order:
 *
 * - assigned → its fetching is paused until `assigned` has answered, then consumption seeks to that;
 * - a rebalance that leaves a partition with us interrupts nothing: it goes on at the position we know. Where the
 *   group has forgotten us (another member may have had it since), all are revoked and assigned anew;
 * - all calls for a partition go through one queue, so they never overlap, and after `revoked` there is none.
 *
 * kafkajs finishes the batches under way before it joins again, so two members never handle one partition's batches at
 * once, unless a batch takes longer than the rebalance timeout.
 */
export class KafkaSubscription implements Subscription {
  readonly done: Promise<void>
  readonly #options: SubscribeOptions
  readonly #reader: Reader
  readonly #services: SubscriptionServices
  readonly #consumer: Consumer
  readonly #starts: Starts
  readonly #topics: ReadonlyMap<string, string>
  readonly #owned = new Map<string, Owned>()
  readonly #queues = new Map<string, Promise<void>>()
  readonly #end = Promise.withResolvers<void>()
  readonly #stop = new AbortController()
  #member = ''
  #failure: { readonly error: unknown } | undefined
  #closing: Promise<void> | undefined

  constructor(options: SubscribeOptions, reader: Reader, services: SubscriptionServices) {
    this.#options = options
    this.#reader = reader
    this.#services = services
    this.#starts = new Starts(options, services)
    this.#topics = new Map(options.topics.map(topic => [services.names.inKafka(topic), topic]))
    this.done = this.#end.promise
    this.done.catch(error => services.logger.error({ group: options.group, error }, 'the subscription has ended'))
    const { sessionTimeout = SESSION, rebalanceTimeout = 60_000 } = services
    this.#consumer = services.client.consumer({
      groupId: options.group,
      sessionTimeout,
      rebalanceTimeout,
      heartbeatInterval: Math.floor(sessionTimeout / HEARTBEATS),
      maxWaitTimeInMs: FETCH_WAIT,
      maxBytesPerPartition: options.maxBytes ?? MAX_BYTES,
      allowAutoTopicCreation: false,
      retry: { retries: 8, maxRetryTime: 5_000, restartOnFailure: async () => !this.#stop.signal.aborted },
    })
  }

  async start(): Promise<void> {
    const consumer = this.#consumer
    consumer.on(consumer.events.GROUP_JOIN, event => this.#joined(event.payload))
    consumer.on(consumer.events.CRASH, event => this.#crashed(event.payload))
    consumer.on(consumer.events.END_BATCH_PROCESS, event => this.#passed(event.payload))
    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [...this.#topics.keys()], fromBeginning: true })
    } catch (error) {
      await consumer.disconnect().catch(() => undefined)
      throw this.#services.toError(error, `group '${this.#options.group}'`)
    }
    await this.#run()
    void this.#watchIdle()
  }

  #run(): Promise<void> {
    return this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: this.#services.concurrency ?? 8,
      eachBatch: payload => this.#eachBatch(payload),
    })
  }

  /** A commit that fails is only said: the next one says more, or it is made again when there is nothing to read. */
  async commit(topic: string, partition: number, next: number): Promise<void> {
    const owned = this.#owned.get(`${this.#services.names.inKafka(topic)}/${partition}`)
    if (!owned) return
    owned.untold = next
    await this.#tell(owned)
  }

  async #tell(owned: Owned): Promise<void> {
    const { topic, partition, untold } = owned
    if (untold === undefined) return
    try {
      await this.#consumer.commitOffsets([{ topic, partition, offset: String(untold) }])
      if (owned.untold === untold) owned.untold = undefined
    } catch (error) {
      this.#services.logger.info({ topic, partition, next: untold, error }, 'kafka: offset not committed')
    }
  }

  async close(): Promise<void> {
    await this.#shutDown()
    await this.done
  }

  /** Must pause before it first waits: kafkajs fetches as soon as this has returned. */
  #joined({ memberId, memberAssignment }: ConsumerGroupJoinEvent['payload']): void {
    if (this.#stop.signal.aborted) {
      setImmediate(() => void this.#consumer.disconnect().catch(() => undefined)) // it was joining while we closed
      return
    }
    const remembered = memberId === this.#member
    this.#member = memberId
    const assigned = new Set<string>()
    for (const [topic, partitions] of Object.entries(memberAssignment))
      for (const partition of partitions) assigned.add(`${topic}/${partition}`)
    for (const [at, owned] of this.#owned) if (!remembered || !assigned.has(at)) this.#lose(at, owned)
    for (const [topic, partitions] of Object.entries(memberAssignment))
      for (const partition of partitions) this.#take(topic, partition)
  }

  #take(topic: string, partition: number): void {
    const at = `${topic}/${partition}`
    const kept = this.#owned.get(at)
    if (kept?.position !== undefined) {
      this.#seek(kept)
      return
    }
    this.#control(() => this.#consumer.pause([{ topic, partitions: [partition] }]))
    if (kept) return
    const owned: Owned = { topic, partition, position: undefined, untold: undefined, begun: false, lost: false }
    this.#owned.set(at, owned)
    this.#enqueue(at, () => this.#load(owned))
  }

  #lose(at: string, owned: Owned): void {
    owned.lost = true
    this.#owned.delete(at)
    this.#enqueue(at, async () => {
      if (owned.begun) await this.#reader.revoked(this.#topics.get(owned.topic)!, owned.partition)
    })
  }

  async #load(owned: Owned): Promise<void> {
    if (owned.lost) return
    owned.begun = true
    const asked = await this.#reader.assigned(this.#topics.get(owned.topic)!, owned.partition)
    const { topic, partition } = owned
    const from = await this.#starts.find(this.#topics.get(topic)!, partition, asked, () => this.#isOurs(owned))
    if (from === undefined || owned.lost) return
    owned.position = from
    if (asked !== undefined) owned.untold = from // whoever checkpointed it may not have come to telling
    this.#seek(owned)
    this.#control(() => this.#consumer.resume([{ topic, partitions: [partition] }]))
  }

  #seek({ topic, partition, position }: Owned): void {
    this.#control(() => this.#consumer.seek({ topic, partition, offset: String(position) }))
  }

  /** kafkajs throws where it has no group just then; it will join anew and say so, or has been stopped. */
  #control(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#services.logger.debug({ group: this.#options.group, error }, 'kafka: not in the group')
    }
  }

  async #eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch } = payload
    const at = `${batch.topic}/${batch.partition}`
    const owned = this.#owned.get(at)
    if (!owned || payload.isStale() || !(await this.#isNext(owned, payload))) return
    const records = batch.messages
      .map(message => toLogRecord(this.#topics.get(batch.topic)!, batch.partition, message))
      .filter(({ offset }) => offset >= owned.position!)
    const work: Work = { owned, payload, alive: true }
    for (const part of this.#parts(records)) {
      await this.#enqueue(at, () => this.#hand(work, part))
      if (!this.#isOpen(work)) return // what is left is fetched again, by whom it belongs to then
      payload.resolveOffset(String(part.at(-1)!.offset))
    }
    payload.resolveOffset(batch.lastOffset())
    owned.position = Math.max(owned.position!, toOffset(batch.lastOffset()) + 1)
  }

  /** Whether there is sense in handing on more of a batch now. */
  #isOpen({ owned, alive }: Work): boolean {
    return alive && this.#isOurs(owned)
  }

  #isOurs(owned: Owned): boolean {
    return !owned.lost && !this.#stop.signal.aborted
  }

  /** Whether the batch goes on where we are; it cannot but for removed records and for fetches that crossed a seek. */
  async #isNext(owned: Owned, { batch }: EachBatchPayload): Promise<boolean> {
    if (owned.position === undefined || this.#stop.signal.aborted) return false
    const { fetchedOffset } = batch as { fetchedOffset?: string }
    const fetched = toOffset(fetchedOffset ?? batch.firstOffset() ?? '0')
    if (fetched <= owned.position) return true
    const topic = this.#topics.get(batch.topic)!
    if (await this.#starts.isExpired(topic, batch.partition, owned.position, () => this.#isOurs(owned))) {
      owned.position = fetched
      return true
    }
    if (this.#isOurs(owned)) this.#seek(owned)
    return false
  }

  #parts(records: readonly LogRecord[]): LogRecord[][] {
    const { maxRecords = MAX_RECORDS } = this.#options
    const parts: LogRecord[][] = []
    for (let at = 0; at < records.length; at += maxRecords) parts.push(records.slice(at, at + maxRecords))
    return parts
  }

  async #hand(work: Work, records: readonly LogRecord[]): Promise<void> {
    if (!this.#isOpen(work)) return
    const next = records.at(-1)!.offset + 1
    const handed = new AbortController()
    void this.#keepAlive(work, handed.signal)
    try {
      await this.#reader.batch({
        topic: records[0]!.topic,
        partition: work.owned.partition,
        records,
        next,
        end: Math.max(next, toOffset(work.payload.batch.highWatermark)),
        heartbeat: () => this.#heartbeat(work),
      })
    } finally {
      handed.abort()
    }
    work.owned.position = next
    await this.#heartbeat(work)
  }

  /** A reader that waits for a door to open, however long, is alive: the group must not give its partitions away. */
  async #keepAlive(work: Work, handed: AbortSignal): Promise<void> {
    const { sessionTimeout = SESSION } = this.#services
    for (;;) {
      await setTimeout(sessionTimeout / HEARTBEATS, undefined, { signal: handed }).catch(() => undefined)
      if (handed.aborted) return
      await this.#heartbeat(work)
    }
  }

  /** Never rejects: that the group shares out anew is learnt here, and done when the part under way is finished. */
  async #heartbeat(work: Work): Promise<void> {
    await new Promise(resolve => setImmediate(resolve)) // let the sockets be served, however long the batch works
    try {
      await work.payload.heartbeat()
    } catch (error) {
      work.alive = false
      this.#services.logger.debug({ group: this.#options.group, error }, 'kafka: heartbeat not taken')
    }
  }

  /** kafkajs passes over batches without a message for us (compacted, aborted, control records) by itself. */
  #passed({ topic, partition, batchSize, lastOffset }: ConsumerEndBatchProcessEvent['payload']): void {
    const owned = this.#owned.get(`${topic}/${partition}`)
    if (batchSize === 0 && owned?.position !== undefined)
      owned.position = Math.max(owned.position, toOffset(lastOffset) + 1)
  }

  /** kafkajs has left the group, and joins again by itself after most errors of a passing kind, but not all. */
  #crashed({ error, restart }: ConsumerCrashEvent['payload']): void {
    for (const [at, owned] of this.#owned) this.#lose(at, owned)
    const failure = this.#services.toError(error, `group '${this.#options.group}'`)
    if (!restart && !failure.retryable) {
      this.#fail(failure)
      return
    }
    this.#services.logger.warn({ group: this.#options.group, error }, 'kafka: lost the group; joining it again')
    if (!restart) void this.#rejoin()
  }

  async #rejoin(): Promise<void> {
    await setTimeout(REJOIN_AFTER, undefined, { signal: this.#stop.signal }).catch(() => undefined)
    if (!this.#stop.signal.aborted) await this.#run().catch(error => this.#fail(error))
  }

  /** Says that a partition is idle only where the brokers say, now, that it has no more: an outage is not idleness. */
  async #watchIdle(): Promise<void> {
    const { clock, logger, offsets } = this.#services
    for await (const _ of ticks(clock, this.#options.idleEvery, this.#stop.signal))
      for (const [name, topic] of this.#topics) {
        const all = [...this.#owned].filter(([, owned]) => owned.topic === name && owned.position !== undefined)
        if (all.length === 0) continue
        try {
          const ranges = await offsets(topic)
          for (const [at, owned] of all) this.#sayIdle(at, owned, ranges[owned.partition]!.high)
        } catch (error) {
          logger.debug({ topic, error }, 'kafka: ends not known')
        }
      }
  }

  #sayIdle(at: string, owned: Owned, end: number): void {
    if (owned.position! < end) return
    this.#enqueue(at, async () => {
      if (owned.lost || this.#stop.signal.aborted || owned.position! > end) return
      await this.#reader.idle(this.#topics.get(owned.topic)!, owned.partition)
      await this.#tell(owned)
    })
  }

  /** Runs after all that was enqueued for the partition before. The first failure ends the subscription. */
  #enqueue(at: string, work: () => Promise<void>): Promise<void> {
    const queue = (this.#queues.get(at) ?? Promise.resolve()).then(work).catch(error => this.#fail(error))
    this.#queues.set(at, queue)
    return queue
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    void this.#shutDown()
  }

  #shutDown(): Promise<void> {
    this.#closing ??= this.#finish()
    return this.#closing
  }

  async #finish(): Promise<void> {
    this.#stop.abort()
    for (const { topic, partition } of this.#owned.values())
      this.#control(() => this.#consumer.pause([{ topic, partitions: [partition] }]))
    for (const [at, owned] of this.#owned) this.#lose(at, owned)
    await Promise.all(this.#queues.values())
    const left = this.#consumer.disconnect().catch(() => undefined)
    const limit = new AbortController()
    await Promise.race([left, setTimeout(LEAVE, undefined, { signal: limit.signal }).catch(() => undefined)])
    limit.abort()
    if (this.#failure) this.#end.reject(this.#failure.error)
    else this.#end.resolve()
  }
}

/** One tick each `every` milliseconds of the clock, until the signal; ticks that come late are not made up for. */
async function* ticks(clock: Clock, every: number, signal: AbortSignal): AsyncGenerator<void> {
  for (let due = clock.now(); ; ) {
    due = Math.max(due + every, clock.now())
    await clock.sleep(due - clock.now(), signal)
    if (signal.aborted) return
    yield
  }
}
