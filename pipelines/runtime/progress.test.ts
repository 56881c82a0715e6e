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

/** Says that the stream is silent at this time, and has it read back, as it is from the topic. */
function silence(progress: OriginProgress, now: number) {
  const mark = progress.rest(now)
  if (mark) progress.heed(mark)
  return mark
}

test('a stream that never had an event is idle at once, and says so once', () => {
  const empty = new OriginProgress('s', options, null)
  assert.deepEqual(silence(empty, 0), { stream: 's', time: null, idle: true, siblings: [] })
  assert.equal(silence(empty, 5_000), undefined)
  assert.equal(new OriginProgress('s', options, null, true).rest(0), undefined)
})

test('a stream that had an event is idle after the silence, and moves on in steps with the clock', () => {
  const quiet = new OriginProgress('s', options, null)
  quiet.observe(100)
  assert.equal(silence(quiet, 7), undefined)
  assert.equal(silence(quiet, 1_006), undefined)
  assert.deepEqual(silence(quiet, 1_007), { stream: 's', time: 1_050, idle: true, siblings: [] })
  assert.equal(silence(quiet, 1_300), undefined)
  assert.equal(silence(quiet, 1_407)?.time, 1_450)
})

test('a mark counts from where it is read, not from when it was made', () => {
  const quiet = new OriginProgress('s', options, null)
  quiet.observe(100)
  quiet.rest(0)
  const mark = quiet.rest(2_000)!
  assert.equal(quiet.isLate(1_000), false)
  quiet.heed(mark)
  assert.equal(quiet.isLate(1_000), true)
})

test('the clock may jump back: the mark holds', () => {
  const quiet = new OriginProgress('s', options, null)
  quiet.observe(100)
  silence(quiet, 0)
  assert.equal(silence(quiet, 2_000)?.time, 2_050)
  assert.equal(silence(quiet, 1_500), undefined)
  assert.equal(quiet.isLate(2_049), true)
})

test('an event after silence ends the idleness', () => {
  const quiet = new OriginProgress('s', options, null)
  quiet.observe(100)
  silence(quiet, 0)
  silence(quiet, 2_000)
  assert.equal(quiet.observe(2_060)?.idle, false)
})

test('after a restart a silent stream moves with the clock as before, so that what it held back is let go', () => {
  const restarted = new OriginProgress('s', options, 60)
  assert.equal(restarted.rest(0), undefined)
  assert.deepEqual(restarted.rest(2_000), { stream: 's', time: 2_060, idle: true, siblings: [] })
})
