import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { count, countKey } from './count.ts'
import type { PatternedLine } from './signal.ts'

const lineOf = (severity: number, pattern = 'p1', environment = 'prod'): PatternedLine => ({
  type: 'line',
  environment,
  service: 'shop',
  severity,
  body: 'x',
  attributes: {},
  pattern,
})

test('a window counts its lines and bears the highest severity, in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 24 }), { minLength: 1 }), severities => {
      const logic = count({}).create()
      let state = logic.init('key')
      severities.forEach((severity, at) => {
        const event = { key: 'key', time: at, origin: { stream: 's', offset: at, index: 0 }, value: lineOf(severity) }
        const [next, outputs] = logic.step(JSON.parse(JSON.stringify(state)), event)
        assert.deepEqual(outputs, [])
        state = next!
      })
      assert.deepEqual(logic.close!(state, { start: 0, end: 60_000 }, 'key'), [
        {
          ...{ environment: 'prod', service: 'shop', pattern: 'p1', start: 0, end: 60_000 },
          ...{ severity: Math.max(...severities), count: severities.length },
        },
      ])
    }),
  )
})

test('keys of different environments, services and patterns never meet', () => {
  assert.notEqual(countKey(lineOf(9)), countKey(lineOf(9, 'p2')))
  assert.notEqual(countKey(lineOf(9)), countKey(lineOf(9, 'p1', 'staging')))
  assert.notEqual(countKey(lineOf(9, 'p1', 'a/b')), countKey({ ...lineOf(9, 'p1', 'a'), service: 'b/shop' }))
})
