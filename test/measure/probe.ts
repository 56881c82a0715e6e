import { subscribe } from 'node:diagnostics_channel'
import { Session } from 'node:inspector/promises'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { CheckpointReport } from '../../pipelines/runtime/checkpoint-report.ts'
import type { BatchReport } from '../../pipelines/runtime/reports.ts'

// Loaded into an agent by `--import`: answers, over the channel to its parent, what the process has used so far. It adds
// nothing to the agent's own work but a few counters.

/** What an agent process has used and done since it started; the delays since they were last begun afresh. */
export interface Reading {
  /** Microseconds of CPU, user and system, all threads. */
  readonly cpu: number
  /** Milliseconds since the process started. */
  readonly at: number
  readonly rss: number
  readonly heap: number
  /** How long the event loop was held, in milliseconds. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number }
  /** At most while a checkpoint was under way; of which by our own work, for others may have had the processor. */
  readonly saving: { readonly held: number; readonly own: number }
  /** The longest hold by our own work. */
  readonly own: number
  readonly checkpoints: Checkpoints
  /** Events taken by each pipeline. */
  readonly events: Readonly<Record<string, number>>
  /** Records behind the ends of the partitions, of each pipeline. */
  readonly lag: Readonly<Record<string, number>>
  /** How far the newest watermark of each pipeline is: milliseconds of event time. */
  readonly watermarks: Readonly<Record<string, number>>
}

/** The checkpoints since they were last begun afresh. */
export interface Checkpoints {
  readonly count: number
  /** Of the largest: characters of JSON, names, and milliseconds until it was durable. */
  readonly bytes: number
  readonly entries: number
  readonly took: number
}

/** `collected`: garbage is collected first, so that `heap` is what is held. `afresh`: delays are counted from now. */
export interface Question {
  readonly id: number
  readonly ask: 'reading' | 'collected' | 'afresh' | 'profile' | 'profiled'
}

const events: Record<string, number> = {}
const lags = new Map<string, { pipeline: string; lag: number }>()
const watermarks: Record<string, number> = {}
subscribe('ops-agent:batch', message => {
  const { pipeline, partition, fates, lag, watermark } = message as BatchReport
  events[pipeline] = (events[pipeline] ?? 0) + fates.in
  lags.set(`${pipeline}/${partition}`, { pipeline, lag })
  if (watermark !== null) watermarks[pipeline] = watermark
})

const delay = monitorEventLoopDelay({ resolution: 5 })
delay.enable()

/** A hold of the event loop: until when by the wall clock, how long, and for how much of it this thread was at work. */
interface Held {
  readonly at: number
  readonly ms: number
  readonly own: number
}

/** Shorter ones are not looked at, in milliseconds. */
const SHORTEST = 10
let holds: Held[] = []
let checkpoints: CheckpointReport[] = []

const worked = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
let turn = { at: performance.now(), worked: worked() }
setInterval(() => {
  const now = { at: performance.now(), worked: worked() }
  const ms = now.at - turn.at
  if (ms > SHORTEST) holds.push({ at: Date.now(), ms, own: now.worked - turn.worked })
  turn = now
}, 5).unref()
subscribe('ops-agent:checkpoint', message => void checkpoints.push(message as CheckpointReport))

const longest = (of: readonly Held[], by: 'ms' | 'own'): number => Math.max(0, ...of.map(each => Math.round(each[by])))

/** Holds that fell into a checkpoint, from its beginning until it was durable. */
function whileSaving(): Held[] {
  return holds.filter(({ at, ms }) => checkpoints.some(saved => at >= saved.at - saved.took && at - ms <= saved.at))
}

function saved(): Checkpoints {
  const most = (of: (report: CheckpointReport) => number) => Math.max(0, ...checkpoints.map(of))
  return {
    count: checkpoints.length,
    bytes: most(({ bytes }) => bytes),
    entries: most(({ entries }) => entries),
    took: most(({ took }) => took),
  }
}
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function reading(): Reading {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  const lag: Record<string, number> = {}
  for (const each of lags.values()) lag[each.pipeline] = (lag[each.pipeline] ?? 0) + each.lag
  const ms = (ns: number) => Math.round(ns / 1e4) / 100
  const saving = whileSaving()
  return {
    cpu: user + system,
    at: performance.now(),
    rss,
    heap: heapUsed,
    delay: { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) },
    saving: { held: longest(saving, 'ms'), own: longest(saving, 'own') },
    own: longest(holds, 'own'),
    events,
    lag,
    watermarks,
    checkpoints: saved(),
  }
}

const session = new Session()

async function answer(question: Question): Promise<unknown> {
  if (question.ask === 'collected') collect()
  if (question.ask === 'afresh') {
    delay.reset()
    holds = []
    checkpoints = []
  }
  if (question.ask === 'reading' || question.ask === 'collected') return reading()
  if (question.ask === 'afresh') return null
  if (question.ask === 'profiled') return (await session.post('Profiler.stop')).profile
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: 1_000 })
  await session.post('Profiler.start')
  return null
}

process.on('message', (question: Question) => {
  answer(question).then(value => process.send?.({ id: question.id, value }))
})
process.channel?.unref()
