import type { NewRecord } from '../../pipelines/sources/log.ts'
import type { Store } from '../../sinks/store.ts'

/** Telemetry of several partitions, and what must come of it. */
export interface Skewed {
  /**
   * An hour in ten-second slices: partition 0 is far busier than the others, and the last one says nothing after its
   * first minute. Many lines are as late as is allowed, some are later.
   */
  readonly hour: readonly (readonly NewRecord[])[]
  /** The first line of the last partition after that. */
  readonly wake: NewRecord
  /** A line of each other partition, which moves no time on. */
  others(): NewRecord[]
  /** Ten minutes more of all, and then a line in each that is late enough to end all windows. */
  readonly rest: readonly NewRecord[]
  /** How many lines each minute of event time has, by its beginning. */
  readonly minutes: ReadonlyMap<number, number>
  /** Texts of those that are later than is allowed, sorted. */
  readonly late: readonly string[]
}

const MINUTE = 60_000
const START = Date.UTC(2026, 0, 5)
/** What `detection.outOfOrderness` is by default, and what marks are multiples of. */
const ALLOWED = 30_000
const QUANTUM = 1_000
const BUSY = 20
const STEP = 10_000
const services = ['shop', 'bank', 'mail']

/** Makes it: partition 0 has twenty lines where another has one. */
export function skewed(partitions: number): Skewed {
  const minutes = new Map<number, number>()
  const late: string[] = []
  let lines = 0
  const record = (partition: number, time: number, message: string): NewRecord => ({
    topic: 'telemetry.logs',
    key: null,
    partition,
    value: JSON.stringify({
      timestamp: new Date(time).toISOString(),
      service: services[lines++ % services.length],
      message,
    }),
  })
  const line = (partition: number, time: number, how = 'in time'): NewRecord => {
    const minute = Math.floor(time / MINUTE) * MINUTE
    minutes.set(minute, (minutes.get(minute) ?? 0) + 1)
    return record(partition, time, `line ${lines} of partition ${partition} is ${how}`)
  }
  const tooLate = (partition: number, time: number): NewRecord => {
    late.push(`line ${lines} of partition ${partition} is too late`)
    return record(partition, time, late.at(-1)!)
  }
  const step = function* (time: number, here: readonly number[]): Generator<NewRecord> {
    for (const partition of here) for (let n = 0; n < (partition === 0 ? BUSY : 1); n++) yield line(partition, time + n)
    if ((time - START) % MINUTE !== 30_000) return
    // The newest of each partition is `time` or a little later; what follows moves no watermark.
    for (const partition of here) {
      const newest = time + (partition === 0 ? BUSY - 1 : 0)
      yield line(partition, newest - ALLOWED, 'as late as is allowed')
      if (time - START < 5 * MINUTE) continue
      yield tooLate(partition, newest - ALLOWED - 2 * QUANTUM)
      yield tooLate(partition, newest - 4 * MINUTE)
    }
  }
  const all = Array.from({ length: partitions }, (_, partition) => partition)
  const talkative = all.slice(0, -1)
  const slices = (from: number, to: number): NewRecord[][] =>
    Array.from({ length: ((to - from) * MINUTE) / STEP }, (_, nth) => {
      const at = from * MINUTE + nth * STEP
      return [...step(START + at, from === 0 && at >= MINUTE ? talkative : all)]
    })
  const hour = slices(0, 60)
  const wake = line(partitions - 1, START + 60 * MINUTE)
  const rest = [...slices(61, 71).flat(), ...all.map(partition => record(partition, START + 180 * MINUTE, 'the last'))]
  const others = () => talkative.map(partition => line(partition, START + 60 * MINUTE - STEP))
  return { hour, wake, others, rest, minutes, late: late.toSorted() }
}

/** The newest minute of event time whose lines are counted, as minutes from the first. */
export async function minutesClosed(store: Store): Promise<number> {
  const [row] = await store.query<{ newest: number }>(
    'SELECT toUnixTimestamp64Milli(max(start)) AS newest FROM log_counts',
  )
  return (row!.newest - START) / MINUTE
}

/** How many lines each minute has by the table of counts, and the texts of the lines that were late, sorted. */
export async function seenIn(store: Store): Promise<Pick<Skewed, 'minutes' | 'late'>> {
  const counts = await store.query<{ minute: number; n: number }>(
    `SELECT toUnixTimestamp64Milli(start) AS minute, toUInt32(sum(count)) AS n FROM log_counts FINAL
     GROUP BY start ORDER BY start`,
  )
  const late = await store.query<{ body: string }>(
    "SELECT JSONExtractString(value, 'body') AS body FROM late_events FINAL ORDER BY body",
  )
  return { minutes: new Map(counts.map(({ minute, n }) => [minute, n])), late: late.map(({ body }) => body) }
}
