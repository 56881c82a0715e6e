import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Secrets } from './secrets.ts'

const secret = fc.string({ minLength: 8, maxLength: 40, unit: fc.constantFrom(...'abcXYZ019+/=&% "\\-_é') })
const text = fc.string({ maxLength: 30 })

test('a value is masked as it is, and in every encoding, wherever it stands', () => {
  fc.assert(
    fc.property(secret, text, text, (value, before, after) => {
      const secrets = new Secrets([value])
      const whole = `${before}${value}${after}`
      const gone = (printed: string, form: string) => assert.ok(!secrets.mask(printed).includes(form), form)
      gone(whole, value)
      gone(JSON.stringify(whole), JSON.stringify(value).slice(1, -1))
      gone(Buffer.from(whole).toString('hex'), Buffer.from(value).toString('hex'))
      gone(`q=${encodeURIComponent(value)}&x`, encodeURIComponent(value))
    }),
    { seed: 1, numRuns: 500 },
  )
})

test('base64 of a text around a value does not give the value back', () => {
  fc.assert(
    fc.property(secret, text, text, fc.constantFrom('base64', 'base64url'), (value, before, after, encoding) => {
      const encoded = Buffer.from(`${before}${value}${after}`).toString(encoding as 'base64')
      const masked = new Secrets([value]).mask(encoded)
      for (const part of masked.split('***'))
        for (const cut of [0, 1, 2, 3])
          assert.ok(
            !Buffer.from(part.slice(cut), encoding as 'base64')
              .toString()
              .includes(value),
          )
      assert.notEqual(masked, encoded)
    }),
    { seed: 1, numRuns: 500 },
  )
})

test('names and values of a record are masked, its shape and numbers stay', () => {
  const secrets = new Secrets(['hunter2hunter2'])
  assert.deepEqual(secrets.maskAll({ a: ['x hunter2hunter2'], hunter2hunter2: 1, n: null, b: true }), {
    a: ['x ***'],
    '***': 1,
    n: null,
    b: true,
  })
})

test('text is cut after masking, so that no cut leaves half of a value', () => {
  const secrets = new Secrets(['hunter2hunter2'])
  const cut = secrets.bound(`${'x'.repeat(95)}hunter2hunter2`, 100)
  assert.equal(cut, `${'x'.repeat(95)}***`)
  assert.match(secrets.bound('y'.repeat(200), 100), /^y{100}\n\[cut at 100 characters]$/)
})

test('too short a value is not masked: it would tear holes into everything', () => {
  assert.equal(new Secrets(['on', '']).mask('on and on'), 'on and on')
})
