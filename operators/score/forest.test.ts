import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { growForest, scoreRows, seeded } from './forest.ts'

const cloud = (size: number, columns: number, seed: number): number[][] => {
  const random = seeded(seed)
  return Array.from({ length: size }, () => Array.from({ length: columns }, () => random() + random() + random()))
}
const growth = { trees: 50, sample: 256, seed: 7 }

test('equal rows and seed, equal forest; another seed, another forest', () => {
  const rows = cloud(600, 4, 1)
  assert.deepEqual(growForest(rows, growth), growForest(rows, growth))
  assert.notDeepEqual(growForest(rows, growth).thresholds, growForest(rows, { ...growth, seed: 8 }).thresholds)
})

test('Math.random is given back, even if growing fails', () => {
  const lent = Math.random
  growForest(cloud(10, 2, 1), growth)
  assert.equal(Math.random, lent)
  const broken = [[1], new Proxy([2], { get: () => assert.fail('unreadable') })]
  assert.throws(() => growForest(broken, growth))
  assert.equal(Math.random, lent)
})

test('what lies far out scores highest, the middle below one half', () => {
  const rows = [...cloud(500, 3, 2), [9, 9, 9]]
  const scores = scoreRows(growForest(rows, growth), rows)
  assert.equal(scores.indexOf(Math.max(...scores)), 500)
  assert.ok(scores[500]! > 0.7 && scores.toSorted()[250]! < 0.5)
})

test('a row’s score does not depend on the rows scored beside it', () => {
  const forest = growForest(cloud(300, 3, 3), growth)
  const rows = cloud(700, 3, 4)
  const together = scoreRows(forest, rows)
  fc.assert(
    fc.property(fc.nat(699), at => assert.equal(scoreRows(forest, [rows[at]!])[0], together[at])),
    { numRuns: 30 },
  )
})

test('scores lie between 0 and 1, whatever the rows', () => {
  const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true, noDefaultInfinity: true }))
  const rows = fc.array(fc.tuple(value, value), { minLength: 2, maxLength: 40 })
  fc.assert(
    fc.property(rows, given => {
      for (const score of scoreRows(growForest(given, { trees: 5, sample: 16, seed: 1 }), given))
        assert.ok(score > 0 && score <= 1, String(score))
    }),
  )
})
