import { setTimeout } from 'node:timers/promises'
import type { Clock } from '../../operators/clock.ts'
import { SinkError } from '../../sinks/store.ts'
import { Appends } from './appends.ts'
import { PartitionAppends, recordBytes } from './kafka-appends.ts'
import {
  type Admin,
  type Cluster,
  type Compression,
  compressions,
  createClient,
  createCluster,
  type FetchedBatch,
  fetchBatch,
  findCoordinator,
  type Kafka,
  type KafkaConnection,
  type Producer,
} from './kafka-client.ts'
import { protocolType, START, toAppendError, toOffset, toSinkError } from './kafka-errors.ts'
import { toLogRecord } from './kafka-record.ts'
import { KafkaSubscription } from './kafka-subscription.ts'
import type { Log, LogRecord, NewRecord, Reader, SubscribeOptions, Subscription, TopicSpec } from './log.ts'
import { TopicNames } from './topic-names.ts'
import { MissingTopics } from './topics.ts'

const READ_BYTES = 1024 * 1024
/** After these the broker knows nothing of our producer any more, or too much: only a new one can go on. */
const PRODUCER_LOST = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
])
/** How long parting from brokers may take that do not answer. */
const CLOSE = 5_000
/** How often to ask a broker that has just started and is loading its coordinators; each takes a second or two. */
const LOADING_ATTEMPTS = 10

/** A topic that was just made, or whose leader has just gone, has none for a moment; kafkajs' admin does not wait. */
const ELECTING = new Set(['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE'])
const isElecting = (error: unknown): boolean =>
  ELECTING.has(protocolType(error) ?? '') || (error as Error).cause instanceof TypeError
const ELECTION_ATTEMPTS = 25
const ELECTION_PAUSE = 200

export interface KafkaLogOptions extends KafkaConnection {
  readonly clock: Clock
  /** Put before the names of all topics that are not foreign; what readers see is without it. */
  readonly prefix?: string
  /** Topics of other people: named as they are, never created. */
  readonly foreign?: readonly string[]
  /** Whether `ensure` creates what is missing. Default true; false: it names what is missing and how to create it. */
  readonly createTopics?: boolean
  /** Copies of each topic that is created. Default -1: as the brokers are set. */
  readonly replicas?: number
  /** Of the batches we write. Every kind is read. Default none. */
  readonly compression?: Compression
  /** Milliseconds of silence after which the brokers give our partitions to others. Default 30 s. */
  readonly sessionTimeout?: number
  /** Milliseconds a member may take to finish its batch when the group shares out its partitions anew. Default 60 s. */
  readonly rebalanceTimeout?: number
  /** Partitions whose batches are handled at the same time. Default 8. */
  readonly concurrency?: number
}

/**
 * The log door on Kafka. A producer that writes each batch once (idempotent, all replicas), consumer groups by kafkajs,
 * and reads outside of groups. @throws {SinkError} `unreachable` within a few seconds, naming brokers and setting
 */
export async function openKafkaLog(options: KafkaLogOptions): Promise<Log> {
  const log = new KafkaLog(options)
  try {
    await log.check()
  } catch (error) {
    void log.close()
    throw error
  }
  return log
}

/** What the work answers, or that it was late; then it goes on unseen. */
async function within<T>(ms: number, work: Promise<T>): Promise<T | 'late'> {
  const inTime = new AbortController()
  const late = setTimeout(ms, 'late' as const, { signal: inTime.signal }).catch(() => 'late' as const)
  try {
    return await Promise.race([work, late])
  } finally {
    inTime.abort()
    work.catch(() => undefined)
  }
}

class KafkaLog implements Log {
  readonly address: string
  readonly #options: KafkaLogOptions
  readonly #names: TopicNames
  readonly #client: Kafka
  readonly #admin: Admin
  readonly #appends: Appends
  readonly #queues = new Map<string, PartitionAppends>()
  readonly #counts = new Map<string, number>()
  readonly #subscriptions = new Set<KafkaSubscription>()
  #connected: Promise<void> | undefined
  #producer: Promise<Producer> | undefined
  #cluster: Promise<Cluster> | undefined

