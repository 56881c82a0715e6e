import { z } from 'zod'
import { canonical } from '../aliases.ts'
import { signalOf } from '../instance.ts'
import { defineOperator, drop, type Event, type EventTime, type Step } from '../operator.ts'
import { quantity, quantityRange } from '../quantity.ts'
import type { Anomaly, Summary } from '../signal.ts'
import { Duration } from '../window.ts'
import { type Assessment, assess, type BaselineState, learn, newBaseline, type Observation, short } from './baseline.ts'
import { appoint, type FamilyState, type Judge, newFamily, rowsPerWindow, turn, vote } from './family.ts'
import { report, stillHot } from './report.ts'
import { combine, confirm } from './verdict.ts'

interface SeriesState extends BaselineState {
  /** Windows still to be reported. */
  hot: number
  /** End of the newest window. */
  seen: EventTime
}

export interface ScoreState {
  /** Summaries of the window under way. */
  pending: Summary[]
  series: Record<string, SeriesState>
  family: FamilyState
}

const Config = z.strictObject({
  memory: z.int().min(20).default(60).describe('Normal windows of a series that its baseline remembers.'),
  warmup: z.int().min(5).default(15).describe('Windows of a series before its first score.'),
  learnAfter: z
    .int()
    .min(10)
    .default(120)
    .describe('Anomalous windows on end after which a new level is the normal one.'),
  hot: z.int().min(0).default(30).describe('Windows that a signal is reported for after it was anomalous.'),
  trees: z.int().min(1).default(100).describe('Trees of the isolation forest of a service.'),
  sample: z.int().min(64).max(4_096).default(256).describe('Rows that the isolation forest of a service is grown on.'),
  retrainEvery: z.int().min(1).default(30).describe('Windows between two isolation forests.'),
  maxSeries: z.int().min(1).default(2_000).describe('Series of one service; new ones over it are dropped.'),
  forget: Duration.default(86_400_000).describe('Event time after which a series without points is forgotten.'),
})
type Config = z.output<typeof Config>

const model = 'baseline-1'

/**
 * Scores every series of a service in every window: below 1 is normal, 1 and above is anomalous. Two voters: a robust
 * baseline of each series, and one isolation forest for the service, on features that mean the same for every series.
 * A window is compared with those before it only. Two of three windows must be beyond the line, unless one is far
 * beyond it; an anomalous level becomes normal only after `learnAfter` windows. Run it in order, keyed by environment
 * and service (`serviceKey`), on summaries of one window size; the instances of a service share a baseline, and the one
 * farthest from it speaks for the signal; the windows of all series are scored together, once the
 * watermark has passed their end.
 */
export const score = defineOperator({
  name: 'score',
  summary: 'Scores each metric series of a service in each window, where 1 and above is anomalous.',
  config: Config,
  drops: ['too-many-series', 'bucket-of-a-histogram'],
  examples: [
    {
      title: 'a step is told at its second window, and reported until it has been clear for `hot` windows',
      config: { warmup: 5, hot: 1 },
      given: [20, 21, 20, 19, 20, 21, 60, 61, 20, 20, 20].map((value, at) => ({
        key: 'prod/shop',
        time: at * 60_000 + 59_999,
        value: summaryOf(value, at * 60_000),
      })),
      gives: [
        { subject: 'cpu_usage', value: 61, start: 420_000, end: 480_000, direction: 'above' },
        { subject: 'cpu_usage', value: 20, start: 480_000 },
      ],
    },
  ],
  create: config => {
    // Grown from the state, and again after a restart.
    const judges = new WeakMap<ScoreState, Judge>()
    const judgeOf = (state: ScoreState): Judge | undefined => {
      const known = judges.get(state)
      if (known?.generation === state.family.generation) return known
      const judge = appoint(state.family, config)
      if (judge !== undefined) judges.set(state, judge)
      return judge
    }
    return {
      init: (): ScoreState => ({ pending: [], series: {}, family: newFamily() }),
      step(state: ScoreState, { value }: Event<Summary>): Step<ScoreState, Anomaly> {
        // The buckets of a Prometheus histogram that came as counters: their shape is one series, not a hundred.
        if (value.labels.le !== undefined && value.metric.endsWith('_bucket'))
          return [state, [drop('bucket-of-a-histogram')]]
        const signal = signalOf(value)
        if (state.series[signal] === undefined) {
          if (Object.keys(state.series).length >= config.maxSeries) return [state, [drop('too-many-series')]]
          state.series[signal] = { ...newBaseline(), hot: 0, seen: value.end }
        }
        state.pending.push(value)
        return [state, []]
      },
      // In order of time they are in order of their ends.
      wakeAt: (state: ScoreState): EventTime | undefined => state.pending[0]?.end,
      wake(state: ScoreState, time: EventTime): Step<ScoreState, Anomaly> {
        const window = state.pending.filter(({ end }) => end <= time).sort(bySeries)
        state.pending = state.pending.filter(({ end }) => end > time)
        const anomalies = scoreWindow(config, state, window, judgeOf(state))
        if (turn(state.family, config)) forgetSilent(state, time - config.forget)
        return [state, anomalies]
      },
    }
  },
})

const bySeries = (a: Summary, b: Summary): number =>
  a.series < b.series ? -1 : a.series > b.series ? 1 : a.end - b.end

