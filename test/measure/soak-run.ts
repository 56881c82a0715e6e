import { Feed, worked } from './feed.ts'
import { every, load } from './load.ts'
import type { Progress } from './measurement.ts'
import type { Reading } from './probe.ts'
import { type Hot, hottest } from './profile.ts'
import { type StateSize, startSubject, stateIn } from './subject.ts'

/** Length of the agent's windows, in milliseconds of event time. */
export const windowLength = 60_000

/** Events that a window of so many series, and as many patterns, holds. */
export const perWindow = (keys: number): number => 2 * keys * (windowLength / every)

/** One agent, from its start to its end. */
export interface Run {
  readonly keys: number
  /** Windows of event time fed as fast as it goes, and after that at the rate. */
  readonly warm: number
  readonly steady: number
  /** Events a second. */
  readonly rate: number
  readonly profile: boolean
}

export interface Phase {
  readonly events: number
  readonly seconds: number
  readonly perSecond: number
  /** Microseconds of CPU of the whole process, all threads. */
  readonly cpuPerEvent: number
}

export interface RunOutcome extends Run {
  readonly warmed: Phase
  readonly steadied: Phase
  /** Both together. */
  readonly whole: Phase
  /** How long the event loop was held while at the rate, in milliseconds. */
  readonly delay: Reading['delay']
  readonly saving: Reading['saving']
  readonly own: Reading['own']
  readonly checkpoints: Reading['checkpoints']
  /** Bytes, at the end; of the heap what is held. */
  readonly rss: number
  readonly heap: number
  readonly state: Readonly<Record<string, StateSize>>
  readonly bytesPerSeries: number
  readonly bytesPerPattern: number
  readonly hot?: { functions: readonly Hot[]; files: readonly Hot[] }
}

export async function runOnce(run: Run, progress: Progress): Promise<RunOutcome> {
  const { keys, warm, steady, rate, profile } = run
  const subject = await startSubject([])
  try {
    const start = Math.floor(Date.now() / windowLength - (warm + steady + 1)) * windowLength
    const feed = new Feed(subject, load({ keys, start }))
    const say = (how: string) => (reading: Reading) =>
      progress(`${keys} keys, ${how}: ${worked(reading)} of ${feed.sent} events, ${mib(reading.rss)} MiB`)
    const first = await subject.reading()
    await feed.send(warm * perWindow(keys), undefined, say('as fast as it goes'))
    const warmed = await feed.drained()
    if (profile) await subject.profile()
    await subject.afresh()
    await feed.send(steady * perWindow(keys), rate, say(`${rate} a second`))
    const last = await feed.drained()
    const hot = profile ? { hot: hottest(await subject.profiled()) } : {}
    const { heap } = await subject.collected()
    await subject.stop()
    const state = await stateIn(subject.data)
    return {
      ...run,
      warmed: phaseOf(first, warmed),
      steadied: phaseOf(warmed, last),
      whole: phaseOf(first, last),
      delay: last.delay,
      saving: last.saving,
      own: last.own,
      checkpoints: last.checkpoints,
      rss: last.rss,
      heap,
      state,
      bytesPerSeries: (state.metrics?.bytes ?? 0) / keys,
      bytesPerPattern: (state.logs?.bytes ?? 0) / keys,
      ...hot,
    }
  } finally {
    await subject.remove()
  }
}

function phaseOf(from: Reading, to: Reading): Phase {
  const [events, seconds] = [worked(to) - worked(from), (to.at - from.at) / 1_000]
  return { events, seconds, perSecond: events / seconds, cpuPerEvent: (to.cpu - from.cpu) / events }
}

const mib = (bytes: number): number => Math.round(bytes / 1_048_576)