  constructor(options: KafkaLogOptions) {
    this.address = options.brokers.join(',')
    this.#options = options
    this.#names = new TopicNames(options.prefix ?? '', options.foreign ?? [])
    this.#client = createClient(options)
    this.#admin = this.#client.admin()
    this.#appends = new Appends(
      topic => this.partitions(topic),
      (topic, partition, records, onWritten) => this.#queue(topic, partition).append(records, onWritten),
    )
  }

  async ensure(topics: readonly TopicSpec[]): Promise<void> {
    const missing: TopicSpec[] = []
    for (const spec of topics) {
      const count = await this.#find(spec.topic)
      if (count === undefined) missing.push(spec)
      else if (count < spec.partitions)
        throw this.#error(
          'misconfigured',
          `topic '${this.#names.inKafka(spec.topic)}' has ${count} partitions, and ${spec.partitions} are asked for; lower log.partitions, or add partitions to the topic`,
        )
    }
    if (missing.length === 0) return
    const kept = missing.filter(({ topic }) => this.#options.createTopics === false || this.#names.isForeign(topic))
    if (kept.length > 0) throw this.#missing(kept.map(({ topic }) => topic))
    await this.#create(missing)
  }

  async partitions(topic: string): Promise<number> {
    const known = this.#counts.get(topic)
    if (known !== undefined) return known
    const count = await this.#find(topic)
    if (count === undefined) throw this.#missing([topic])
    this.#counts.set(topic, count)
    return count
  }

  async ends(topic: string): Promise<readonly number[]> {
    await this.partitions(topic)
    return (await this.#elected(() => this.#offsets(topic))).map(({ high }) => high)
  }

  append(records: readonly NewRecord[]): Promise<void> {
    return this.#appends.append(records)
  }

  async subscribe(options: SubscribeOptions, reader: Reader): Promise<Subscription> {
    for (const topic of options.topics) await this.partitions(topic)
    await this.#checkGroup(options.group)
    const subscription = new KafkaSubscription(options, reader, {
      ...this.#options,
      client: this.#client,
      names: this.#names,
      toError: (error, about) => toSinkError(error, this.address, about),
      offsets: topic => this.#offsets(topic),
      committed: (group, topic) => this.#committed(group, topic),
    })
    await subscription.start()
    this.#subscriptions.add(subscription)
    const forget = () => this.#subscriptions.delete(subscription)
    subscription.done.then(forget, forget)
    return subscription
  }

  async *read(topic: string, partition: number, from: number, to?: number): AsyncGenerator<LogRecord> {
    await this.partitions(topic)
    const range = (await this.#elected(() => this.#offsets(topic)))[partition]
    if (!range) throw new RangeError(`topic '${topic}' has no partition ${partition}`)
    const until = Math.min(to ?? range.high, range.high)
    for (let at = Math.max(from, range.low); at < until; ) {
      const batch = await this.#elected(() => this.#fetch(topic, partition, at))
      for (const message of batch.messages) {
        const record = toLogRecord(topic, partition, message)
        if (record.offset < until) yield record
      }
      // Compaction leaves batches with nothing in them, which kafkajs takes for the end of the partition.
      at = batch.rawMessages.length === 0 ? at + 1 : Math.max(at, toOffset(batch.lastOffset()) + 1)
    }
  }

  async check(): Promise<void> {
    const patience = 2 * (this.#options.connectTimeout ?? 5_000)
    const asked = this.#ask('', admin => admin.describeCluster())
    if ((await within(patience, asked)) === 'late')
      throw this.#error('unreachable', `no answer in ${patience / 1_000} s; ${START}`)
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#subscriptions].map(subscription => subscription.close()))
    const disconnect = async (part: Promise<{ disconnect(): Promise<void> }> | undefined) => (await part)?.disconnect()
    const admin = this.#connected?.catch(() => undefined).then(() => this.#admin)
    await within(CLOSE, Promise.allSettled([this.#producer, this.#cluster, admin].map(disconnect)))
  }

  /** Asks a leader; again while there is none. */
  async #elected<T>(question: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++)
      try {
        return await question()
      } catch (error) {
        if (!isElecting(error) || attempt === ELECTION_ATTEMPTS) throw error
        await this.#options.clock.sleep(ELECTION_PAUSE)
      }
  }

  #error(reason: SinkError['reason'], message: string): SinkError {
    return new SinkError(`kafka ${this.address}`, reason, message)
  }

  #missing(topics: readonly string[]): MissingTopics {
    const quoted = (foreign: boolean) =>
      topics
        .filter(topic => this.#names.isForeign(topic) === foreign)
        .map(topic => `'${this.#names.inKafka(topic)}'`)
        .join(', ')
    const [own, foreign] = [quoted(false), quoted(true)]
    const said = [
      ...(own === '' ? [] : [`no topic ${own}; run \`ops-agent topics apply\` as a user who may create topics`]),
      ...(foreign === '' ? [] : [`no topic ${foreign}, which is foreign and not ours to create; correct inputs`]),
    ]
    return new MissingTopics(`kafka ${this.address}`, topics, said.join('; '))
  }

  /** Asks the brokers something; what goes wrong is said in our words. */
  async #ask<T>(about: string, question: (admin: Admin) => Promise<T>): Promise<T> {
    try {
      this.#connected ??= this.#admin.connect().catch(error => {
        this.#connected = undefined
        throw error
      })
      await this.#connected
      return await question(this.#admin)
    } catch (error) {
      throw toSinkError(error, this.address, about)
    }
  }

  /** Number of partitions, or undefined where the topic does not exist. */
  async #find(topic: string): Promise<number | undefined> {
    const name = this.#names.inKafka(topic)
    try {
      const { topics } = await this.#ask(`topic '${name}'`, admin => admin.fetchTopicMetadata({ topics: [name] }))
      return topics[0]!.partitions.length
    } catch (error) {
      if (protocolType(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return undefined
      throw error
    }
  }

  async #create(specs: readonly TopicSpec[]): Promise<void> {
    const topics = specs.map(({ topic, partitions, compacted, retention }) => ({
      topic: this.#names.inKafka(topic),
      numPartitions: partitions,
      replicationFactor: this.#options.replicas ?? -1,
      configEntries: [
        { name: 'message.timestamp.type', value: 'LogAppendTime' },
        ...(compacted ? [{ name: 'cleanup.policy', value: 'compact' }] : []),
        ...(retention === undefined ? [] : [{ name: 'retention.ms', value: String(retention) }]),
      ],
    }))
    const names = topics.map(({ topic }) => `'${topic}'`).join(', ')
    await this.#ask(`topics ${names}`, admin => admin.createTopics({ topics, timeout: 10_000 }))
  }

  async #offsets(topic: string): Promise<{ low: number; high: number }[]> {
    const name = this.#names.inKafka(topic)
    const offsets = await this.#ask(`topic '${name}'`, async admin => {
      try {
        return await admin.fetchTopicOffsets(name)
      } catch (error) {
        // kafkajs falls over what it knows of the topic being replaced, by another question, between two of its steps.
        if (!(error instanceof TypeError)) throw error
        const said = `topic '${name}': its partitions are not known at the moment`
        throw new SinkError(`kafka ${this.address}`, 'unreachable', said, { cause: error })
      }
    })
    return offsets
      .toSorted((a, b) => a.partition - b.partition)
      .map(({ low, high }) => ({ low: toOffset(low), high: toOffset(high) }))
  }

  async #committed(groupId: string, topic: string): Promise<Map<number, number>> {
    const name = this.#names.inKafka(topic)
    const answer = await this.#ask(`group '${groupId}'`, admin => admin.fetchOffsets({ groupId, topics: [name] }))
    const offsets = answer[0]!.partitions.map(({ partition, offset }): [number, number] => [
      partition,
      toOffset(offset),
    ])
    return new Map(offsets.filter(([, offset]) => offset >= 0))
  }

  #queue(topic: string, partition: number): PartitionAppends {
    const name = this.#names.inKafka(topic)
    const at = `${name}/${partition}`
    let queue = this.#queues.get(at)
    if (!queue) {
      queue = new PartitionAppends(records => this.#send(name, partition, records))
      this.#queues.set(at, queue)
    }
    return queue
  }

  async #send(topic: string, partition: number, records: readonly NewRecord[]): Promise<void> {
    this.#producer ??= this.#connectProducer()
    const producer = this.#producer
    const messages = records.map(({ key, value, headers = {} }) => ({ partition, key, value, headers }))
    try {
      const compression = compressions[this.#options.compression ?? 'none']
      await (await producer).send({ topic, messages, acks: -1, compression })
    } catch (error) {
      const type = protocolType(error)
      if (type === 'DUPLICATE_SEQUENCE_NUMBER') return // written before, so long ago that the broker says no more
      if (type !== undefined && PRODUCER_LOST.has(type)) await this.#loseProducer(producer)
      const bytes = records.reduce((sum, record) => sum + recordBytes(record), 0)
      throw toAppendError(error, this.address, `topic '${topic}', ${bytes} bytes`)
    }
  }

  async #connectProducer(): Promise<Producer> {
    const producer = this.#client.producer({
      idempotent: true,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition!,
    })
    for (let attempt = 1; ; attempt++) {
      try {
        await producer.connect()
        return producer
      } catch (error) {
        const loading = /COORDINATOR|LOAD_IN_PROGRESS/.test(protocolType(error) ?? '')
        if (loading && attempt < LOADING_ATTEMPTS) continue
        this.#producer = undefined
        await producer.disconnect().catch(() => undefined)
        throw error
      }
    }
  }

  /** The next send makes a new producer; the old one is let finish what others have under way. */
  async #loseProducer(lost: Promise<Producer>): Promise<void> {
    if (this.#producer !== lost) return
    this.#producer = undefined
    const { logger } = this.#options
    logger.warn({ brokers: this.address }, 'kafka: the broker has forgotten our producer; records may be written twice')
    void lost.then(producer => producer.disconnect()).catch(error => logger.debug({ error }, 'kafka: old producer'))
  }

  /** @throws {SinkError} where the group may not be used; one that is only not there yet is waited for later */
  async #checkGroup(group: string): Promise<void> {
    const error = await this.#inCluster(`group '${group}'`, cluster => findCoordinator(cluster, group)).then(
      () => undefined,
      (error: SinkError) => error,
    )
    if (error && !error.retryable) throw error
  }

  async #fetch(topic: string, partition: number, from: number): Promise<FetchedBatch> {
    const name = this.#names.inKafka(topic)
    return await this.#inCluster(`topic '${name}'`, async cluster => {
      await cluster.addTargetTopic(name)
      return await fetchBatch(cluster, name, partition, from, READ_BYTES)
    })
  }

  async #inCluster<T>(about: string, work: (cluster: Cluster) => Promise<T>): Promise<T> {
    this.#cluster ??= this.#connectCluster()
    const used = this.#cluster
    try {
      return await work(await used)
    } catch (error) {
      void used.then(cluster => cluster.disconnect()).catch(() => undefined)
      if (this.#cluster === used) this.#cluster = undefined // whatever it was, the next begins with fresh metadata
      throw toSinkError(error, this.address, about)
    }
  }

  async #connectCluster(): Promise<Cluster> {
    const cluster = createCluster(this.#client)
    await cluster.connect()
    return cluster
  }
}
