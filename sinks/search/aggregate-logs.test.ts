import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { openEmbeddedStore } from '../embedded-store.ts'
import { migrate } from '../migrate.ts'
import type { Store } from '../store.ts'
import { aggregateLogs, type GroupKey, type LogFilters } from './aggregate-logs.ts'

const minute = 60_000
const begin = Date.UTC(2026, 10, 22, 12)
let folder: string
let store: Store

const line = (id: number, time: number, service: string, severity: number, pattern: string) => ({
  ...{ time, environment: 'production', service, severity, pattern, body: `line ${id}`, attributes: {} },
  ...{ trace_id: '', span_id: '', origin_stream: 'test', origin_offset: id, origin_index: 0 },
})
const counts = (service: string, pattern: string, window: number, count: number) => ({
  ...{ environment: 'production', service, pattern, start: begin + window * minute, severity: 17 },
  ...{ end: begin + (window + 1) * minute, count },
})

// Of shop 100 lines of a in each of ten minutes, of which 10 are kept, one of b that is; of cart one line each minute, all
// kept. The counts of the last minute are not there yet, and one line of shop came too late for its window.
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-aggregate-'))
  store = await openEmbeddedStore({ path: folder })
  await migrate(store)
  const windows = Array.from({ length: 10 }, (_, window) => window)
  const kept = windows.flatMap(window =>
    Array.from({ length: 10 }, (_, n) => line(window * 100 + n, begin + window * minute + n * 1_000, 'shop', 9, 'a')),
  )
  const others = windows.flatMap(window => [
    line(window * 100 + 50, begin + window * minute + 50_000, 'shop', 17, 'b'),
    line(window * 100 + 60, begin + window * minute + 30_000, 'cart', window % 2 === 0 ? 17 : 9, 'c'),
  ])
  await store.insert('log_lines', [...kept, ...others, line(5_000, begin + 90_000, 'shop', 9, '')])
  // Written twice, as after a crash.
  for (let twice = 0; twice < 2; twice++)
    await store.insert(
      'log_counts',
      windows
        .slice(0, 9)
        .flatMap(window => [
          counts('shop', 'a', window, 100),
          counts('shop', 'b', window, 1),
          counts('cart', 'c', window, 1),
        ]),
    )
  await store.insert(
    'log_sampling',
    windows.map(window => ({
      ...{ environment: 'production', service: 'shop', start: begin + window * minute, errors: 1, errors_kept: 1 },
      ...{ end: begin + window * minute + 10_000, lines: 100, kept: 10 },
    })),
  )
  await store.insert('log_patterns', [
    ...['a', 'b', 'c'].map(pattern => ({
      ...{ environment: 'production', service: pattern === 'c' ? 'cart' : 'shop', pattern, version: 1 },
      ...{ template: `template ${pattern}`, example: `line of ${pattern}`, severity: 9, first_seen: begin },
    })),
  ])
})
after(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const whole = { from: begin, to: begin + 10 * minute }
const asked = (filters: Partial<LogFilters>, range = whole) => aggregateLogs(store, range, { limit: 100, ...filters })

test('counts come from before the sampling where service, pattern and time are all that is asked for', async () => {
  const total = await asked({})
  assert.equal(total.source, 'counts')
  // 9 windows of 102, the last one from its 12 lines, and the late line.
  assert.equal(total.total, 9 * 102 + 12 + 1)
  assert.deepEqual(total.sampled, { lines: 101, kept: 11 })
  const by = async (...by: GroupKey[]) => (await asked({ by })).groups
  assert.deepEqual(await by('service'), [
    { service: 'shop', count: 9 * 101 + 11 + 1 },
    { service: 'cart', count: 10 },
  ])
  assert.deepEqual(await by('pattern'), [
    { pattern: 'a', template: 'template a', count: 910 },
    { pattern: 'b', template: 'template b', count: 10 },
    { pattern: 'c', template: 'template c', count: 10 },
    { pattern: '', template: '', count: 1 },
  ])
  const times = (await asked({ by: ['time'], bucket: 5 * minute })).groups
  assert.deepEqual(times, [
    { time: begin, count: 5 * 102 + 1 },
    { time: begin + 5 * minute, count: 4 * 102 + 12 },
  ])
  assert.deepEqual((await asked({ query: 'pattern:a service:shop' })).total, 910)
  assert.deepEqual((await asked({ query: 'pattern:(a OR c)', by: ['service'] })).groups.length, 2)
  assert.deepEqual((await asked({ query: '-service:shop' })).total, 10)
  assert.deepEqual((await asked({ service: 'cart' })).total, 10)
})

test('a window that is cut by the time asked for is counted from its lines', async () => {
  const cut = await asked({}, { from: begin + 5_000, to: begin + 2 * minute + 5_000 })
  // Of the first window the lines from 5 s on, the second whole with the late line, of the third those before 5 s.
  assert.equal(cut.total, 5 + 2 + (102 + 1) + 5)
  assert.equal(cut.source, 'counts')
  const named = new Date(begin + 3 * minute).toISOString()
  assert.equal((await asked({ query: `timestamp:<${named}` })).total, 3 * 102 + 1)
})

test('else lines are counted, and it is said that some were left out', async () => {
  const severities = await asked({ by: ['severity'] })
  assert.equal(severities.source, 'lines')
  assert.deepEqual(severities.sampled, { lines: 1_010, kept: 110 })
  assert.deepEqual(severities.groups, [
    { severity: 9, count: 106 },
    { severity: 17, count: 15 },
  ])
  assert.deepEqual((await asked({ query: 'level:error', by: ['service'] })).groups, [
    { service: 'shop', count: 10 },
    { service: 'cart', count: 5 },
  ])
  assert.equal((await asked({ by: ['time'], bucket: 30_000 })).source, 'lines')
  assert.equal((await asked({ query: '"line 1"', by: ['service', 'time'] })).source, 'lines')
})

test('groups over the limit are counted, not listed; no lines are no group', async () => {
  const first = await asked({ by: ['pattern', 'time'], limit: 3 })
  assert.equal(first.groups.length, 3)
  assert.equal(first.found, 31)
  assert.equal(first.total, 931)
  const none = await asked({ by: ['service'] }, { from: begin - 9 * minute, to: begin })
  assert.deepEqual([none.total, none.found, none.groups], [0, 0, []])
  assert.deepEqual((await asked({}, { from: begin - 9 * minute, to: begin })).total, 0)
})
