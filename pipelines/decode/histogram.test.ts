import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { checkedBuckets, estimatedSum, explicitBuckets } from './histogram.ts'

const none = { offset: 0, counts: [] }
const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0)

test('explicit buckets are checked', () => {
  assert.equal(checkedBuckets([], [7]), undefined)
  assert.deepEqual(checkedBuckets([1], [1, 2]), { bounds: [1], counts: [1, 2] })
  assert.throws(() => checkedBuckets([1], [1]), /bucketCounts has 1 numbers/)
  assert.throws(() => checkedBuckets([1, 1], [1, 1, 1]), /not above/)
  assert.throws(() => checkedBuckets([1, Number.NaN], [1, 1, 1]), /not above/)
  assert.throws(() => checkedBuckets([1], [1, -1]), /no count/)
})

test('exponential buckets get the bounds of the OTLP data model', () => {
  // Scale 0: base 2. Offset 1: (2,4], (4,8].
  assert.deepEqual(explicitBuckets(0, 5, { offset: 1, counts: [1, 2] }, none), {
    bounds: [2, 4, 8],
    counts: [5, 1, 2, 0],
  })
  assert.deepEqual(explicitBuckets(0, 5, { offset: 0, counts: [1] }, { offset: 0, counts: [3, 4] }), {
    bounds: [-4, -2, -1, 1, 2],
    counts: [0, 4, 3, 5, 1, 0],
  })
  assert.equal(explicitBuckets(0, 0, none, none), undefined)
  assert.throws(() => explicitBuckets(0, 0, { offset: 5_000, counts: [1] }, none), /not above/)
  assert.throws(() => explicitBuckets(0.5, 0, { offset: 0, counts: [1] }, none), /no small integer/)
})

test('merging finer scales keeps every count in a bucket that holds its values', () => {
  const side = fc.record({
    offset: fc.integer({ min: -800, max: 800 }),
    counts: fc.array(fc.nat(9), { minLength: 1, maxLength: 160 }),
  })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 8 }), side, fc.nat(5), (scale, positive, zeros) => {
      const { bounds, counts } = explicitBuckets(scale, zeros, positive, none)!
      assert.equal(total(counts), total(positive.counts) + zeros)
      positive.counts.forEach((count, i) => {
        if (count === 0) return
        const middle = 2 ** ((positive.offset + i + 0.5) / 2 ** scale)
        assert.ok(counts[bounds.findIndex(bound => middle <= bound)]! >= count)
      })
    }),
    { seed: 5 },
  )
})

test('points of one series share their bounds although the sender shifts and refines its buckets', () => {
  const a = explicitBuckets(5, 0, { offset: 3, counts: [1, 1] }, none)!
  const b = explicitBuckets(3, 0, { offset: 2, counts: [1, 1, 1] }, none)!
  assert.deepEqual(a.bounds, b.bounds)
})

test('a sum that was not told is estimated from the middles', () => {
  assert.equal(estimatedSum({ bounds: [10, 20], counts: [2, 2, 1] }), 2 * 5 + 2 * 15 + 20)
})
