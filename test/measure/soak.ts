import { type ChurnOutcome, churn, median } from './churn.ts'
import type { Measurement, Outcome, Progress } from './measurement.ts'
import { perWindow, type Run, type RunOutcome, runOnce } from './soak-run.ts'

/** What a cost may be at the largest size, where it is 1 at the smallest. */
const MOST = 1.3

/** What the heap may be at the end of the minutes of churn, where it is 1 at their beginning. */
const FLAT = 1.05

/** The longest the event loop may be held, in milliseconds. */
const LONGEST_STALL = 50

/** Functions shown of a profile; the result has more. */
const HOTTEST = 15

interface Plan {
  readonly sizes: readonly number[]
  readonly rate: number
  readonly seconds: number
  readonly warm: number
  readonly rounds: number
  readonly profile: boolean
}

/**
 * Cost by size, read in two ways, so that nothing hides in the choice. Same rate: as many events a second for as long,
 * so that a small fleet passes through many more windows. Same span: as many windows of event time, so that every series
 * has as long a history, and a small fleet sends far fewer events. In both each series and each pattern has one event per 15 s
 * of event time, 100 of each a service.
 */
export const soak: Measurement = {
  name: 'soak',
  summary: 'State per key and CPU per event with more and more series and patterns, at one event rate.',
  options: {
    sizes: { default: '1000,10000,100000', summary: 'Series, and as many patterns, of each run.' },
    rate: { default: '4000', summary: 'Events a second.' },
    seconds: {
      default: '60',
      summary: 'How long each size is fed at that rate, at least: rounded up to whole windows.',
    },
    warm: { default: '2', summary: 'Windows of event time fed before, as fast as it goes.' },
    rounds: { default: '3', summary: 'Times that each size runs, in turns; medians are told.' },
    minutes: { default: '10', summary: 'How long keys vanish and others come at the largest size; 0: not at all.' },
    profile: { default: 'no', summary: 'yes: where the CPU time went, too.' },
  },
  async run(options, progress) {
    const plan = {
      sizes: options.sizes!.split(',').map(Number),
      rate: Number(options.rate),
      seconds: Number(options.seconds),
      warm: Number(options.warm),
      rounds: Number(options.rounds),
      profile: options.profile === 'yes',
    }
    const [sameRate, sameSpan] = await runAll(plan, progress)
    const minutes = Number(options.minutes)
    const keys = Math.max(...plan.sizes)
    const churned = minutes > 0 ? await churn({ keys, rate: plan.rate, minutes }, progress) : undefined
    return outcomeOf(sameRate!, sameSpan!, churned)
  },
}

/** All rounds of both readings, the sizes in turns; the largest run is the same in both. */
async function runAll(plan: Plan, progress: Progress): Promise<RunOutcome[][]> {
  const { sizes, rate, seconds, warm, rounds, profile } = plan
  const windows = (keys: number) => Math.max(1, Math.ceil((seconds * rate) / perWindow(keys)))
  const largest = Math.max(...sizes)
  const sameRate: RunOutcome[] = []
  const sameSpan: RunOutcome[] = []
  const once = async (run: Run) => {
    const outcome = await runOnce(run, progress)
    progress(`${lineOf(outcome)}\n`)
    return outcome
  }
  for (let round = 0; round < rounds; round++)
    for (const keys of sizes) {
      const run = { keys, warm, rate, profile, steady: windows(keys) }
      const atRate = await once(run)
      sameRate.push(atRate)
      const spans = run.steady === windows(largest)
      sameSpan.push(spans ? atRate : await once({ ...run, steady: windows(largest), profile: false }))
    }
  return [sameRate, sameSpan]
}

function lineOf({ keys, warmed, steadied, whole, warm, steady, ...rest }: RunOutcome): string {
  const { delay, saving, own, bytesPerSeries, bytesPerPattern, rss, heap } = rest
  return [
    `${keys} keys, ${warm} + ${steady} windows:`,
    `at ${round(steadied.perSecond)}/s ${round(steadied.cpuPerEvent)} µs an event (in all ${round(whole.cpuPerEvent)}),`,
    `at most ${round(warmed.perSecond)}/s,`,
    `${round(bytesPerSeries)} bytes a series, ${round(bytesPerPattern)} a pattern,`,
    `loop held p99 ${delay.p99} ms, max ${delay.max} ms, by own work ${own} ms, in a checkpoint ${saving.held} ms, by own work ${saving.own} ms, rss ${mib(rss)} MiB, heap ${mib(heap)} MiB`,
  ].join(' ')
}

/** Medians of one size, and how they stand to those of the smallest. */
interface Cost {
  readonly keys: number
  readonly cpuPerEvent: number
  readonly bytesPerSeries: number
  readonly bytesPerPattern: number
  readonly perSecondAtMost: number
  /** The longest hold of the event loop by our own work, in milliseconds. */
  readonly stall: number
}

