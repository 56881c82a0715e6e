/** A record as a topic holds it. */
export interface LogRecord {
  readonly topic: string
  readonly partition: number
  /** Position in the partition; Kafka's 64-bit offset, safe as a number up to 2^53. */
  readonly offset: number
  /** When the log took it, milliseconds since 1970 by the log's clock. */
  readonly appendedAt: number
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers: Readonly<Record<string, string>>
}

/** A record to be written. Either `partition` is given, or it is chosen by hash of `partitionKey ?? key`. */
export interface NewRecord {
  readonly topic: string
  readonly key: string | null
  readonly value: Buffer | string | null
  readonly headers?: Readonly<Record<string, string>>
  readonly partition?: number
  readonly partitionKey?: string
}

export interface TopicSpec {
  readonly topic: string
  readonly partitions: number
  readonly compacted?: boolean
  /** Milliseconds; absent: the broker's default. */
  readonly retention?: number
}

/** What one fetch of one partition gave, in offset order; never empty. */
export interface Batch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly LogRecord[]
  /** The offset after the last record: where to go on. */
  readonly next: number
  /** The offset the next written record will get: `next >= end` means read to the end. */
  readonly end: number
  /** Tells the group that we are alive. Called by the runner every few hundred milliseconds of work. */
  heartbeat(): Promise<void>
}

/**
 * What reads a topic as one member of a group. Calls for one partition never overlap, and none comes for a partition
 * after `revoked` has been called for it (and its promise awaited).
 */
export interface Reader {
  /** Partitions are ours now. Answers where to start; undefined: where the group or `start` says. */
  assigned(topic: string, partition: number): Promise<number | undefined>
  /** Handles the batch; resolves when all it caused is durable. A rejection ends the subscription with that error. */
  batch(batch: Batch): Promise<void>
  /** The partition is read to its end; called at least once per `idleEvery` while that lasts. */
  idle(topic: string, partition: number): Promise<void>
  /** The partition is no longer ours: forget it. */
  revoked(topic: string, partition: number): Promise<void>
}

export interface SubscribeOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** Where a group without a committed offset starts. */
  readonly start: 'earliest' | 'latest'
  /** Milliseconds between calls of `idle`. */
  readonly idleEvery: number
  /** Most records, and most bytes, of one batch. */
  readonly maxRecords?: number
  readonly maxBytes?: number
}

export interface Subscription {
  /** Tells the log how far the group has come, for lag dashboards; the checkpoint is the truth. */
  commit(topic: string, partition: number, next: number): Promise<void>
  /** Rejects if the subscription ends by an error; resolves after `close`. */
  readonly done: Promise<void>
  /** Finishes the batches under way, calls `revoked` for each partition, and leaves the group. */
  close(): Promise<void>
}

/** The log door: topics with partitions and offsets. Embedded files or Kafka. */
export interface Log {
  readonly address: string
  /** Creates what is missing; fails, naming the topic and both counts, where one exists with fewer partitions. */
  ensure(topics: readonly TopicSpec[]): Promise<void>
  /** Number of partitions of a topic. @throws {SinkError} if it does not exist */
  partitions(topic: string): Promise<number>
  /** Offsets after the last record of each partition. */
  ends(topic: string): Promise<readonly number[]>
  /** Resolves when all are durable. Records of one partition keep their order, and a retry does not double them. */
  append(records: readonly NewRecord[]): Promise<void>
  subscribe(options: SubscribeOptions, reader: Reader): Promise<Subscription>
  /** Reads a range once, outside any group. `to` absent: to the end as it is now. */
  read(topic: string, partition: number, from: number, to?: number): AsyncIterable<LogRecord>
  check(): Promise<void>
  close(): Promise<void>
}
