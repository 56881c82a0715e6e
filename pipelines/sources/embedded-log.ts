import { constants } from 'node:fs'
import { access, mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock } from '../../operators/clock.ts'
import { SinkError } from '../../sinks/store.ts'
import { Appends } from './appends.ts'
import { replaceFile } from './durable-file.ts'
import { EmbeddedSubscription } from './embedded-subscription.ts'
import { GroupOffsets } from './group-offsets.ts'
import type { Log, LogRecord, NewRecord, Reader, SubscribeOptions, Subscription, TopicSpec } from './log.ts'
import type { Logger } from './logger.ts'
import { PartitionFiles } from './partition-files.ts'
import { MissingTopics } from './topics.ts'

const NAME = 'embedded log'
const LEGAL_TOPIC = /^(?!\.\.?$)[a-zA-Z0-9._-]{1,249}$/
const DAY = 86_400_000
const READ_RECORDS = 1_000
const READ_BYTES = 1024 * 1024

export interface EmbeddedLogOptions {
  /** The data folder: topics lie in `topics/<topic>/<partition>/`, group offsets in `groups/`. This process owns it. */
  readonly dataDir: string
  readonly clock: Clock
  readonly logger: Logger
  /** A segment this large, in bytes, is followed by a new one. Default 32 MiB. */
  readonly segmentBytes?: number
  /** Milliseconds records are kept where the topic does not say. Default 7 days, like Kafka's. */
  readonly retention?: number
}

/** `topic.json`. A topic exists once it is written. */
const TopicFile = z.strictObject({
  format: z.literal(1),
  partitions: z.int().positive(),
  compacted: z.boolean(),
  retention: z.number().nonnegative().nullable(),
})
type TopicFile = z.output<typeof TopicFile>

interface Topic {
  readonly settings: TopicFile
  readonly partitions: readonly PartitionFiles[]
}

/**
 * The log door on durable files of this machine, for one process.
 *
 * - An append resolves when its records are fsynced; appends under way at once share an fsync; readers see only what
 *   is durable. A crash at any instant loses nothing acknowledged; what it left half written is cut off at opening.
 * - A record never changes its offset. Whole segments (32 MiB) are removed when their newest record is past retention,
 *   looked at when a segment begins and at opening. Compacted topics are kept whole: compaction is not done.
 * - A group has one member: a second subscription of the same group is refused.
 */
export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<Log> {
  const log = new EmbeddedLog(options)
  await log.open()
  return log
}

class EmbeddedLog implements Log {
  readonly address: string
  readonly #options: EmbeddedLogOptions
  readonly #topics = new Map<string, Topic>()
  readonly #subscriptions = new Map<string, EmbeddedSubscription>()
  readonly #appends: Appends

