import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable, readable } from './printable.ts'

test('what could steer a terminal is written out', () => {
  const f = (given: string, want: string) => assert.equal(printable(given), want)
  f('plain text, 日本', 'plain text, 日本')
  f('\u001b]0;owned\u0007', '\\u001b]0;owned\\u0007')
  f('a\nb\tc', 'a\\u000ab\\u0009c')
  f('\u009b2J\u007f', '\\u009b2J\\u007f')
  f('safe\u202etxt.exe', 'safe\\u202etxt.exe')
})

test('text is shown as its lines, anything else as numbers', () => {
  const f = (given: Buffer, want: string) => assert.equal(readable(given), want)
  f(Buffer.from('{"a":\r\n\t1}'), '{"a":\n\t1}')
  f(Buffer.from('\u001b[31mred\u001b[0m'), '\\u001b[31mred\\u001b[0m')
  f(Buffer.from('grün').subarray(0, 3), 'gr\ufffd')
  f(Buffer.from([0, 0xff, 0x41]), '00000000  00 ff 41                                         ..A')
  f(Buffer.alloc(0), '')
  assert.equal(readable(Buffer.alloc(17, 0x80)).split('\n').length, 2)
})
