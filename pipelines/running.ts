import type { Clock } from '../operators/clock.ts'
import type { ServiceCatalogue } from '../operators/services.ts'
import { type Checkpoints, storedCheckpoints } from '../sinks/checkpoints.ts'
import type { Store } from '../sinks/store.ts'
import type { Config } from './config.ts'
import { decodeControl } from './controls/record.ts'
import { decode } from './decode/decode.ts'
import type { DecodeContext } from './decode/decoded.ts'
import { replayed } from './decode/replayed.ts'
import type { Graph } from './pipeline.ts'
import { Delivery, waitingStore } from './runtime/delivery.ts'
import { decodeMark, isMark } from './runtime/marks.ts'
import type { Read } from './runtime/partition.ts'
import { Patience, type Trouble } from './runtime/retry.ts'
import { Runner } from './runtime/runner.ts'
import { decodeEvent } from './runtime/wire.ts'
import type { Log, LogRecord } from './sources/log.ts'
import type { Logger } from './sources/logger.ts'
import { ownTopics, topics } from './topics.ts'

export interface Surroundings {
  readonly log: Log
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
  /** Told of every try of a door after the first. */
  readonly onRetry?: (door: string) => void
  /** Nobody but this process writes to the log, and it reads no files into it. */
  readonly isAlone?: boolean
  /** Names of the pipelines to run here; absent: all. The others run in other processes. */
  readonly roles?: ReadonlySet<string> | undefined
}

/** Pipelines at work. */
export interface Running {
  readonly delivery: Delivery
  readonly checkpoints: Checkpoints
  readonly runners: readonly Runner[]
  /** Doors that are being waited for. */
  readonly troubles: () => ReadonlyMap<string, Trouble>
  /** Rejects when a pipeline ends by an error. */
  readonly done: Promise<void>
  /** Resolves once everything in the topics has been worked through, and nothing more came of it. */
  settled(): Promise<void>
  /** From now on doors are waited for a few seconds more at most: somebody wants to stop. */
  hurry(): void
  close(): Promise<void>
}

/** How long joining the groups may take before somebody else must be holding partitions, in milliseconds. */
const PATIENCE = 60_000

/** How long a door that is shut is still waited for when the process is to stop, in milliseconds. */
const GRACE = 5_000

/** Marks fall at multiples of this of event time, in milliseconds before `timeScale`. */
const QUANTUM = 1_000

/** What is done over and over costs real time, however time is scaled: never more often than this, in milliseconds. */
const SHORTEST = 200

/** Starts the pipelines; all topics are created first. Resolves when all have joined their groups. */
export async function startPipelines(
  config: Config,
  graphs: readonly Graph[],
  catalogue: ServiceCatalogue,
  around: Surroundings,
): Promise<Running> {
  const { log, store, clock, logger, roles, isAlone = false } = around
  await log.ensure(ownTopics(config.inputs, config.log.partitions))
  const stop = new AbortController()
  const patience = new Patience({ ...around, signal: stop.signal, longest: config.doors.longestPause })
  const delivery = new Delivery({ log, store, clock, logger, patience })
  const checkpoints = storedCheckpoints(waitingStore(store, patience))
  const partitions = new Map<string, number>()
  for (const { name, topic } of graphs) partitions.set(name, await log.partitions(topic))
  const context = contextOf(config, catalogue)
  const inputs = new Set(config.inputs.map(({ topic }) => topic))
  const foreign = new Set(config.inputs.filter(input => input.foreign).map(({ topic }) => topic))
  const here = graphs.filter(({ name }) => roles?.has(name) ?? true)
  const runners = here.map(graph => {
    const isEntry = inputs.has(graph.topic)
    return new Runner({
      graph,
      group: groupOf(config, graph.name),
      log,
      delivery,
      checkpoints,
      clock,
      logger,
      read: isEntry ? record => readForeign(record, context) : readerOf(graph, clock),
      ...(isEntry ? { progress: progressOf(config) } : {}),
      upstream: graph.upstream.map(name => ({ name, partitions: partitions.get(name) ?? 0 })),
      // What lies in somebody else's topic may be old news to a new group; what was sent to us must not be missed.
      isForeign: foreign.has(graph.topic),
      isAlone,
      start: foreign.has(graph.topic) && config.log.in === 'kafka' ? config.log.start : 'earliest',
      checkpointEvery: Math.max(SHORTEST, config.checkpoints.every),
      idleEvery: Math.max(SHORTEST / 2, Math.min(1_000, config.detection.idleAfter / 4)),
    })
  })
  await Promise.all(runners.map(runner => runner.start()))
  const closed = new AbortController()
  const hurry = (): void => void clock.sleep(GRACE, closed.signal).then(() => stop.abort())
  return {
    delivery,
    checkpoints,
    runners,
    troubles: () => patience.troubles,
    done: Promise.all(runners.map(runner => runner.done)).then(() => undefined),
    async settled() {
      const joined = clock.now() + PATIENCE
      // What one pipeline publishes is another's work, so twice nothing to do in a row.
      for (let quiet = 0; quiet < 2; ) {
        const lacking = runners.find(runner => !runner.ownsAll)
        if (lacking && clock.now() > joined)
          throw new Error(
            `pipeline ${lacking.name}: another process works on some of its partitions (group '${groupOf(config, lacking.name)}'); stop it, or set log.group`,
          )
        const restful = await Promise.all(runners.map(runner => runner.isAtRest()))
        quiet = restful.every(Boolean) ? quiet + 1 : 0
        await clock.sleep(10)
      }
    },
    hurry,
    async close() {
      hurry()
      await Promise.all(runners.map(runner => runner.close())).finally(() => closed.abort())
    },
  }
}

