import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Drop } from './operator.ts'
import { type RateState, rate, seriesOf } from './rate.ts'
import type { Sample } from './signal.ts'

const sampleOf = (given: Partial<Sample>): Sample => ({
  ...{
    type: 'sample',
    environment: 'prod',
    service: 'shop',
    metric: 'm',
    unit: '',
    kind: 'counter',
    value: 0,
    labels: {},
  },
  ...given,
})

function drive(samples: readonly (readonly [time: number, sample: Sample])[]) {
  const logic = rate({}).create()
  let state: RateState = logic.init('key') as RateState
  return samples.map(([time, value], offset) => {
    const event = { key: 'key', time, origin: { stream: 's', offset, index: 0 }, value }
    const [next, outputs] = logic.step(JSON.parse(JSON.stringify(state)), event)
    state = next as RateState
    return outputs
  })
}

test('the increases of a counter add up to its growth, resets included', () => {
  const increases = fc.array(fc.record({ by: fc.nat(1_000), reset: fc.boolean() }), { minLength: 1, maxLength: 30 })
  fc.assert(
    fc.property(increases, steps => {
      let total = 500
      let grown = 0
      const samples: [number, Sample][] = [[0, sampleOf({ value: total })]]
      steps.forEach(({ by, reset }, at) => {
        // A restart that is already past the old total cannot be seen, by nobody.
        const restarts = reset && by < total
        total = restarts ? by : total + by
        grown += by
        samples.push([(at + 1) * 10_000, sampleOf({ value: total })])
      })
      const rates = drive(samples).flat() as Sample[]
      assert.equal(rates.length, steps.length)
      assert.ok(rates.every(({ kind, value, unit }) => kind === 'gauge' && value >= 0 && unit === '1/s'))
      const sum = rates.reduce((all, { value }) => all + value * 10, 0)
      assert.ok(Math.abs(sum - grown) < 1e-6 * (1 + grown))
    }),
  )
})

test('a gauge and a delta histogram pass as they are', () => {
  const gauge = sampleOf({ kind: 'gauge', value: -3 })
  const buckets = { bounds: [1], counts: [2, 1], cumulative: false }
  const histogram = sampleOf({ kind: 'histogram', value: 4, count: 3, buckets })
  assert.deepEqual(drive([[0, gauge]]), [[gauge]])
  assert.deepEqual(drive([[0, histogram]]), [[histogram]])
})

test('a delta is spread over the time since the point before', () => {
  const [first, second] = drive([
    [0, sampleOf({ kind: 'delta', value: 30, unit: 's' })],
    [60_000, sampleOf({ kind: 'delta', value: 30, unit: 's' })],
  ])
  assert.deepEqual(first, [])
  assert.deepEqual([(second![0] as Sample).value, (second![0] as Sample).unit], [0.5, 's/s'])
})

test('a cumulative histogram gives the observations in between, and all it has after a reset', () => {
  const at = (counts: number[], value: number): Sample =>
    sampleOf({
      ...{ kind: 'histogram', value, count: counts.reduce((sum, amount) => sum + amount, 0) },
      buckets: { bounds: [1, 2], counts, cumulative: true },
    })
  const given = drive([
    [0, at([5, 5, 0], 9)],
    [10_000, at([6, 8, 1], 17)],
    [20_000, at([1, 0, 0], 0.5)],
  ])
  const told = given.map(outputs =>
    outputs.map(output => [(output as Sample).buckets!.counts, (output as Sample).value]),
  )
  assert.deepEqual(told, [[], [[[1, 3, 1], 8]], [[[1, 0, 0], 0.5]]])
})

test('two points of one time have no rate: the second is dropped', () => {
  const given = drive([
    [0, sampleOf({ value: 1 })],
    [0, sampleOf({ value: 2 })],
    [10_000, sampleOf({ value: 11 })],
  ])
  assert.ok(given[1]![0] instanceof Drop && given[1]![0].reason === 'same-time')
  assert.equal((given[2]![0] as Sample).value, 1)
})

test('a series is named by its labels, whatever their order, and by nothing less', () => {
  const a = seriesOf(sampleOf({ labels: { x: '1', y: '2' } }))
  assert.equal(a, seriesOf(sampleOf({ labels: { y: '2', x: '1' }, value: 9 })))
  for (const other of [
    { labels: { x: '1' } },
    { labels: { x: '2', y: '1' } },
    { labels: { x: '1', y: '2' }, environment: 'staging' },
  ])
    assert.notEqual(a, seriesOf(sampleOf(other)))
})
