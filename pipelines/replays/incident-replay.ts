import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../operators/clock.ts'
import { Watermark } from '../../operators/watermark.ts'
import type { Store } from '../../sinks/store.ts'
import { loadFiles } from '../agent.ts'
import { systemClock } from '../clock.ts'
import type { Config } from '../config.ts'
import { holdOwnFolder, openLog, openStore } from '../doors.ts'
import { buildGraphs } from '../graphs.ts'
import { filesConfig, type ReplayRequest, type ReplayStep, readAll } from '../replay.ts'
import { contextOf, type Running, startPipelines } from '../running.ts'
import { decodeMark, isMark } from '../runtime/marks.ts'
import { openEmbeddedLog } from '../sources/embedded-log.ts'
import type { Log } from '../sources/log.ts'
import type { Logger } from '../sources/logger.ts'
import { topics } from '../topics.ts'
import { checkName, openReplayStore, ReplayError } from './database.ts'
import { type Difference, differences } from './differences.ts'
import { OverlayLog } from './overlay-log.ts'
import { type Findings, foreignSignals, incidentsIn, recordedUntil, requestsOf, retained } from './recorded.ts'

export interface IncidentReplayRequest {
  /** Database of the replay's tables. */
  readonly into: string
  /** Whether an earlier replay of that name is replaced. */
  readonly fresh: boolean
  /** Event times, milliseconds since 1970: what is compared. Absent: all that was recorded. */
  readonly from?: number
  readonly to?: number
  /** Files to read instead of the retained topics. */
  readonly files?: ReplayRequest
  readonly logger: Logger
  readonly onProgress?: (step: ReplayStep) => void
  readonly signal?: AbortSignal
}

export interface IncidentReplayResult {
  readonly into: string
  /** What was compared: event times from `from` on and before `to`, as far as both sides had come. */
  readonly from: number
  readonly to: number
  /** When the log took the oldest record it still has; null: files were read, or there is none. */
  readonly retainedSince: number | null
  /** True: older records have been removed, so that at first baselines know less than they did. */
  readonly cut: boolean
  readonly recorded: { readonly incidents: number; readonly actions: number }
  readonly replayed: { readonly incidents: number; readonly actions: number }
  readonly differences: readonly Difference[]
}

/** What is open while a replay runs. */
interface Doors {
  /** The log and store that were written to; only read here. */
  readonly recorded: { readonly log: Log; readonly store: Store }
  readonly store: Store
  /** Takes all topics of the replay's own. */
  readonly own: Log
}

/**
 * Runs the pipelines again over what was recorded, into tables of their own, and compares incidents, causes and planned
 * actions. It begins with the oldest record that is retained, since what an incident is depends on what was usual
 * before. No action is taken, nobody is told, no offset is moved, and nothing of what was recorded is touched.
 * @throws {ReplayError} naming the fix, if there is nothing to compare with or `into` cannot be used
 * @throws {DataFolderHeld} if an agent runs on the data folder
 */
export async function replayIncidents(
  configured: Config,
  request: IncidentReplayRequest,
): Promise<IncidentReplayResult> {
  const { logger } = request
  const config = request.files ? filesConfig(configured) : configured
  checkName(config, request.into)
  const clock = systemClock
  const folder = await holdOwnFolder(config)
  const opened: (() => Promise<unknown>)[] = [async () => folder?.release()]
  try {
    const log = await openLog(config, { clock, logger })
    opened.push(() => log.close())
    const live = await openStore(config)
    opened.push(() => live.close())
    await expectTables(live)
    const store = await openReplayStore(config, live, request.into, request.fresh)
    opened.push(() => store.close())
    const dataDir = join(config.data, 'replays', request.into)
    await rm(dataDir, { recursive: true, force: true })
    opened.push(() => rm(dataDir, { recursive: true, force: true }))
    const own = await openEmbeddedLog({ dataDir, clock, logger, retention: Number.MAX_SAFE_INTEGER })
    opened.push(() => own.close())
    return await compared(config, request, { recorded: { log, store: live }, store, own })
  } finally {
    for (const close of opened.reverse()) await close()
  }
}

async function expectTables(live: Store): Promise<void> {
  const found = await live.query(
    "SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = 'incident_events'",
  )
  if (found.length === 0)
    throw new ReplayError(
      `store ${live.address}: nothing was recorded in it to compare with; correct --data or store.url`,
    )
}

