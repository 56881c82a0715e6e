import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { maskSecrets } from './mask.ts'

const f = (given: string, want: string): void => assert.equal(maskSecrets(given), want)

test('what is named a secret is masked, its name stays', () => {
  f('login password=hunter2 ok', 'login password=<secret> ok')
  f('{"api_key":"a b","user":"anna"}', '{"api_key":<secret>,"user":"anna"}')
  f('DB_PASSWORD: s3cr3t', 'DB_PASSWORD: <secret>')
  f('GET /x?access-key=abc&page=2', 'GET /x?access-key=<secret>&page=2')
  f('postgres://app:s3cr3t@db:5432/shop', 'postgres://app:<secret>@db:5432/shop')
})

test('what is a secret by its shape is masked', () => {
  f('Authorization: Bearer abc.def-123456', 'Authorization: Bearer <secret>')
  f('sent eyJhbGciOi.eyJzdWIi.c2lnbmF0dXJl', 'sent <secret>')
  f('with AKIAIOSFODNN7EXAMPLE', 'with <secret>')
  f('push by ghp_0123456789abcdefghijABCDEFGHIJ', 'push by <secret>')
  f('-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----', '<secret>')
})

test('a card number is masked if its check digit is right', () => {
  f('paid with 4111 1111 1111 1111.', 'paid with <card>.')
  f('paid with 4111111111111111', 'paid with <card>')
  f('order 4111111111111112', 'order 4111111111111112')
  f('block blk_4111111111111111', 'block blk_4111111111111111')
})

test('prose and plain identifiers stay', () => {
  for (const line of [
    'Failed password for root from 10.0.0.1 port 22 ssh2',
    'basic authentication is off',
    'Executing with tokens:',
    'session 1445144423722 of keyboard-interactive closed',
    'no secrets here, token bucket empty',
  ])
    f(line, line)
})

test('masking twice changes nothing more', () => {
  const piece = fc.constantFrom(
    'password=',
    'token: ',
    'Bearer ',
    'a1b2c3d4e5',
    '"',
    ' ',
    'x',
    '4111111111111111',
    '@',
    '://u:',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), pieces => {
      const once = maskSecrets(pieces.join(''))
      assert.equal(maskSecrets(once), once)
    }),
  )
})

test('a secret is found whatever stands around it', () => {
  const secret = fc.constantFrom(
    ...['PassWord=hunter2x', 'api-key: k3y', 'Cookie=abc', 'xoxb-0123456789abcdefgh', 'sk_live_0123456789abcdef'],
    ...['Bearer abc.def-123456', 'AKIAIOSFODNN7EXAMPLE', 'ASIAIOSFODNN7EXAMPLE', 'glpat-0123456789abcdefghij'],
    ...['rnd_0123456789abcdefgh', 'AIza0123456789abcdefgh', 'eyJhbGciOi.eyJzdWIi', 'ghs_0123456789abcdefghij'],
    ...['amqp://a:s3cr3t@h', 'Authorization=abcdefgh', 'credential: abc', 'sk-0123456789abcdefgh', 'pwd=abcdef'],
    ...['4111 1111 1111 1111', '4111-1111-1111-1111', '4111111111111111'],
  )
  const around = fc.string({ unit: fc.constantFrom(...'ab1 .-_x'), maxLength: 20 })
  fc.assert(
    fc.property(around, secret, around, (before, given, after) => {
      assert.match(maskSecrets(`${before} x, ${given}, ${after}`), /<secret>|<card>/)
    }),
  )
})
