import { z } from 'zod'
import { compareOrigins, defineOperator, drop, type Event, type Origin, type Step } from './operator.ts'
import { quantile } from './quantile.ts'
import { seriesOf } from './rate.ts'
import type { Sample, Summary } from './signal.ts'
import type { Window } from './window.ts'

type Series = Pick<Summary, 'environment' | 'service' | 'metric' | 'unit' | 'labels'>

/** The points of one series in one window; null before the first. */
export type SummaryState = {
  of: Series
  values: number[]
  last: { time: number; origin: Origin; value: number }
  /** Observations per bucket and their sum, if the series is a histogram. */
  histogram: { bounds: number[]; counts: number[]; sums: number[] } | null
} | null

/**
 * Sums up the points of one series in a window. Gauges as they are; of a histogram, its observations: the mean from
 * their sum, quantiles by interpolation inside the bucket (as Prometheus' `histogram_quantile`), and beside it the
 * series `<metric>.count`, observations per second. Counters and cumulative histograms go through `rate` first. Run it
 * keyed by `seriesOf`; the order of arrival does not matter, for sums are taken over sorted values.
 */
export const summarize = defineOperator({
  name: 'summarize',
  summary: 'Sums up the points of a metric series in each window.',
  config: z.strictObject({
    maxPoints: z
      .int()
      .min(1)
      .default(10_000)
      .describe('Points of one series in one window; those over it are dropped.'),
  }),
  drops: ['too-many-points', 'bounds-differ', 'running-total'],
  examples: [
    {
      title: 'a gauge',
      config: {},
      window: { kind: 'tumbling', size: '1m' },
      given: [
        { key: 'cpu', time: 0, value: sampleOf({ value: 10 }) },
        { key: 'cpu', time: 20_000, value: sampleOf({ value: 40 }) },
        { key: 'cpu', time: 40_000, value: sampleOf({ value: 10 }) },
      ],
      gives: [{ metric: 'cpu', start: 0, end: 60_000, count: 3, mean: 20, min: 10, max: 40, p50: 10, last: 10 }],
    },
    {
      title: 'a histogram: 90 observations up to 100 ms, 10 between 100 and 200 ms',
      config: {},
      window: { kind: 'tumbling', size: '1m' },
      given: [
        {
          key: 'latency',
          time: 0,
          value: sampleOf({
            metric: 'latency',
            kind: 'histogram',
            value: 6_000,
            count: 100,
            buckets: { bounds: [100, 200], counts: [90, 10, 0], cumulative: false },
          }),
        },
      ],
      gives: [
        { metric: 'latency', count: 100, mean: 60, p95: 150 },
        { metric: 'latency.count', mean: 100 / 60 },
      ],
    },
  ],
  create: ({ maxPoints }) => ({
    init: (): SummaryState => null,
    step(state: SummaryState, { time, origin, value }: Event<Sample>): Step<SummaryState, Summary> {
      if (isRunningTotal(value)) return [state, [drop('running-total')]]
      const { environment, service, metric, unit, labels } = value
      const point = { time, origin, value: value.value }
      const known = state ?? {
        of: { environment, service, metric, unit, labels },
        values: [],
        last: point,
        histogram: null,
      }
      const refused = value.kind === 'histogram' ? addHistogram(known, value) : addPoint(known, value.value, maxPoints)
      if (refused !== undefined) return [state, [drop(refused)]]
      if (time > known.last.time || (time === known.last.time && compareOrigins(origin, known.last.origin) > 0))
        known.last = point
      return [known, []]
    },
    close(state: SummaryState, window: Window): Summary[] {
      if (state === null) return []
      return state.histogram === null ? [summaryOf(state, window)] : histogramSummaries(state, state.histogram, window)
    },
  }),
})

function isRunningTotal(sample: Sample): boolean {
  return sample.kind === 'counter' || sample.kind === 'delta' || sample.buckets?.cumulative === true
}

