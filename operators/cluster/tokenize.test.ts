import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { tokenize, wildcard } from './tokenize.ts'

const f = (given: string, want: string): void => assert.equal(tokenize(given, 100).join(' '), want)

test('numbers, quantities, signs and decimals', () => {
  f('took 12ms of 1.5 s, -3 or +4', 'took <*> of <*> s, <*> or <*>')
  f('blk_-6952295868487656571 and blk_388', 'blk_<*> and blk_<*>')
  f('sum 1,234,567.89%', 'sum <*>%')
})

test('addresses, times and identifiers', () => {
  f('from 10.251.73.220:50010', 'from <*>:<*>')
  f('at 2015-10-18 18:01:47,978', 'at <*> <*>')
  f('id 6f1ed002-ab55-419b-a3f4-b0d1f8a4e1c2.', 'id <*>.')
  f('commit 3b1aac9f at 0x7fff', 'commit <*> at <*>')
  f('open api.shop.example.com:443 from Main.java:85', 'open <*>:<*> from Main.java:<*>')
  f('GET /users/42/orders?page=3', 'GET /users/<*>/orders?page=<*>')
})

test('names with a digit in them stay', () => f('jk2_init() over ssh2 by md5', 'jk2_init() over ssh2 by md5'))

test('a stack trace is its first line', () => {
  f('\n\nTypeError: boom\n  at x (a.js:1)\n  at y', 'TypeError: boom <*>')
  f('one line\n', 'one line')
})

test('words after the limit are one variable', () => assert.deepEqual(tokenize('a b c d', 3), ['a', 'b', wildcard]))

test('a line has at most so many words, none of them empty or with a space', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), fc.integer({ min: 2, max: 20 }), (text, limit) => {
      const tokens = tokenize(text, limit)
      assert.ok(tokens.length <= limit)
      for (const token of tokens) assert.match(token, /^[^ \n\t]+$/)
    }),
  )
})

test('redrawing the digits of a number does not change the words', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0 }), fc.integer({ min: 0 }), (a, b) => {
      const line = (value: number): string => `user=${value} size ${value}ms at /srv/${value}/x blk_-${value}`
      assert.deepEqual(tokenize(line(a), 100), tokenize(line(b), 100))
    }),
  )
})

test('a word longer than words are is data', () => {
  const data = (letter: string): string => letter.repeat(900_000)
  assert.deepEqual(tokenize(`ERROR ${data('x')} fatal`, 100), ['ERROR', wildcard, 'fatal'])
  assert.deepEqual(tokenize(`ERROR ${data('7')}x fatal`, 100), ['ERROR', wildcard, 'fatal'])
  const path = `/${'a'.repeat(200)}`
  assert.deepEqual(tokenize(path, 100), [path])
})
