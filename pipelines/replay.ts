import { migrate } from '../sinks/migrate.ts'
import type { Store } from '../sinks/store.ts'
import { loadFiles } from './agent.ts'
import { systemClock } from './clock.ts'
import type { Config } from './config.ts'
import { holdOwnFolder, openLog, openStore } from './doors.ts'
import { buildGraphs } from './graphs.ts'
import { contextOf, type Running, startPipelines } from './running.ts'
import { appendedSoFar, type ReplayProgress, replayFiles } from './sources/files.ts'
import type { Log } from './sources/log.ts'
import type { Logger } from './sources/logger.ts'
import { entryTopics } from './topics.ts'

/** How far a replay has come. */
export interface ReplayStep {
  readonly what: string
  readonly done: number
  readonly total?: number
  readonly unit: string
}

export interface ReplayRequest {
  readonly logs: readonly string[]
  readonly metrics: readonly string[]
  /** Years missing in lines are counted back from here; absent: from each file's own date. */
  readonly now?: number
  readonly service?: string
  readonly logger: Logger
  readonly onProgress?: (step: ReplayStep) => void
  readonly signal?: AbortSignal
}

export interface ReplayResult {
  /** Lines of the log files, physical ones, whether they were read now or before. */
  readonly linesIn: number
  /** Points of the metric files likewise. */
  readonly samplesIn: number
  /** What the tables now hold. */
  readonly rows: Readonly<Record<string, number>>
  readonly dead: number
  readonly late: number
}

/** Tables whose rows a replay answers for. */
const tables = [
  'log_lines',
  'log_patterns',
  'log_counts',
  'metric_summaries',
  'anomalies',
  'incidents',
  'incident_events',
  'dead_letters',
  'late_events',
] as const

/**
 * Sends files through the same pipelines as everything else, and waits until they have passed. Doing it again adds
 * nothing. No runbook is run.
 */
export async function replay(configured: Config, request: ReplayRequest): Promise<ReplayResult> {
  const { logger } = request
  const config = filesConfig(configured)
  const clock = systemClock
  const folder = await holdOwnFolder(config)
  const opened: (() => Promise<unknown>)[] = [async () => folder?.release()]
  try {
    const { catalogue, runbooks } = await loadFiles(config)
    const log = await openLog(config, { clock, logger })
    opened.push(() => log.close())
    const store = await openStore(config)
    opened.push(() => store.close())
    await migrate(store)
    const graphs = buildGraphs(config, catalogue, runbooks)
    const around = { log, store, clock, logger, random: Math.random }
    const running = await startPipelines(config, graphs, catalogue, around)
    const context = contextOf(config, catalogue)
    const read = await readAll(config, request, { log, running, context }).finally(() => running.close())
    const rows = await countRows(store)
    return { ...read, rows, dead: rows.dead_letters ?? 0, late: rows.late_events ?? 0 }
  } finally {
    for (const close of opened.reverse()) await close()
  }
}

/** The configuration as the pipelines have it when files are read. */
export function filesConfig(config: Config): Config {
  // Files come in by our own topics, whatever else the agent listens to.
  const inputs = Object.values(entryTopics).map(topic => ({ topic, foreign: false }))
  // Nobody waits behind a replay: it keeps every line, however many came at once.
  const all = Number.MAX_SAFE_INTEGER
  const sample = { ...config.detection.sample, linesPerSecond: all, errorsPerSecond: all }
  return { ...config, inputs, detection: { ...config.detection, sample } }
}

/** Sends files into the topics of running pipelines, and waits until they have passed. */
export async function readAll(
  config: Config,
  request: ReplayRequest,
  { log, running, context }: { log: Log; running: Running; context: ReturnType<typeof contextOf> },
): Promise<{ linesIn: number; samplesIn: number }> {
  const settled = () => Promise.race([running.settled(), running.done])
  await settled()
  const kinds = (['logs', 'metrics'] as const).filter(kind => request[kind].length > 0)
  // Every file of both kinds is announced before any is read on, so that none is overtaken unheard.
  const announced = barrier(kinds.length, settled)
  const progress = await Promise.all(
    kinds.map(async kind => {
      const topic = entryTopics[kind]
      return replayFiles({
        log,
        topic,
        partition: 0,
        kind,
        globs: request[kind],
        context,
        clock: systemClock,
        environment: config.environment,
        appended: await appendedSoFar(log.read(topic, 0, 0)),
        onAnnounced: announced,
        onProgress: progress => request.onProgress?.(told(kind, progress)),
        ...(request.now === undefined ? {} : { now: request.now }),
        ...(request.service === undefined ? {} : { service: request.service }),
        ...(request.signal ? { signal: request.signal } : {}),
      })
    }),
  )
  await settled()
  const of = (kind: 'logs' | 'metrics'): number => progress[kinds.indexOf(kind)]?.totalParts ?? 0
  return { linesIn: of('logs'), samplesIn: of('metrics') }
}

/** A function that resolves, for all who call it, when `count` have and `then` has been done. */
function barrier(count: number, then: () => Promise<void>): () => Promise<void> {
  let waiting = count
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  return () => {
    if (--waiting === 0) then().then(resolve, reject)
    return promise
  }
}

const told = (kind: 'logs' | 'metrics', { phase, bytes, totalBytes, parts, totalParts }: ReplayProgress): ReplayStep =>
  phase === 'reading'
    ? { what: `looking through ${kind}`, done: bytes, total: totalBytes, unit: 'bytes' }
    : { what: 'reading', done: parts, total: totalParts, unit: kind === 'logs' ? 'lines' : 'samples' }

async function countRows(store: Store): Promise<Record<string, number>> {
  const counts = tables.map(async table => {
    const [row] = await store.query<{ n: number }>(`SELECT count() AS n FROM ${table} FINAL`)
    return [table, Number(row?.n ?? 0)] as const
  })
  return Object.fromEntries(await Promise.all(counts))
}
