import { z } from 'zod'
import { Incident, RunRequested } from '../../operators/signal.ts'
import { Watermark } from '../../operators/watermark.ts'
import { decodeRecord } from '../../runbooks/record.ts'
import { storedCheckpoints } from '../../sinks/checkpoints.ts'
import type { Store } from '../../sinks/store.ts'
import { decodeMark, isMark } from '../runtime/marks.ts'
import type { Log, LogRecord, NewRecord } from '../sources/log.ts'
import { MissingTopics } from '../sources/topics.ts'
import { topics } from '../topics.ts'

// What an agent has recorded, as a replay needs it.

/** Every version of the incidents of some time, and the runs that were asked for in it. */
export interface Findings {
  readonly incidents: readonly Incident[]
  readonly requests: readonly RunRequested[]
}

/** All records of a topic, partition by partition; none where there is no such topic. */
export async function* recordsOf(log: Log, topic: string): AsyncGenerator<LogRecord> {
  let partitions: number
  try {
    partitions = await log.partitions(topic)
  } catch (error) {
    if (error instanceof MissingTopics) return
    throw error
  }
  for (let partition = 0; partition < partitions; partition++) yield* log.read(topic, partition, 0)
}

/** When the log took the oldest record of these topics that it still has, and whether it has removed older ones. */
export async function retained(log: Log, inputs: readonly string[]): Promise<{ since: number | null; cut: boolean }> {
  let since: number | null = null
  let cut = false
  for (const topic of inputs)
    for (let partition = 0; partition < (await log.partitions(topic)); partition++)
      for await (const { offset, appendedAt } of log.read(topic, partition, 0)) {
        since = since === null ? appendedAt : Math.min(since, appendedAt)
        cut ||= offset > 0
        break
      }
  return { since, cut }
}

/**
 * What entered the topic of anomalies from elsewhere than the pipelines, such as reports of runs: input of a replay, not
 * its result. What came too late to count then is left out, for in a replay it would be in time.
 * @param upstream pipelines whose progress the readers of the topic wait for
 */
export async function foreignSignals(log: Log, upstream: readonly string[]): Promise<NewRecord[]> {
  const found: NewRecord[] = []
  const watermarks = new Map<number, Watermark>()
  const expected: string[] = []
  for (const [pipeline, topic] of [
    ['logs', topics.logsByService] as const,
    ['metrics', topics.metricsByService] as const,
  ])
    if (upstream.includes(pipeline)) expected.push(...(await streamsOf(log, pipeline, topic)))
  for await (const record of recordsOf(log, topics.anomalies)) {
    const { partition, key, value, headers } = record
    const watermark = watermarks.get(partition) ?? new Watermark(expected)
    watermarks.set(partition, watermark)
    if (isMark(record)) {
      const read = decodeMark(record)
      if ('mark' in read) watermark.observe(read.mark)
      continue
    }
    const late = watermark.time !== null && Number(headers['ops-time']) < watermark.time
    if (!late && !isOfPipelines(headers['ops-producer'] ?? '', upstream))
      found.push({ topic: topics.anomalies, key, value, headers })
  }
  return found
}

const isOfPipelines = (producer: string, upstream: readonly string[]): boolean =>
  producer.startsWith('entry.') || upstream.includes(producer.slice(0, producer.lastIndexOf('/')))

async function streamsOf(log: Log, pipeline: string, topic: string): Promise<string[]> {
  try {
    return Array.from({ length: await log.partitions(topic) }, (_, index) => `${pipeline}/${index}`)
  } catch (error) {
    if (error instanceof MissingTopics) return []
    throw error
  }
}

/** Runs that were asked for, each once: what the ledger still has, and the journal of what it has not. */
export async function requestsOf(log: Log, journal?: Store): Promise<RunRequested[]> {
  const found = new Map<string, RunRequested>()
  for await (const record of recordsOf(log, topics.runs)) {
    const request = requestIn(record)
    if (request && !found.has(request.run)) found.set(request.run, request)
  }
  const rows = await journal?.query<{ body: string }>('SELECT body FROM runs FINAL ORDER BY requested_at, run')
  for (const { body } of rows ?? []) {
    const parsed = z.object({ request: RunRequested }).safeParse(JSON.parse(body))
    const request = parsed.data?.request
    if (request && !found.has(request.run)) found.set(request.run, request)
  }
  return [...found.values()]
}

function requestIn(record: LogRecord): RunRequested | undefined {
  try {
    const read = decodeRecord(record.value, record.headers)
    return read.type === 'requested' ? read : undefined
  } catch {
    return undefined // it lies among the dead letters
  }
}

/** Versions of incidents in `[from, to)`, in order. */
export async function incidentsIn(store: Store, from: number, to: number): Promise<Incident[]> {
  const rows = await store.query<{ body: string }>(
    `SELECT body FROM incident_events FINAL
     WHERE at >= fromUnixTimestamp64Milli({from:Int64}) AND at < fromUnixTimestamp64Milli({to:Int64})
     ORDER BY environment, incident, version`,
    { from, to },
  )
  return rows.map(({ body }) => Incident.parse(JSON.parse(body)))
}

const Meta = z.object({ time: z.number().nullable() })

/**
 * How far in event time the recorded incidents are complete: what the pipeline's checkpoints, which are written behind
 * its rows, have passed. Null: nothing has been recorded.
 */
export async function recordedUntil(log: Log, store: Store): Promise<number | null> {
  const checkpoints = storedCheckpoints(store)
  let until: number | null = null
  for (let partition = 0; partition < (await partitionsOf(log)); partition++) {
    const saved = await checkpoints.load({ pipeline: 'incidents', topic: topics.anomalies, partition })
    const meta = saved?.entries.get('meta')
    const time = meta === undefined ? null : Meta.parse(JSON.parse(meta)).time
    if (time !== null) until = until === null ? time : Math.min(until, time)
  }
  return until
}

const partitionsOf = async (log: Log): Promise<number> => {
  try {
    return await log.partitions(topics.anomalies)
  } catch (error) {
    if (error instanceof MissingTopics) return 0
    throw error
  }
}
