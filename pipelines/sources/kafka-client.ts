import { createRequire } from 'node:module'
import type { ConnectionOptions } from 'node:tls'
import kafkajs from 'kafkajs'
import { lz4Codec, snappyCodec, zstdCodec } from './kafka-codecs.ts'
import type { Logger } from './logger.ts'

// The only file that knows kafkajs: it is made ready here, and its types are named for the others. Version 2.2.4 is
// its last and is pinned; what is used beyond its documented interface is at the end, and fails loudly if it changes.

export type {
  Admin,
  Consumer,
  ConsumerCrashEvent,
  ConsumerEndBatchProcessEvent,
  ConsumerGroupJoinEvent,
  EachBatchPayload,
  Kafka,
  KafkaMessage,
  Producer,
} from 'kafkajs'

const { CompressionCodecs, CompressionTypes, logLevel } = kafkajs

CompressionCodecs[CompressionTypes.Snappy] = () => snappyCodec
CompressionCodecs[CompressionTypes.LZ4] = () => lz4Codec
CompressionCodecs[CompressionTypes.ZSTD] = () => zstdCodec

export const compressions = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD,
} as const
export type Compression = keyof typeof compressions

export interface KafkaConnection {
  /** host:port of each bootstrap broker. */
  readonly brokers: readonly string[]
  readonly clientId: string
  /** TLS with the brokers: PEM texts, not paths. Absent: plain text. */
  readonly tls?: {
    readonly ca?: string
    readonly cert?: string
    readonly key?: string
    /** Name to expect in the certificate, where it is not the host. */
    readonly serverName?: string
  }
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: string
  }
  /** Milliseconds one request may take. Default 30 s. */
  readonly requestTimeout?: number
  /** Milliseconds connecting to a broker may take. Default 5 s. */
  readonly connectTimeout?: number
  readonly logger: Logger
}

/** A client that connects when it is first used. Fails within a few seconds where nothing answers: others wait longer. */
export function createClient(connection: KafkaConnection): kafkajs.Kafka {
  const { brokers, clientId, tls, sasl, requestTimeout = 30_000, connectTimeout = 5_000, logger } = connection
  return new kafkajs.Kafka({
    brokers: [...brokers],
    clientId,
    connectionTimeout: connectTimeout,
    requestTimeout,
    retry: { initialRetryTime: 150, maxRetryTime: 2_000, retries: 3 },
    ...(tls ? { ssl: secureContext(tls) } : {}),
    ...(sasl ? { sasl: sasl as kafkajs.SASLOptions } : {}),
    logLevel: logLevel.INFO,
    logCreator: () => entry => pass(entry, logger),
  })
}

function secureContext({ ca, cert, key, serverName }: NonNullable<KafkaConnection['tls']>): ConnectionOptions {
  return {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    ...(serverName ? { servername: serverName } : {}),
  }
}

const callers = new Set(['Connection', 'BrokerPool', 'Cluster'])

/** What kafkajs calls an error it mostly gets over by itself; what ends a subscription or an append is told by those. */
function pass({ namespace, level, log }: kafkajs.LogEntry, logger: Logger): void {
  const { message, timestamp: _, stack: __, ...fields } = log
  const text = `kafkajs: ${message}`
  // An error a broker answered with, or one of reaching it: whoever asked is told, once and with the setting to look at.
  const toCaller = message.startsWith('Response ') || callers.has(namespace)
  if (toCaller) logger.debug({ namespace, ...fields }, text)
  else if (level === logLevel.ERROR) logger.warn({ namespace, ...fields }, text)
  else if (level === logLevel.WARN) logger.info({ namespace, ...fields }, text)
  else logger.debug({ namespace, ...fields }, text)
}

// Beyond the documented interface.

/** A batch as fetched: without what the range did not ask for, aborted transactions and control records. */
export interface FetchedBatch {
  readonly messages: readonly kafkajs.KafkaMessage[]
  /** As they were fetched, those among them that are not to be shown. */
  readonly rawMessages: readonly unknown[]
  /** The last offset covered, by a message or not. */
  lastOffset(): string
}

/** kafkajs' cluster, as far as it is used to read without a consumer group, for which it has no public door. */
export interface Cluster {
  connect(): Promise<void>
  disconnect(): Promise<void>
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Record<string, number[]>
  getNodeIds(): string[]
  findBroker(at: { nodeId: string }): Promise<ClusterBroker>
}
interface ClusterBroker {
  fetch(request: object): Promise<FetchResponse>
  findGroupCoordinator(request: { groupId: string; coordinatorType: number }): Promise<unknown>
}
interface FetchResponse {
  readonly responses: readonly { readonly topicName: string; readonly partitions: readonly object[] }[]
}

const require = createRequire(import.meta.url)
const Batch = require('kafkajs/src/consumer/batch.js') as new (
  topic: string,
  fetchedOffset: string,
  partition: object,
) => FetchedBatch

export function createCluster(client: kafkajs.Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(client).find(({ description }) => description?.endsWith('createCluster'))
  if (!symbol) throw new TypeError('this version of kafkajs is not 2.2.4; install that')
  const create = (client as unknown as Record<symbol, (options: object) => Cluster>)[symbol]!
  return create({ metadataMaxAge: 300_000, allowAutoTopicCreation: false, isolationLevel: 1 })
}

/** One fetch of one partition from its leader; waits up to half a second for data. */
export async function fetchBatch(cluster: Cluster, topic: string, partition: number, from: number, maxBytes: number) {
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(topic, [partition]))
  const broker = await cluster.findBroker({ nodeId: nodeId! })
  const { responses } = await broker.fetch({
    isolationLevel: 1, // only what is committed, where transactions are used
    maxWaitTime: 500,
    minBytes: 1,
    maxBytes,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(from), maxBytes }] }],
  })
  return new Batch(topic, String(from), responses[0]!.partitions[0]!)
}

/** Asks any broker who coordinates the group; unlike a consumer, this says why that cannot be known. */
export async function findCoordinator(cluster: Cluster, groupId: string): Promise<void> {
  await cluster.refreshMetadata()
  const broker = await cluster.findBroker({ nodeId: cluster.getNodeIds()[0]! })
  await broker.findGroupCoordinator({ groupId, coordinatorType: 0 })
}

interface RequestQueue {
  readonly throttledUntil: number
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

// After each answer kafkajs 2.2.4 sets a timer to look at waiting requests, even when none waits, and then of a
// negative length, of which Node 24 warns (TimeoutNegativeWarning). Without waiting requests none is needed.
const { prototype } = require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue }
const schedule = prototype.scheduleCheckPendingRequests
prototype.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.pending.length > 0) schedule.call(this)
}
