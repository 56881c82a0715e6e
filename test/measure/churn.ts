import { Feed, worked } from './feed.ts'
import { every, load, perService } from './load.ts'
import type { Progress } from './measurement.ts'
import type { Reading } from './probe.ts'
import { type StateSize, startSubject, stateIn } from './subject.ts'

/** Services that vanish with each sweep over all of them, as a share, each followed by a new one. */
const SHARE = 0.25

/** Event time after which what is not heard of is forgotten, in milliseconds: three sweeps. */
const FORGOTTEN = 3 * every

/** Sweeps until as much is forgotten as comes new. */
const WARM = 8

export interface ChurnOutcome {
  readonly keys: number
  readonly minutes: number
  /** Series and patterns that came new while it was measured; as many vanished. */
  readonly replaced: number
  /** What is held by the heap, in bytes, once in a minute or more: after whole sweeps, so that like is compared with like. */
  readonly heap: readonly number[]
  readonly rss: readonly number[]
  /** The median of the last third of the heap, where that of the first third is 1. */
  readonly growth: number
  readonly state: Readonly<Record<string, StateSize>>
}

/**
 * An agent in which series and services vanish while others come, for so many minutes at the rate: what it holds must not
 * grow. A window is as long as a series takes from sample to sample, so that forgetting is seen within minutes.
 */
export async function churn(
  { keys, rate, minutes }: { keys: number; rate: number; minutes: number },
  progress: Progress,
): Promise<ChurnOutcome> {
  const subject = await startSubject([
    ...[`detection.window=${every}ms`, 'detection.outOfOrderness=5s'],
    ...[`detection.forgetAfter=${FORGOTTEN}ms`, `detection.score.forget=${FORGOTTEN}ms`],
  ])
  try {
    const sweep = 2 * keys
    const stretch = Math.ceil((60 * rate) / sweep) * sweep
    const stretches = Math.ceil((60 * minutes * rate) / stretch)
    const sweeps = WARM + (stretches * stretch) / sweep
    const start = Math.floor(Date.now() / every - sweeps - 1) * every
    const feed = new Feed(subject, load({ keys, start, churn: SHARE }))
    const say = (reading: Reading) =>
      progress(`${keys} keys that vanish: ${worked(reading)} of ${feed.sent} events, heap ${mib(reading.heap)} MiB`)
    await feed.send(WARM * sweep, undefined, say)
    await feed.drained()
    const readings: Reading[] = []
    const before = feed.sent
    for (let done = 1; done <= stretches; done++) {
      await feed.send(stretch, rate, say)
      await feed.drained()
      const reading = await subject.collected()
      readings.push(reading)
      progress(`churn ${done} of ${stretches}: heap ${mib(reading.heap)} MiB, rss ${mib(reading.rss)} MiB\n`)
    }
    await subject.stop()
    const heap = readings.map(reading => reading.heap)
    const third = Math.max(1, Math.floor(heap.length / 3))
    return {
      keys,
      minutes,
      replaced: Math.round((SHARE * (feed.sent - before)) / perService) * perService,
      heap,
      rss: readings.map(reading => reading.rss),
      growth: median(heap.slice(-third)) / median(heap.slice(0, third)),
      state: await stateIn(subject.data),
    }
  } finally {
    await subject.remove()
  }
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const mib = (bytes: number): number => Math.round(bytes / 1_048_576)