async function compared(config: Config, request: IncidentReplayRequest, doors: Doors): Promise<IncidentReplayResult> {
  const { recorded, store, own } = doors
  const inputs = config.inputs.map(({ topic }) => topic)
  const kept = request.files ? { since: null, cut: false } : await retained(recorded.log, inputs)
  if (!request.files && kept.since === null)
    throw new ReplayError(
      `log ${recorded.log.address}: holds no record of ${inputs.join(', ')}; nothing can be replayed`,
    )
  const until = await recordedUntil(recorded.log, recorded.store)
  const reached = await rerun(config, request, doors)
  const from = request.from ?? 0
  const to = Math.min(...[request.to, reached, until].map(time => time ?? Number.POSITIVE_INFINITY))
  const within = async (log: Log, store: Store, journal?: Store): Promise<Findings> => ({
    incidents: Number.isFinite(to) ? await incidentsIn(store, from, to) : [],
    requests: (await requestsOf(log, journal)).filter(({ at }) => at >= from && at < to),
  })
  const before = await within(recorded.log, recorded.store, recorded.store)
  const after = await within(own, store)
  return {
    into: request.into,
    ...{ from, to, retainedSince: kept.since, cut: kept.cut },
    recorded: counted(before),
    replayed: counted(after),
    differences: differences(before, after),
  }
}

const counted = ({ incidents, requests }: Findings) => ({
  incidents: new Set(incidents.map(({ environment, id }) => `${environment}\n${id}`)).size,
  actions: requests.length,
})

/** Runs the pipelines until all was read, or event time is past `to`; how far in event time they came, or null. */
async function rerun(config: Config, request: IncidentReplayRequest, doors: Doors): Promise<number | null> {
  const { recorded, store, own } = doors
  const { catalogue, runbooks } = await loadFiles(config)
  const graphs = buildGraphs(config, catalogue, runbooks)
  const inputs = config.inputs.map(({ topic }) => topic)
  const overlay = request.files
    ? undefined
    : await OverlayLog.open({ recorded: recorded.log, own, inputs, clock: systemClock })
  const around = {
    log: overlay ?? own,
    store,
    clock: stillClock(systemClock),
    logger: request.logger,
    random: Math.random,
  }
  const upstream = graphs.find(({ topic }) => topic === topics.anomalies)?.upstream ?? []
  const signals = await foreignSignals(recorded.log, upstream)
  const partitions = config.log.partitions
  await own.ensure([{ topic: topics.anomalies, partitions }])
  await own.append(signals)
  const running = await startPipelines(looking(config), graphs, catalogue, around)
  const reached = new Reached(own, partitions)
  try {
    if (overlay) await untilRead(overlay, running, reached, request)
    else await readAll(config, request.files!, { log: own, running, context: contextOf(config, catalogue) })
    if (request.signal?.aborted)
      throw new ReplayError('stopped before the replay was through; run it again with --fresh')
  } finally {
    await running.close()
  }
  return reached.look()
}

/** How often is looked how far the replay has come, in milliseconds. */
const LOOK = 200

async function untilRead(
  overlay: OverlayLog,
  running: Running,
  reached: Reached,
  { to = Number.POSITIVE_INFINITY, signal, onProgress }: IncidentReplayRequest,
): Promise<void> {
  let settled = false
  const all = Promise.race([running.settled(), running.done]).finally(() => {
    settled = true
  })
  while (!settled) {
    await Promise.race([all, systemClock.sleep(LOOK)])
    onProgress?.({ what: 'replaying', done: overlay.recordsRead, unit: 'records' })
    if (signal?.aborted || ((await reached.look()) ?? Number.NEGATIVE_INFINITY) > to) overlay.stopReading()
  }
  await all
}

/** While the clock stands still, this says only how often is looked whether a topic has been read to its end. */
const looking = (config: Config): Config => ({
  ...config,
  detection: { ...config.detection, idleAfter: 2 * LOOK },
})

/**
 * The wall clock says when a stream has been silent for so long that nobody waits for it. In a replay it would say so
 * elsewhere than it did: silence then is among the records, and here the clock stands still.
 */
function stillClock(clock: Clock): Clock {
  const now = clock.now()
  return { now: () => now, sleep: (ms, signal) => clock.sleep(ms, signal) }
}

/** How far in event time the incidents of a replay are complete, by the marks behind them. */
class Reached {
  readonly #log: Log
  readonly #watermark: Watermark
  #next = 0

  constructor(log: Log, partitions: number) {
    this.#log = log
    this.#watermark = new Watermark(Array.from({ length: partitions }, (_, index) => `incidents/${index}`))
  }

  async look(): Promise<number | null> {
    // Marks go to every partition of the topic, so one of them tells all.
    for await (const record of this.#log.read(topics.incidents, 0, this.#next)) {
      this.#next = record.offset + 1
      const read = isMark(record) ? decodeMark(record) : undefined
      if (read && 'mark' in read) this.#watermark.observe(read.mark)
    }
    return this.#watermark.time
  }
}
