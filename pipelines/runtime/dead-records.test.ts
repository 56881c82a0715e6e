import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordBytes } from '../sources/kafka-appends.ts'
import type { LogRecord } from '../sources/log.ts'
import { deadRecords, deadRows } from './dead-records.ts'
import type { Dead } from './partition.ts'

const recordOf = (offset: number, value: Buffer | null, headers: Record<string, string> = {}): LogRecord => ({
  ...{ topic: 'telemetry.logs', partition: 2, offset, appendedAt: 7, key: null },
  value,
  headers,
})
const part = (record: LogRecord, index: number): Dead => ({ record, index, reason: 'invalid-json', detail: 'no' })

test('what Kafka took with its headers, it takes with what is said of it', () => {
  for (const [bytes, header] of [
    [890_000, 147_000],
    [1_040_000, 0],
    [0, 1_040_000],
  ] as const) {
    const record = recordOf(1, Buffer.alloc(bytes, 'x'), { h: 'y'.repeat(header) })
    const [dead] = deadRecords(Array.from({ length: 100_000 }, (_, index) => part(record, index)))
    assert.ok(recordBytes(dead!) < 1_048_588, `${recordBytes(dead!)} bytes`)
    assert.equal(dead!.headers!['ops-dead-bytes'], bytes === 0 ? undefined : String(bytes))
  }
})

test('a record is a row per part, and is itself kept once', () => {
  const [first, second] = [recordOf(1, Buffer.from('a'), { h: '1' }), recordOf(2, null)]
  const rows = deadRows([part(first, 0), part(first, 3), part(second, 0), part(second, 1)])
  assert.deepEqual(
    rows.map(({ offset, index, value, value_bytes, headers }) => [offset, index, value, value_bytes, headers]),
    [
      [1, 0, 'YQ==', 1, { h: '1' }],
      [1, 3, '', 1, {}],
      [2, 0, '', null, {}],
      [2, 1, '', null, {}],
    ],
  )
  assert.deepEqual(
    deadRecords([part(first, 0), part(first, 3), part(second, 0)]).map(({ headers }) => headers?.['ops-dead-at']),
    ['telemetry.logs/2/1', 'telemetry.logs/2/2'],
  )
})
