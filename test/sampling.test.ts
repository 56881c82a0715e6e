import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Event } from '../operators/operator.ts'
import type { LogLine } from '../operators/signal.ts'
import { tumbling } from '../operators/window.ts'
import { Config } from '../pipelines/config.ts'
import { logs } from '../pipelines/logs.ts'
import { Driver } from './driver.ts'

// What the log pipeline keeps of a flood of lines: the same lines in whatever order they come and wherever it crashes, and
// exact counts of all of them.

const { detection } = Config.parse({})
const sample = { linesPerSecond: 5, errorsPerSecond: 10, slot: 10_000 }
const graph = logs({ upstream: [], ...detection, sample, window: tumbling('1m') })
const span = 90_000

const line = fc.record({
  service: fc.constantFrom('shop', 'cart'),
  severity: fc.constantFrom(9, 9, 9, 13, 17),
  // Most of it is in one slot: a storm.
  time: fc.oneof({ weight: 3, arbitrary: fc.nat(9_999) }, fc.nat(span - 1)),
})
const toEvent = (given: { service: string; severity: number; time: number }, offset: number): Event<LogLine> => {
  const { service, severity, time } = given
  const value = { type: 'log', environment: 'prod', service, severity, body: 'order placed', attributes: {} } as const
  return { key: `prod/${service}`, time, origin: { stream: 'kafka:telemetry.logs/0', offset, index: 0 }, value }
}

/** Rows of the tables after these lines: in this order, with crashes after those, the watermark moved on as often. */
function rowsAfter(events: readonly Event<LogLine>[], crashes: ReadonlySet<number>, marks: number) {
  const driver = new Driver(graph, 'test')
  const stretch = span / marks
  for (let mark = 1; mark <= marks; mark++) {
    const due = events.filter(({ time }) => Math.floor(time / stretch) === mark - 1)
    due.forEach((event, at) => {
      driver.send(event)
      if (crashes.has(at)) driver.crash()
    })
    driver.advance(mark * stretch)
  }
  driver.advance(span + 120_000)
  const sorted = (table: string) =>
    driver
      .read(table)
      .map(row => JSON.stringify(row))
      .sort()
  return { lines: sorted('log_lines'), sampling: sorted('log_sampling'), counts: sorted('log_counts') }
}

const total = (rows: readonly string[], column: string): number =>
  rows.reduce((sum, row) => sum + Number((JSON.parse(row) as Record<string, unknown>)[column]), 0)

test('the same lines in any order, cut anywhere, crashed anywhere: the same are kept', () => {
  const given = fc.array(line, { minLength: 300, maxLength: 600 })
  const crashes = fc.array(fc.nat(40), { maxLength: 3 })
  fc.assert(
    fc.property(given, crashes, fc.integer({ min: 1, max: 9 }), fc.gen(), (values, at, marks, gen) => {
      const events = values.map(toEvent)
      const expected = rowsAfter(events, new Set(), 1)
      const shuffled = gen(fc.shuffledSubarray, events, { minLength: events.length })
      assert.deepEqual(rowsAfter(shuffled, new Set(at), marks), expected)
      assert.equal(total(expected.counts, 'count'), events.length)
      const left = ['lines', 'errors'].reduce((sum, column) => sum + total(expected.sampling, column), 0)
      const kept = ['kept', 'errors_kept'].reduce((sum, column) => sum + total(expected.sampling, column), 0)
      assert.equal(events.length - expected.lines.length, left - kept)
      assert.ok(left > kept, 'nothing was sampled')
    }),
    { numRuns: 40 },
  )
})
