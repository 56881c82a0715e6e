import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { freshStore } from '../../test/kit/store.ts'
import { ask } from '../query.ts'
import type { Store } from '../store.ts'
import { aggregateLogs } from './aggregate-logs.ts'
import { logPatterns } from './log-queries.ts'
import { searchLogs } from './search-logs.ts'

const now = Date.UTC(2026, 0, 5, 12)
const place = { environment: 'production', service: 'orders' }
const range = { from: now - 600_000, to: now + 1 }

let store: Store
let close: () => Promise<void>
before(async () => {
  ;({ store, close } = await freshStore())
  const pattern = { ...place, example: '', severity: 9, first_seen: now - 500_000 }
  await store.insert('log_patterns', [
    { ...pattern, pattern: 'c3', version: 1, template: 'order placed' },
    { ...pattern, pattern: 'c3', version: 2, template: 'order placed', merged_into: 'd4' },
    { ...pattern, pattern: 'd4', version: 5, template: 'order <*>' },
  ])
  const line = (id: number, pattern: string) => ({
    ...{ ...place, time: now - id, severity: 9, body: `order ${id}`, attributes: {}, trace_id: '', span_id: '' },
    ...{ origin_stream: 'orders', origin_offset: id, origin_index: 0, pattern },
  })
  await store.insert('log_lines', [line(1, 'c3'), line(2, 'd4'), line(3, 'd4'), line(4, 'e5')])
  const window = { ...place, severity: 9, start: now - 60_000, end: now }
  await store.insert('log_counts', [
    { ...window, pattern: 'c3', count: 1 },
    { ...window, pattern: 'd4', count: 2 },
  ])
})
after(() => close())

test('lines of a merged pattern are counted with those of the pattern that took its place', async () => {
  const { groups } = await aggregateLogs(store, range, { query: 'order', by: ['pattern'], limit: 10 })
  assert.deepEqual(
    groups.map(({ pattern, template, count }) => [pattern, template, count]),
    [
      ['d4', 'order <*>', 3],
      ['e5', '', 1],
    ],
  )
})

test('whoever asks for a pattern gets the lines of those that were merged into it', async () => {
  const { lines } = await searchLogs(store, 'pattern:d4', range, { limit: 10 })
  assert.deepEqual(lines.map(({ body }) => body).sort(), ['order 1', 'order 2', 'order 3'])
})

test('the list of patterns has those that stand for themselves', async () => {
  const found = await ask(store, logPatterns, { from: range.from, to: range.to, limit: 10 })
  assert.deepEqual(
    found.map(({ pattern, count }) => [pattern, count]),
    [['d4', 3]],
  )
})