function scoreWindow(
  config: Config,
  state: ScoreState,
  window: readonly Summary[],
  judge: Judge | undefined,
): Anomaly[] {
  const observed = farthest(
    window.map(summary => {
      const signal = signalOf(summary)
      const series = state.series[signal]!
      const observation = observationOf(summary)
      return { signal, summary, series, observation, assessment: assess(series, observation, config.warmup) }
    }),
  )
  const rows = featuresOf(observed.map(({ assessment }) => assessment))
  const votes = judge === undefined ? [] : vote(judge, rows)
  const calm: number[][] = []
  const anomalies: Anomaly[] = []
  observed.forEach(({ signal, summary, series, observation, assessment }, at) => {
    const { combined, told } = judgeSeries(series, summary, assessment, votes[at])
    learn(series, observation, assessment, told >= 1, config)
    series.seen = summary.end
    if (assessment.ready && told < 1) calm.push(rows[at]!)
    const hot = stillHot(series.hot, told, config.hot)
    series.hot = hot ?? 0
    if (hot === undefined) return
    const { metric, unit, environment, service, labels, start, end } = summary
    const { expected, distance } = assessment
    const why = combined.votes[0]!.why
    const found = { score: told, value: summary.mean, expected, direction: distance < 0 ? 'below' : 'above' } as const
    const version = judge === undefined ? model : `${model} forest-1.${judge.generation}`
    anomalies.push(
      report(
        { environment, service, signal, kind: 'metric', subject: metric, labels, unit, start, end },
        { ...found, votes: combined.votes, why, model: version },
      ),
    )
  })
  state.family.fresh.push(...spread(calm, rowsPerWindow(config)))
  return anomalies
}

/** Of the instances of one signal the one that is farthest from the usual; the first by name while nothing is usual. */
function farthest<T extends { signal: string; assessment: Assessment }>(observed: readonly T[]): T[] {
  const found = new Map<string, T>()
  for (const one of observed) {
    const other = found.get(one.signal)
    if (!other || Math.abs(one.assessment.distance) > Math.abs(other.assessment.distance)) found.set(one.signal, one)
  }
  return [...found.values()]
}

function judgeSeries(series: SeriesState, summary: Summary, assessment: Assessment, forest: number | undefined) {
  const combined = combine(assessment, describe(summary, assessment), assessment.ready ? forest : undefined)
  const polarity = canonical(summary.metric, summary.unit, summary.labels)
  // A processor at rest is 'idle' at its most: where the canonical value turns the metric round, so does what is bad.
  const good = polarity === undefined || polarity.worse === 'both' ? 0 : polarity.scale < 0 ? 1 : -1
  const told = confirm(series, good * assessment.distance > 0 ? Math.min(0.99, combined.score) : combined.score)
  return { combined, told }
}

function describe({ mean, unit }: Summary, { expected, distance }: Assessment): string {
  const { yhat, lower, upper } = expected
  const least = lower < 0 && yhat >= 0 ? 0 : lower
  const range = quantityRange(least, upper, unit, Math.abs(mean))
  return `${quantity(mean, unit)} where ${range} is usual, ${Math.abs(distance).toFixed(1)} deviations from the middle`
}

/** The least usual deviation of a series, by what its unit means to people; 0 where nothing is known of it. */
const floors: Record<string, number> = {
  ...{
    '%': 1,
    percent: 1,
    s: 0.002,
    ms: 2,
    us: 2_000,
    ns: 2e6,
    By: 1e6,
    bytes: 1e6,
    '1/s': 0.02,
    's/s': 0.01,
    '1': 0.005,
  },
}
/** Share of the median below which a deviation is of no interest. */
const relativeFloor = 0.03
const fewestForSpread = 8

function observationOf({ mean, deviation, count, unit }: Summary): Observation {
  const absolute = floors[unit] ?? (unit.startsWith('{') ? 0.1 : 0)
  return {
    level: mean,
    spread: count >= fewestForSpread ? deviation : undefined,
    floor: median => Math.max(absolute, relativeFloor * Math.abs(median)),
  }
}

const bound = 20

/** One row for each series, of the same columns: its own distances, and how its neighbours are doing. */
function featuresOf(assessments: readonly Assessment[]): number[][] {
  const ready = assessments.filter(({ ready }) => ready)
  const clamp = (value: number): number => Number(Math.max(-bound, Math.min(bound, value)).toFixed(2))
  const distances = ready.map(({ distance }) => Math.min(bound, Math.abs(distance)))
  const average = distances.reduce((sum, distance) => sum + distance, 0) / Math.max(1, ready.length)
  const share = distances.filter(distance => distance > 3).length / Math.max(1, ready.length)
  return assessments.map(({ distance, jump, trend, unrest }) => [
    ...[clamp(distance), clamp(jump), clamp(trend), clamp(unrest), clamp(average), short(clamp(share))],
  ])
}

/** At most `most` of the rows, evenly from all over. */
function spread<T>(rows: readonly T[], most: number): T[] {
  if (rows.length <= most) return [...rows]
  return Array.from({ length: most }, (_, at) => rows[Math.floor((at * rows.length) / most)]!)
}

function forgetSilent(state: ScoreState, before: EventTime): void {
  for (const [series, { seen }] of Object.entries(state.series)) if (seen < before) delete state.series[series]
}

function summaryOf(value: number, start: number): Summary {
  const of = { environment: 'prod', service: 'shop', metric: 'cpu_usage', series: 's1', unit: '%', labels: {} }
  const window = { start, end: start + 60_000, count: 4, mean: value, deviation: 1, min: value, max: value }
  return { ...of, ...window, p50: value, p95: value, last: value }
}
