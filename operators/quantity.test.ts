import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantity, quantityRange } from './quantity.ts'

test('a value is printed in the customary multiple of its unit', () => {
  for (const [value, unit, text] of [
    [1.9, 's', '1.9 s'],
    [0.1234, 's', '123 ms'],
    [1900, 'ms', '1.9 s'],
    [0.00002, 's', '20 µs'],
    [0, 's', '0 s'],
    [93.4, '%', '93.4%'],
    [251_658_240, 'By', '240 MiB'],
    [0, 'By', '0 B'],
    [12345.6, '1', '12346'],
    [7, '{requests}', '7'],
    [7, 'req/s', '7 req/s'],
  ] as const)
    assert.equal(quantity(value, unit), text)
})

test('a range is printed in the multiple of the value it stands beside', () => {
  assert.equal(quantityRange(0.1, 0.3, 's', 1.9), '0.1–0.3 s')
  assert.equal(quantityRange(100, 300, 'ms', 1900), '0.1–0.3 s')
  assert.equal(quantityRange(-5, 3, '', 10), '-5 to 3')
})