type Known = NonNullable<SummaryState>
type Histogram = NonNullable<Known['histogram']>

function addPoint(state: Known, value: number, maxPoints: number): string | undefined {
  if (state.values.length >= maxPoints) return 'too-many-points'
  state.values.push(value)
  return undefined
}

function addHistogram(state: Known, sample: Sample): string | undefined {
  const bounds = sample.buckets?.bounds ?? []
  const counts = sample.buckets ? [...sample.buckets.counts] : [sample.count ?? 0]
  if (state.histogram === null) {
    state.histogram = { bounds, counts, sums: [sample.value] }
    return undefined
  }
  const known = state.histogram
  if (known.bounds.length !== bounds.length || known.bounds.some((bound, at) => bound !== bounds[at]))
    return 'bounds-differ'
  known.counts = known.counts.map((amount, at) => amount + (counts[at] ?? 0))
  known.sums.push(sample.value)
  return undefined
}

function summaryOf(state: Known, { start, end }: Window): Summary {
  const values = state.values.toSorted((a, b) => a - b)
  const count = values.length
  const mean = sumOf(values) / count
  const deviation = Math.sqrt(sumOf(values.map(value => (value - mean) ** 2)) / count)
  const quantiles = {
    min: values[0]!,
    max: values[count - 1]!,
    p50: quantile(values, 0.5),
    p95: quantile(values, 0.95),
  }
  const { of, last } = state
  return { ...of, series: seriesOf(of), start, end, count, mean, deviation, ...quantiles, last: last.value }
}

function histogramSummaries({ of }: Known, histogram: Histogram, { start, end }: Window): Summary[] {
  const count = sumOf(histogram.counts)
  const perSecond = count / ((end - start) / 1_000)
  const counted = { ...of, metric: `${of.metric}.count`, unit: '1/s' }
  const rates = { mean: perSecond, deviation: 0, min: perSecond, max: perSecond, p50: perSecond, p95: perSecond }
  const frequency = { ...counted, series: seriesOf(counted), start, end, count: 1, ...rates, last: perSecond }
  if (count === 0) return [frequency]
  const mean = sumOf(histogram.sums.toSorted((a, b) => a - b)) / count
  const edges = edgesOf(histogram)
  const spread = edges.map(({ from, to, amount }) => amount * ((from + to) / 2 - mean) ** 2)
  const shape = {
    mean,
    deviation: Math.sqrt(sumOf(spread) / count),
    min: edges.find(({ amount }) => amount > 0)?.from ?? mean,
    max: edges.findLast(({ amount }) => amount > 0)?.to ?? mean,
    p50: bucketQuantile(edges, count, 0.5) ?? mean,
    p95: bucketQuantile(edges, count, 0.95) ?? mean,
  }
  return [{ ...of, series: seriesOf(of), start, end, count, ...shape, last: mean }, frequency]
}

interface Edge {
  from: number
  to: number
  amount: number
}

/** The buckets with both ends: the first begins at 0 if it can, the last, open above, is taken to end where it begins. */
function edgesOf({ bounds, counts }: Histogram): Edge[] {
  if (bounds.length === 0) return []
  return counts.map((amount, at) => {
    const to = bounds[Math.min(at, bounds.length - 1)]!
    const from = at === 0 ? Math.min(0, to) : bounds[at - 1]!
    return { from, to, amount }
  })
}

function bucketQuantile(edges: readonly Edge[], count: number, share: number): number | undefined {
  let left = share * count
  for (const { from, to, amount } of edges) {
    if (amount > 0 && left <= amount) return from + (to - from) * (left / amount)
    left -= amount
  }
  return edges.at(-1)?.to
}

/** Adds in the order given: over sorted values the same result whatever the order of arrival. */
const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

function sampleOf(given: Partial<Sample>): Sample {
  const place = { environment: 'prod', service: 'shop' }
  return { type: 'sample', ...place, metric: 'cpu', unit: '', kind: 'gauge', value: 0, labels: {}, ...given }
}
