import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Drop, type Event } from './operator.ts'
import { seriesOf } from './rate.ts'
import { Sample, Summary } from './signal.ts'
import { type SummaryState, summarize } from './summarize.ts'

const window = { start: 0, end: 60_000 }
const sampleOf = (given: Partial<Sample>): Sample => ({
  ...{
    type: 'sample',
    environment: 'prod',
    service: 'shop',
    metric: 'm',
    unit: 's',
    kind: 'gauge',
    value: 0,
    labels: {},
  },
  ...given,
})
const eventOf = (value: Sample, offset: number): Event<Sample> => ({
  key: 'key',
  time: offset * 7,
  origin: { stream: 's', offset, index: 0 },
  value,
})

function drive(events: readonly Event<Sample>[], config = {}) {
  const logic = summarize(config).create()
  let state = logic.init('key') as SummaryState
  const drops: string[] = []
  for (const event of events) {
    const [next, outputs] = logic.step(JSON.parse(JSON.stringify(state)), event)
    state = next as SummaryState
    drops.push(...outputs.map(output => (output instanceof Drop ? output.reason : 'an output')))
  }
  return { summaries: logic.close!(state, window, 'key') as Summary[], drops }
}

const finite = fc.double({ min: -1e9, max: 1e9, noNaN: true })

test('a summary does not depend on the order of arrival, to the last bit', () => {
  const shuffled = fc
    .array(finite, { minLength: 1, maxLength: 40 })
    .chain(values =>
      fc.tuple(fc.constant(values), fc.shuffledSubarray([...values.keys()], { minLength: values.length })),
    )
  fc.assert(
    fc.property(shuffled, ([values, order]) => {
      const events = values.map((value, at) => eventOf(sampleOf({ value }), at))
      assert.deepEqual(drive(order.map(at => events[at]!)).summaries, drive(events).summaries)
    }),
  )
})

test('a summary is a valid one: bounded by its extremes, its quantiles in order, its last the newest', () => {
  fc.assert(
    fc.property(fc.array(finite, { minLength: 1, maxLength: 40 }), values => {
      const [summary] = drive(values.map((value, at) => eventOf(sampleOf({ value }), at))).summaries
      const { min, p50, p95, max, mean, deviation, last, count, series } = Summary.parse(summary)
      const slack = 1e-6 * (1 + Math.abs(max) + Math.abs(min))
      assert.ok(min <= p50 && p50 <= p95 && p95 <= max && mean >= min - slack && mean <= max + slack && deviation >= 0)
      assert.deepEqual([last, count, series], [values.at(-1), values.length, seriesOf(sampleOf({}))])
    }),
  )
})

const histogramOf = (counts: number[], value: number, bounds = [0.1, 0.2, 0.4]): Sample =>
  Sample.parse(
    sampleOf({
      ...{ kind: 'histogram', value, count: counts.reduce((sum, one) => sum + one, 0) },
      buckets: { bounds, counts, cumulative: false },
    }),
  )

test('the observations of several histograms are one distribution, and their rate a series of its own', () => {
  const { summaries } = drive([eventOf(histogramOf([50, 0, 0, 0], 2), 0), eventOf(histogramOf([0, 40, 10, 0], 9), 1)])
  const [latency, frequency] = summaries
  assert.equal(latency!.mean, 0.11)
  assert.equal(latency!.p50, 0.1)
  assert.ok(Math.abs(latency!.p95 - 0.3) < 1e-12)
  assert.deepEqual([latency!.count, latency!.min, latency!.max], [100, 0, 0.4])
  assert.deepEqual([frequency!.metric, frequency!.unit, frequency!.mean], ['m.count', '1/s', 100 / 60])
  assert.notEqual(frequency!.series, latency!.series)
})

test('quantiles of a histogram lie in the bucket that holds them', () => {
  const counts = fc.array(fc.nat(50), { minLength: 4, maxLength: 4 }).filter(all => all.some(one => one > 0))
  fc.assert(
    fc.property(counts, all => {
      const [summary] = drive([eventOf(histogramOf(all, 1), 0)]).summaries
      const { min, p50, p95, max } = Summary.parse(summary)
      assert.ok(min <= p50 && p50 <= p95 && p95 <= max)
    }),
  )
})

test('a histogram without observations has a rate of 0 and nothing else', () => {
  const { summaries } = drive([eventOf(histogramOf([0, 0, 0, 0], 0), 0)])
  assert.deepEqual(
    summaries.map(({ metric, mean }) => [metric, mean]),
    [['m.count', 0]],
  )
})

test('what cannot be used is dropped by name', () => {
  assert.deepEqual(drive([eventOf(sampleOf({ kind: 'counter' }), 0)]).drops, ['running-total'])
  const differ = [eventOf(histogramOf([1, 0, 0, 0], 0), 0), eventOf(histogramOf([1, 0], 0, [9]), 1)]
  assert.deepEqual(drive(differ).drops, ['bounds-differ'])
  const many = [0, 1, 2].map(at => eventOf(sampleOf({ value: at }), at))
  const { drops, summaries } = drive(many, { maxPoints: 2 })
  assert.deepEqual([drops, summaries[0]!.count], [['too-many-points'], 2])
})
