import { z } from 'zod'
import { identify } from './identity.ts'
import { defineOperator, drop, type Event, type EventTime, type Step } from './operator.ts'
import type { Sample } from './signal.ts'

/** The point before, as far as the next one needs it; null before the first. */
export type RateState = { time: EventTime; value: number; count: number | null; counts: number[] | null } | null

type Buckets = NonNullable<Sample['buckets']>

/**
 * Turns running totals into what happened between two points: a `counter` into a gauge of its increase per second, a
 * `delta` likewise, a cumulative `histogram` into the histogram of the observations since the point before. Gauges and
 * delta histograms pass as they are. A total smaller than the one before has been reset to 0 in between (the rule of
 * Prometheus' `rate`). The first point of a series only starts it. Run it in order, keyed by `seriesOf`, without a
 * window, so that the last point of one window is known in the next.
 */
export const rate = defineOperator({
  name: 'rate',
  summary: 'Turns counters and cumulative histograms into what happened between two points of a series.',
  config: z.strictObject({}),
  drops: ['same-time'],
  examples: [
    {
      title: 'a counter that is reset in between',
      config: {},
      given: [
        { key: 'requests', time: 0, value: sampleOf(100) },
        { key: 'requests', time: 10_000, value: sampleOf(150) },
        { key: 'requests', time: 20_000, value: sampleOf(20) },
      ],
      gives: [
        { kind: 'gauge', value: 5, unit: '1/s' },
        { kind: 'gauge', value: 2, unit: '1/s' },
      ],
    },
  ],
  create: () => ({
    init: (): RateState => null,
    step(before: RateState, { time, value }: Event<Sample>): Step<RateState, Sample> {
      if (value.kind === 'gauge') return [before, [value]]
      const now = { time, value: value.value, count: value.count ?? null, counts: value.buckets?.counts ?? null }
      if (value.kind === 'histogram') return [now, histogramSince(before, value)]
      if (before === null) return [now, []]
      // Two points of one time have no rate between them; the first stays.
      if (time === before.time) return [before, [drop('same-time')]]
      const increase = value.kind === 'delta' || value.value < before.value ? value.value : value.value - before.value
      const perSecond = increase / ((time - before.time) / 1_000)
      return [now, [{ ...value, kind: 'gauge', value: perSecond, unit: perSecondUnit(value.unit) }]]
    },
  }),
})

/**
 * Names a series: hash of environment, service, metric and labels, whatever their order. Every point of a series, and
 * every summary of it, bears the same name.
 */
export function seriesOf(sample: Pick<Sample, 'environment' | 'service' | 'metric' | 'labels'>): string {
  const labels = Object.entries(sample.labels).sort(([a], [b]) => (a < b ? -1 : 1))
  return identify(sample.environment, sample.service, sample.metric, ...labels.flat())
}

function histogramSince(before: RateState, sample: Sample): Sample[] {
  const { buckets, count } = sample
  if (buckets === undefined || !buckets.cumulative) return [sample]
  const old = before?.counts
  // Other buckets than before: nothing can be told from the difference.
  if (!old || before === null || old.length !== buckets.counts.length) return []
  const fresh = (before.count ?? 0) > (count ?? 0)
  const counts = buckets.counts.map((total, at) => (fresh ? total : Math.max(0, total - (old[at] ?? 0))))
  const since: Buckets = { bounds: buckets.bounds, counts, cumulative: false }
  const value = fresh ? sample.value : sample.value - before.value
  return [{ ...sample, value, count: fresh ? (count ?? 0) : (count ?? 0) - (before.count ?? 0), buckets: since }]
}

const perSecondUnit = (unit: string): string => (unit === '' || unit === '1' ? '1/s' : `${unit}/s`)

function sampleOf(value: number): Sample {
  const place = { environment: 'prod', service: 'shop' }
  return { type: 'sample', ...place, metric: 'requests', unit: '1', kind: 'counter', value, labels: {} }
}