/** Each pipeline is a consumer group of its own. */
export const groupOf = (config: Config, pipeline: string): string =>
  `${config.log.in === 'kafka' ? config.log.group : 'ops-agent'}.${pipeline}`

export function contextOf(config: Config, catalogue: ServiceCatalogue): DecodeContext {
  const names = new Map(
    Object.entries(catalogue.services).flatMap(([name, { aliases }]) => aliases.map(alias => [alias, name] as const)),
  )
  return {
    environment: config.environment,
    canonicalService: name => names.get(name) ?? name,
    ...config.decode,
  }
}

const progressOf = ({ detection, timeScale }: Config) => ({
  outOfOrderness: detection.outOfOrderness,
  idleAfter: detection.idleAfter,
  quantum: Math.max(SHORTEST, Math.round(QUANTUM / timeScale)),
})

function readForeign(record: LogRecord, context: DecodeContext): Read {
  if (isMark(record)) return readMark(record)
  const again = replayed(record)
  const { events, dead, dropped } = decode(again?.record ?? record, context, again?.parts)
  const from = (index: number) => (again ? { from: { ...arrivalOf(record), index } } : {})
  return { events: events.map((event, index) => ({ event, late: false, ...from(index) })), dead, dropped }
}

/** A dead letter that is sent in again is not the repetition its events' positions make it look. */
const arrivalOf = ({ topic, partition, offset }: LogRecord) => ({ stream: `replay:${topic}/${partition}`, offset })

function readOwn(record: LogRecord, { schema }: Graph): Read {
  if (isMark(record)) return readMark(record)
  const read = decodeEvent(record, schema)
  if ('reason' in read) return { ...nothing, dead: [{ index: 0, ...read }] }
  const from = replayed(record) ? { ...arrivalOf(record), index: 0 } : read.from
  return { ...nothing, events: [{ ...read, from }] }
}

const readerOf = (graph: Graph, clock: Clock): ((record: LogRecord) => Read) =>
  graph.topic === topics.controls ? record => readControl(record, clock.now()) : record => readOwn(record, graph)

/** A control enters the stream when it is read: by the time it was said, the watermark may have passed it. */
function readControl({ topic, partition, offset, key, value, headers }: LogRecord, time: number): Read {
  if (value === null) return { ...nothing, dropped: { tombstone: 1 } }
  const read = decodeControl(value, headers)
  if ('reason' in read) return { ...nothing, dead: [{ index: 0, ...read }] }
  const origin = { stream: `topic:${topic}/${partition}`, offset, index: 0 }
  return { ...nothing, events: [{ event: { key: key ?? '', time, origin, value: read.control }, late: false }] }
}

function readMark(record: LogRecord): Read {
  const read = decodeMark(record)
  return 'reason' in read ? { ...nothing, dead: [{ index: 0, ...read }] } : { ...nothing, mark: read.mark }
}

const nothing = { events: [], dead: [], dropped: {} } as const
