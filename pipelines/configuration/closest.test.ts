import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { closest, distance, suggestion } from './closest.ts'

test('distance counts inserted, removed, replaced and swapped letters', () => {
  const f = (a: string, b: string, edits: number) => assert.equal(distance(a, b), edits, `${a} ${b}`)
  f('', '', 0)
  f('window', 'windw', 1)
  f('kafak', 'kafka', 1)
  f('start', 'stats', 2)
  f('', 'abc', 3)
})

test('distance is symmetric, zero only for equals, and at most the longer text', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      const edits = distance(a, b)
      assert.equal(edits, distance(b, a))
      assert.equal(edits === 0, a === b)
      assert.ok(edits <= Math.max(a.length, b.length))
    }),
  )
})

test('only what is near is suggested', () => {
  const names = ['window', 'lateness', 'idleAfter']
  assert.equal(closest('windw', names), 'window')
  assert.equal(closest('idleafter', names), 'idleAfter')
  assert.equal(closest('zzz', names), undefined)
  assert.equal(suggestion('windw', names), "; did you mean 'window'?")
  assert.equal(suggestion('zzz', names), '; use one of window, lateness, idleAfter')
})
