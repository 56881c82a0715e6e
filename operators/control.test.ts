import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers, fits, holds, matches, type Silence } from './control.ts'
import type { Anomaly } from './signal.ts'

test('a pattern fits the texts that it spells, with any text in place of each star', () => {
  const f = (pattern: string, text: string, want: boolean) =>
    assert.equal(fits(pattern, text), want, `${pattern} ${text}`)
  f('latency', 'latency', true)
  f('latency', 'latency_p95', false)
  f('latency*', 'latency_p95', true)
  f('*p95', 'latency_p95', true)
  f('*', '', true)
  f('a*a', 'a', false)
  f('a*a', 'aa', true)
  f('a*b*c', 'a-c-b-c', true)
  f('a*b*c', 'a-c-b', false)
  f('a.c', 'abc', false)
  f('', 'a', false)
})

test('a pattern made of pieces of a text fits it', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.string(), fc.boolean()), { minLength: 1 }), pieces => {
      const pattern = pieces.map(([piece, open]) => (open ? '*' : piece.replaceAll('*', ''))).join('')
      const text = pieces.map(([piece, open]) => (open ? piece : piece.replaceAll('*', ''))).join('')
      return fits(pattern, text)
    }),
  )
})

test('a pattern of very many stars takes no longer for it', () => {
  const began = performance.now()
  assert.equal(fits(`${'a*'.repeat(500)}b`, 'a'.repeat(100_000)), false)
  assert.ok(performance.now() - began < 1_000)
})

test('a control holds from its first moment and no longer at its last', () => {
  assert.deepEqual(
    [9, 10, 19, 20].map(time => holds({ validFrom: 10, validTo: 20 }, time)),
    [false, true, true, false],
  )
  assert.ok(holds({ validFrom: 10, validTo: null }, 1e15))
})

test('a silence is about what all of its fields say, and a pause about all below its scope', () => {
  const said = { by: 'ana', reason: '', at: 0, validFrom: 0, validTo: 1 }
  const silence: Silence = { type: 'silence', id: 's', ...said, environment: 'production', service: 'shop' }
  const anomaly = { environment: 'production', service: 'shop', signal: 'x', subject: 'latency' } as Anomaly
  assert.ok(matches(silence, anomaly))
  assert.ok(matches({ ...silence, signal: 'x', subject: 'lat*' }, anomaly))
  for (const other of [{ environment: 'staging' }, { service: 'mail' }, { signal: 'y' }, { subject: 'memory' }])
    assert.ok(!matches({ ...silence, ...other }, anomaly), JSON.stringify(other))
  const place = { environment: 'production', service: 'shop' }
  assert.ok(covers({}, place) && covers({ environment: 'production' }, place) && covers(place, place))
  assert.ok(!covers({ environment: 'staging' }, place) && !covers({ ...place, service: 'mail' }, place))
})
