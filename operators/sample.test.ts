import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Drop, type Event } from './operator.ts'
import { sample } from './sample.ts'
import type { PatternedLine, Sampling } from './signal.ts'

const slot = { start: 0, end: 10_000 }

const eventOf = (severity: number, offset: number, stream = 'kafka:telemetry.logs/0'): Event<PatternedLine> => ({
  key: 'prod/shop',
  time: offset % slot.end,
  origin: { stream, offset, index: 0 },
  value: { type: 'line', environment: 'prod', service: 'shop', severity, body: '', attributes: {}, pattern: 'p1' },
})

/** Runs one slot, the state through JSON now and then; which events were kept, and what was said at its end. */
function run(config: Parameters<typeof sample>[0], events: readonly Event<PatternedLine>[]) {
  let logic = sample(config).create()
  let state = logic.init('prod/shop')
  let largest = 0
  const kept: number[] = []
  const left: number[] = []
  events.forEach((event, at) => {
    if (at % 100 === 7) {
      const json = JSON.stringify(state)
      largest = Math.max(largest, json.length)
      logic = sample(config).create()
      state = JSON.parse(json)
    }
    const [next, [output, ...more]] = logic.step(state, event)
    assert.equal(more.length, 0)
    if (output instanceof Drop) left.push(event.origin.offset)
    else kept.push(event.origin.offset)
    state = next!
  })
  return { kept, left, said: logic.close!(state, slot, 'prod/shop') as Sampling[], largest }
}

const storm = (lines: number, severity = 9) => Array.from({ length: lines }, (_, at) => eventOf(severity, at))

test('within the budget every line is kept, and nothing is said', () => {
  const { kept, said } = run({ linesPerSecond: 20 }, storm(200))
  assert.equal(kept.length, 200)
  assert.deepEqual(said, [])
})

test('the same lines are kept whatever happens in between, and all are accounted for', () => {
  const severities = fc.array(fc.constantFrom(0, 9, 13, 17, 21), { maxLength: 400 })
  const budget = fc.integer({ min: 1, max: 20 })
  fc.assert(
    fc.property(severities, budget, budget, (given, linesPerSecond, errorsPerSecond) => {
      const config = { linesPerSecond, errorsPerSecond, slot: 1_000 }
      const events = given.map((severity, offset) => eventOf(severity, offset))
      const { kept, left, said } = run(config, events)
      assert.equal(kept.length + left.length, events.length)
      const errors = given.filter(severity => severity >= 17).length
      const errorsKept = kept.filter(offset => given[offset]! >= 17).length
      const shares = { lines: given.length - errors, kept: kept.length - errorsKept, errors, errorsKept }
      const of = { type: 'sampling', environment: 'prod', service: 'shop', ...slot } as const
      assert.deepEqual(said, left.length === 0 ? [] : [{ ...of, ...shares }])
      // Restarts fall elsewhere in a longer run; the lines they have in common are kept or left alike.
      const longer = run(config, [...events, ...storm(50).map((_, at) => eventOf(9, 1_000 + at))])
      assert.deepEqual(
        longer.kept.filter(offset => offset < 1_000),
        kept,
      )
    }),
  )
})

test('no error is left out below the budget of errors, however many other lines there are', () => {
  const events = Array.from({ length: 20_000 }, (_, at) => eventOf(at % 20 === 0 ? 17 : 9, at))
  const { left, said } = run({ linesPerSecond: 10, errorsPerSecond: 100 }, events)
  assert.ok(left.length > 10_000 && left.every(offset => offset % 20 !== 0))
  assert.equal(said[0]?.errorsKept, 1_000)
})

test('at ten times the budget about 3.3 times the budget is kept, from all over the slot', () => {
  const budget = 1_000
  const { kept } = run({ linesPerSecond: budget / 10 }, storm(10 * budget))
  const expected = budget * (1 + Math.log(10))
  assert.ok(Math.abs(kept.length - expected) < 0.1 * expected, `${kept.length} of ${expected}`)
  for (let from = 0; from < 10; from++) {
    const tenth = kept.filter(offset => Math.floor(offset / budget) === from).length
    const share = from === 0 ? budget : budget * Math.log((from + 1) / from)
    assert.ok(Math.abs(tenth - share) < 0.2 * share + 20, `tenth ${from}: ${tenth} of ${share}`)
  }
})

test('of each stream, and of neighbours in it, the same share is kept', () => {
  for (const stream of ['kafka:a/0', 'kafka:a/1', 'file:/var/log/shop.log']) {
    const events = Array.from({ length: 20_000 }, (_, at) => eventOf(9, at, stream))
    const { kept } = run({ linesPerSecond: 10 }, events)
    const later = kept.filter(offset => offset >= 10_000)
    const expected = 100 * Math.log(2)
    assert.ok(Math.abs(later.length - expected) < 4 * Math.sqrt(expected), `${stream}: ${later.length} of ${expected}`)
  }
})

test('what is known of a service does not grow with its lines', () => {
  assert.ok(run({ linesPerSecond: 1 }, storm(50_000)).largest < 200)
})
