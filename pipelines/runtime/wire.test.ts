import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import type { LogRecord } from '../sources/log.ts'
import { decodeEvent, encodeEvent } from './wire.ts'

const schema = z.object({ text: z.string() })

const record = (headers: Record<string, string>, value: string): LogRecord => ({
  topic: 't',
  partition: 0,
  offset: 0,
  appendedAt: 0,
  key: 'k',
  value: Buffer.from(value),
  headers,
})

test('an event comes back as it was sent', () =>
  fc.assert(
    fc.property(
      fc.string(),
      fc.integer(),
      fc.string({ minLength: 1 }),
      fc.nat(),
      fc.nat(),
      fc.boolean(),
      (text, time, stream, offset, index, late) => {
        const from = { stream: `producer of ${stream}`, offset, index }
        const event = { key: 'k', time, origin: { stream, offset, index }, value: { text } }
        const sent = encodeEvent({
          kind: 'event',
          topic: 't',
          key: 'k',
          partitionKey: 'k',
          step: '',
          event,
          from,
          late,
        })
        assert.deepEqual(decodeEvent(record({ ...sent.headers }, String(sent.value)), schema), { event, late, from })
      },
    ),
  ))

test('events that two steps made of the same one are not the same event', () => {
  const event = { key: 'k', time: 1, origin: { stream: 's', offset: 0, index: 0 }, value: { text: '' } }
  const streams = ['one', 'two'].map(
    step =>
      encodeEvent({
        kind: 'event',
        topic: 't',
        key: 'k',
        partitionKey: 'k',
        step,
        event,
        from: event.origin,
        late: false,
      }).headers?.['ops-origin'],
  )
  assert.notEqual(streams[0], streams[1])
})

test('what cannot be read says why', () => {
  const event = { key: 'k', time: 1, origin: { stream: 's', offset: 0, index: 0 }, value: { text: 'x' } }
  const { headers } = encodeEvent({
    kind: 'event',
    topic: 't',
    key: 'k',
    partitionKey: 'k',
    step: '',
    event,
    from: event.origin,
    late: false,
  })
  const reasonOf = (given: Record<string, string>, value: string) => {
    const read = decodeEvent(record(given, value), schema)
    return 'reason' in read ? read.reason : 'read'
  }
  assert.equal(reasonOf({ ...headers }, '{"text":"x"'), 'invalid-json')
  assert.equal(reasonOf({ ...headers }, '{"text":1}'), 'wrong-type')
  assert.equal(reasonOf({ ...headers, 'ops-v': '99' }, '{"text":"x"}'), 'wrong-type')
  assert.equal(reasonOf({}, '{"text":"x"}'), 'wrong-type')
})
