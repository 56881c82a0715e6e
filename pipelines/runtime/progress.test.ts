import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OriginProgress } from './progress.ts'

const options = { outOfOrderness: 50, quantum: 10, idleAfter: 1_000 }

const run = (progress: OriginProgress, times: number[]) =>
  times.map(time => [progress.isLate(time), progress.observe(time)?.time])

test('what is late and where the marks fall does not depend on where it was restarted', () =>
  fc.assert(
    fc.property(fc.array(fc.nat(500)), fc.nat(), (times, cut) => {
      const at = times.length === 0 ? 0 : cut % times.length
      const before = new OriginProgress('s', options, null)
      const first = run(before, times.slice(0, at))
      const announced = first.reduce<number | null>((last, [, time]) => (time as number | undefined) ?? last, null)
      const after = run(new OriginProgress('s', options, announced), times.slice(at))
      assert.deepEqual([...first, ...after], run(new OriginProgress('s', options, null), times))
    }),
  ))

test('an event before the mark is late, one at it is not', () => {
  const progress = new OriginProgress('s', options, null)
  assert.equal(progress.observe(100)?.time, 50)
  assert.equal(progress.isLate(49), true)
  assert.equal(progress.isLate(50), false)
})

test('marks do not go back', () => {
  const progress = new OriginProgress('s', options, null)
  progress.observe(1_000)
  assert.equal(progress.observe(10), undefined)
})

test('a stream that never had an event is idle at once; one that had is after the silence, and moves with the clock', () => {
  const empty = new OriginProgress('s', options, null)
  assert.deepEqual(empty.rest(0), { stream: 's', time: null, idle: true, siblings: [] })
  const quiet = new OriginProgress('s', options, null)
  quiet.observe(100)
  assert.equal(quiet.rest(7), undefined)
  assert.equal(quiet.rest(1_006), undefined)
  assert.deepEqual(quiet.rest(1_007), { stream: 's', time: 1_050, idle: true, siblings: [] })
})

test('the clock may jump back: the mark holds', () => {
  const quiet = new OriginProgress('s', options, null)
  quiet.observe(100)
  quiet.rest(0)
  assert.equal(quiet.rest(2_000)?.time, 2_050)
  assert.equal(quiet.rest(1_500)?.time, 2_050)
})

test('an event after silence ends the idleness', () => {
  const quiet = new OriginProgress('s', options, null)
  quiet.observe(100)
  quiet.rest(0)
  quiet.rest(2_000)
  assert.equal(quiet.observe(2_060)?.idle, false)
})

test('after a restart a silent stream moves with the clock as before, so that what it held back is let go', () => {
  const restarted = new OriginProgress('s', options, 60)
  assert.equal(restarted.rest(0), undefined)
  assert.deepEqual(restarted.rest(2_000), { stream: 's', time: 2_060, idle: true, siblings: [] })
})
