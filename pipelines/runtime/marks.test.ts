import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { LogRecord } from '../sources/log.ts'
import { decodeMark, encodeMark, isMark } from './marks.ts'

const recordOf = (value: string | null, headers: Record<string, string>): LogRecord => ({
  topic: 't',
  partition: 0,
  offset: 0,
  appendedAt: 0,
  key: null,
  value: value === null ? null : Buffer.from(value),
  headers,
})

test('a mark is read back as it was written', () => {
  const fields = {
    stream: fc.string({ minLength: 1 }),
    time: fc.option(fc.integer()),
    idle: fc.boolean(),
    siblings: fc.array(fc.string()),
  }
  const marks = fc.record(fields, { noNullPrototype: true })
  fc.assert(
    fc.property(marks, mark => {
      const { value, headers } = encodeMark(mark)
      const record = recordOf(value, headers)
      assert.ok(isMark(record))
      assert.deepEqual(decodeMark(record), { mark })
    }),
    { seed: 6 },
  )
})

test('what is no mark is told why', () => {
  const reason = (value: string | null): string => {
    const read = decodeMark(recordOf(value, {}))
    return 'mark' in read ? 'mark' : read.reason
  }
  assert.deepEqual([null, '', '{', '{}', '{"stream":"a","time":"1","idle":false,"siblings":[]}'].map(reason), [
    'invalid-json',
    'invalid-json',
    'invalid-json',
    'wrong-type',
    'wrong-type',
  ])
  assert.equal(isMark(recordOf('{}', { 'ops-kind': 'event' })), false)
})
