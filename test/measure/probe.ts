import { subscribe } from 'node:diagnostics_channel'
import { Session } from 'node:inspector/promises'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { BatchReport } from '../../pipelines/runtime/task.ts'

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
  /** Events taken by each pipeline. */
  readonly events: Readonly<Record<string, number>>
  /** Records behind the ends of the partitions, of each pipeline. */
  readonly lag: Readonly<Record<string, number>>
  /** How far the newest watermark of each pipeline is: milliseconds of event time. */
  readonly watermarks: Readonly<Record<string, number>>
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
setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function reading(): Reading {
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed } = process.memoryUsage()
  const lag: Record<string, number> = {}
  for (const each of lags.values()) lag[each.pipeline] = (lag[each.pipeline] ?? 0) + each.lag
  const ms = (ns: number) => Math.round(ns / 1e4) / 100
  const delays = { p50: ms(delay.percentile(50)), p99: ms(delay.percentile(99)), max: ms(delay.max) }
  return { cpu: user + system, at: performance.now(), rss, heap: heapUsed, delay: delays, events, lag, watermarks }
}

const session = new Session()

async function answer(question: Question): Promise<unknown> {
  if (question.ask === 'collected') collect()
  if (question.ask === 'afresh') delay.reset()
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