  constructor(options: EmbeddedLogOptions) {
    this.address = join(options.dataDir, 'topics')
    this.#options = options
    this.#appends = new Appends(
      topic => this.#topic(topic).partitions.length,
      (topic, partition, records) => this.#files(topic, partition).append(records),
    )
  }

  async open(): Promise<void> {
    await mkdir(this.address, { recursive: true })
    const entries = await readdir(this.address, { withFileTypes: true })
    for (const entry of entries) if (entry.isDirectory()) await this.#openTopic(entry.name)
  }

  async ensure(topics: readonly TopicSpec[]): Promise<void> {
    for (const spec of topics) {
      const { topic, partitions, compacted = false, retention = null } = spec
      if (!LEGAL_TOPIC.test(topic))
        throw new SinkError(NAME, 'misconfigured', `topic '${topic}': use letters, digits, '.', '_' and '-' only`)
      const existing = this.#topics.get(topic)
      const count = existing?.partitions.length ?? partitions
      if (count < partitions)
        throw new SinkError(
          NAME,
          'misconfigured',
          `topic '${topic}' has ${count} partitions, and ${partitions} are asked for; lower log.partitions, or start with a new data folder`,
        )
      const settings: TopicFile = { format: 1, partitions: count, compacted, retention }
      if (existing && JSON.stringify(existing.settings) === JSON.stringify(settings)) continue
      await mkdir(join(this.address, topic), { recursive: true })
      await replaceFile(join(this.address, topic, 'topic.json'), `${JSON.stringify(settings)}\n`)
      if (!existing) await this.#openTopic(topic)
    }
  }

  async partitions(topic: string): Promise<number> {
    return this.#topic(topic).partitions.length
  }

  async ends(topic: string): Promise<readonly number[]> {
    return this.#topic(topic).partitions.map(files => files.end)
  }

  append(records: readonly NewRecord[]): Promise<void> {
    return this.#appends.append(records)
  }

  async subscribe(options: SubscribeOptions, reader: Reader): Promise<Subscription> {
    const { group, topics } = options
    if (this.#subscriptions.has(group))
      throw new SinkError(NAME, 'misconfigured', `group '${group}' is subscribed already; it takes one member here`)
    const partitions = topics.flatMap(topic =>
      this.#topic(topic).partitions.map((files, partition) => ({ topic, partition, files })),
    )
    const { clock, logger, dataDir } = this.#options
    const offsets = await GroupOffsets.open(join(dataDir, 'groups'), group)
    const ended = () => this.#subscriptions.delete(group)
    const subscription = new EmbeddedSubscription(partitions, options, reader, { offsets, clock, logger, ended })
    this.#subscriptions.set(group, subscription)
    return subscription
  }

  async *read(topic: string, partition: number, from: number, to?: number): AsyncGenerator<LogRecord> {
    const files = this.#files(topic, partition)
    const until = Math.min(to ?? files.end, files.end)
    const cursor = files.read(from)
    try {
      while (cursor.offset < until)
        for (const record of await cursor.next(Math.min(READ_RECORDS, until - cursor.offset), READ_BYTES))
          if (record.offset < until) yield record
    } finally {
      await cursor.close()
    }
  }

  async check(): Promise<void> {
    await access(this.address, constants.R_OK | constants.W_OK).catch(cause => {
      throw new SinkError(NAME, 'misconfigured', `folder '${this.address}' cannot be written to; set data`, { cause })
    })
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#subscriptions.values()].map(subscription => subscription.close()))
    for (const { partitions } of this.#topics.values()) await Promise.all(partitions.map(files => files.close()))
  }

  #topic(topic: string): Topic {
    const found = this.#topics.get(topic)
    if (!found) throw new MissingTopics(NAME, [topic], `no topic '${topic}'; run \`ops-agent topics apply\``)
    return found
  }

  #files(topic: string, partition: number): PartitionFiles {
    const { partitions } = this.#topic(topic)
    const files = partitions[partition]
    if (!files) throw new RangeError(`topic '${topic}' has no partition ${partition}: it has ${partitions.length}`)
    return files
  }

  async #openTopic(topic: string): Promise<void> {
    const path = join(this.address, topic, 'topic.json')
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined // the process died while the topic was being made
      throw error
    })
    if (text === undefined) return
    const settings = parseTopicFile(path, text)
    const { clock, logger, segmentBytes = 32 * 1024 * 1024 } = this.#options
    const retention = settings.compacted ? null : (settings.retention ?? this.#options.retention ?? 7 * DAY)
    const partitions = await Promise.all(
      Array.from({ length: settings.partitions }, (_, partition) => {
        const folder = join(this.address, topic, String(partition))
        return PartitionFiles.open({ folder, topic, partition, clock, logger, segmentBytes, retention })
      }),
    )
    this.#topics.set(topic, { settings, partitions })
  }
}

function parseTopicFile(path: string, text: string): TopicFile {
  try {
    return TopicFile.parse(JSON.parse(text))
  } catch (cause) {
    throw new SinkError(NAME, 'misconfigured', `'${path}' cannot be read; restore it`, { cause })
  }
}