function costsOf(outcomes: readonly RunOutcome[], cpu: (outcome: RunOutcome) => number): Cost[] {
  return [...Map.groupBy(outcomes, ({ keys }) => keys)].map(([keys, of]) => ({
    keys,
    cpuPerEvent: median(of.map(cpu)),
    bytesPerSeries: median(of.map(({ bytesPerSeries }) => bytesPerSeries)),
    bytesPerPattern: median(of.map(({ bytesPerPattern }) => bytesPerPattern)),
    perSecondAtMost: median(of.map(({ warmed }) => warmed.perSecond)),
    stall: Math.max(...of.map(({ own }) => own)),
  }))
}

const compared = ['cpuPerEvent', 'bytesPerSeries', 'bytesPerPattern'] as const

/** How many times as much the largest size costs as the smallest. */
function growth(costs: readonly Cost[]): Record<(typeof compared)[number], number> {
  const [first, last] = [costs[0]!, costs.at(-1)!]
  const of = (what: (typeof compared)[number]) => last[what] / first[what]
  return {
    cpuPerEvent: of('cpuPerEvent'),
    bytesPerSeries: of('bytesPerSeries'),
    bytesPerPattern: of('bytesPerPattern'),
  }
}

function outcomeOf(
  sameRate: readonly RunOutcome[],
  sameSpan: readonly RunOutcome[],
  churned: ChurnOutcome | undefined,
): Outcome {
  const readings = {
    'same rate': costsOf(sameRate, ({ steadied }) => steadied.cpuPerEvent),
    // At the rate a small fleet is through a window before much can be measured.
    'same span': costsOf(sameSpan, ({ whole }) => whole.cpuPerEvent),
  }
  const ratios = Object.fromEntries(Object.entries(readings).map(([name, costs]) => [name, growth(costs)]))
  const stall = Math.max(...readings['same rate'].map(cost => cost.stall))
  const grown = Object.values(ratios).flatMap(ratio => compared.map(what => ratio[what]))
  const text = Object.entries(readings).flatMap(([name, costs]) => [`\n${name}`, ...tableOf(costs)])
  return {
    result: { readings, ratios, churned, runs: { sameRate, sameSpan } },
    columns: {
      keys: readings['same rate'].map(({ keys }) => keys).join(', '),
      'µs/event, same rate': cellOf(readings['same rate'], 'cpuPerEvent'),
      'µs/event, same span': cellOf(readings['same span'], 'cpuPerEvent'),
      'bytes/series, same span': cellOf(readings['same span'], 'bytesPerSeries'),
      'bytes/pattern, same span': cellOf(readings['same span'], 'bytesPerPattern'),
      'events/s at most': readings['same rate'].map(cost => round(cost.perSecondAtMost)).join(', '),
      'longest stall': `${round(stall)} ms`,
      'heap with churn': churned ? `${heapOf(churned)}: ${churned.growth.toFixed(2)}×` : '',
    },
    text: [...text, ...sameRate.flatMap(hotText), ...(churned ? ['', churnText(churned)] : [])].join('\n'),
    holds: stall <= LONGEST_STALL && grown.every(ratio => ratio <= MOST) && (churned?.growth ?? 1) <= FLAT,
  }
}

/** Where the CPU time went, if that was looked at. */
function hotText({ keys, hot }: RunOutcome): string[] {
  if (!hot) return []
  const lines = hot.functions
    .slice(0, HOTTEST)
    .map(({ place, share }) => `  ${(100 * share).toFixed(1).padStart(5)} %  ${place}`)
  return [`\nown time of functions with ${keys} keys, at the rate`, ...lines]
}

const heapOf = ({ heap }: ChurnOutcome): string => `${mib(heap[0]!)} to ${mib(heap.at(-1)!)} MiB`

function churnText(churned: ChurnOutcome): string {
  const { keys, minutes, replaced, growth, rss } = churned
  return [
    `heap over ${minutes} minutes with ${keys} keys, while ${replaced} vanished and as many came:`,
    `${heapOf(churned)}, last third ${growth.toFixed(2)} times the first, memory at most ${mib(Math.max(...rss))} MiB`,
  ].join(' ')
}

function tableOf(costs: readonly Cost[]): string[] {
  const ratio = growth(costs)
  const head = ['keys', 'µs/event', 'bytes/series', 'bytes/pattern', 'events/s at most', 'longest stall, ms']
  const rows = costs.map(cost => [
    cost.keys,
    ...compared.map(what => round(cost[what])),
    round(cost.perSecondAtMost),
    round(cost.stall),
  ])
  const last = ['largest : smallest', ...compared.map(what => `${ratio[what].toFixed(2)}`), '', '']
  return [head, ...rows, last].map(cells => cells.map(cell => String(cell).padStart(18)).join(''))
}

const cellOf = (costs: readonly Cost[], what: (typeof compared)[number]): string =>
  `${costs.map(cost => round(cost[what])).join(', ')}: ${growth(costs)[what].toFixed(2)}×`

const round = (value: number): number => (value < 100 ? Math.round(value * 10) / 10 : Math.round(value))
const mib = (bytes: number): number => Math.round(bytes / 1_048_576)
