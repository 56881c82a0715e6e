import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { cluster } from '../../operators/cluster/cluster.ts'
import type { Event } from '../../operators/operator.ts'
import type { LogLine } from '../../operators/signal.ts'
import { median } from './churn.ts'
import { type Drain3Speed, drain3Speed } from './drain3.ts'
import { churningLines, type Lines, redrawnLines } from './log-lines.ts'
import type { Measurement, Outcome, Progress } from './measurement.ts'

/** What the heap may be at the end, where it is 1 at the beginning. */
const FLAT = 1.05

/** Lines made at once, outside of what is timed. */
const BATCH = 50_000

/** Lines that Drain3 gets. */
const SHARED = 200_000

interface Run {
  readonly linesPerSecond: number
  /** What the heap holds at each tenth of the lines, in bytes. */
  readonly heap: readonly number[]
  readonly patterns: number
}

/** How fast lines get their patterns, what is held meanwhile, and, where there is one, Drain3 on the same lines. */
export const patterns: Measurement = {
  name: 'patterns',
  summary: 'Lines a second of clustering, its memory while shapes of lines come and go, and Drain3 beside it.',
  options: {
    lines: { default: '50000000', summary: 'Lines to cluster.' },
    data: {
      default: '',
      summary: 'A folder of labelled sets whose lines to use, variables drawn anew; none: made-up ones.',
    },
    python: { default: 'python3', summary: 'A Python with drain3, to have the pair.' },
  },
  async run(options, progress) {
    const source = () => (options.data ? redrawnLines(options.data) : churningLines())
    const run = clustered(source(), Number(options.lines), progress)
    return outcomeOf(run, drain3Speed(options.python!, source()(SHARED)))
  },
}

function clustered(source: Lines, total: number, progress: Progress): Run {
  const logic = cluster({}).create()
  let state = logic.init('measure/patterns')
  const heap: number[] = []
  let spent = 0
  for (let done = 0; done < total; done += BATCH) {
    const events = source(BATCH).map((body, at) => eventOf(body, done + at))
    const before = process.cpuUsage().user
    for (const event of events) state = logic.step(state, event)[0]!
    spent += process.cpuUsage().user - before
    if (Math.floor((10 * (done + BATCH)) / total) > Math.floor((10 * done) / total)) heap.push(held())
    progress(`${done + BATCH} of ${total} lines`)
  }
  return { linesPerSecond: (total * 1e6) / spent, heap, patterns: Object.keys(state.patterns).length }
}

/** A thousand lines a second of event time. */
const eventOf = (body: string, at: number): Event<LogLine> => ({
  key: 'measure/patterns',
  time: at,
  origin: { stream: 'lines', offset: at, index: 0 },
  value: { type: 'log', environment: 'measure', service: 'patterns', severity: 9, body, attributes: {} },
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function held(): number {
  collect()
  return process.memoryUsage().heapUsed
}

function outcomeOf(run: Run, drain3: Drain3Speed | undefined): Outcome {
  const third = Math.max(1, Math.floor(run.heap.length / 3))
  const growth = median(run.heap.slice(-third)) / median(run.heap.slice(0, third))
  const ours = Math.round(run.linesPerSecond).toLocaleString('en-US')
  const times = (speed: number): string => `${(run.linesPerSecond / speed).toFixed(1)} x`
  const pair = drain3 === undefined ? 'not installed' : `${times(drain3.masking)}, bare ${times(drain3.bare)}`
  const heap = run.heap.map(bytes => (bytes / 2 ** 20).toFixed(1)).join(', ')
  return {
    result: { ...run, growth, drain3 },
    columns: { 'lines/s': ours, 'heap growth': growth.toFixed(3), 'against Drain3': pair },
    text: `${ours} lines a second of CPU, ${run.patterns} patterns; against Drain3: ${pair}; heap at each tenth, MiB: ${heap}`,
    holds: growth <= FLAT && (drain3 === undefined || run.linesPerSecond >= 10 * drain3.masking),
  }
}
