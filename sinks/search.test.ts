import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { openEmbeddedStore } from './embedded-store.ts'
import { migrate } from './migrate.ts'
import { compileSearch, parseSearch, SearchError, searchLogs } from './search.ts'
import type { Store } from './store.ts'

const now = Date.UTC(2026, 10, 22, 12)
const scope = { environment: 'production', service: 'checkout', at: now, limit: 5 }
let folder: string
let store: Store

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-search-'))
  store = await openEmbeddedStore({ path: folder })
  await migrate(store)
  const line = (
    id: number,
    age: number,
    service: string,
    severity: number,
    body: string,
    environment = 'production',
  ) => ({
    ...{ time: now - age, environment, service, severity, body, attributes: {}, trace_id: '', span_id: '' },
    ...{ origin_stream: 'test', origin_offset: id, origin_index: 0 },
    pattern: body.toLowerCase().includes('refused') ? 'a1' : 'b2',
  })
  await store.insert('log_lines', [
    line(1, 1_000, 'checkout', 17, 'connection refused to 10.0.0.1'),
    line(2, 2_000, 'checkout', 21, 'Connection Refused to 10.0.0.2'),
    line(3, 3_000, 'checkout', 17, 'card declined 100% _x'),
    line(4, 4_000, 'checkout', 9, 'order placed'),
    line(5, 6 * 60_000, 'checkout', 17, 'connection refused, long ago'),
    line(6, 1_000, 'payments', 17, 'connection refused elsewhere'),
    line(7, 1_000, 'checkout', 17, 'connection refused in staging', 'staging'),
    line(8, -1_000, 'checkout', 17, 'connection refused in the future'),
  ])
  const pattern = (version: number, template: string) => ({
    ...{ environment: 'production', service: 'checkout', pattern: 'a1', version, template },
    ...{ example: '', severity: 17, first_seen: now },
  })
  await store.insert('log_patterns', [
    { ...pattern(2, 'order placed'), pattern: 'c3', merged_into: 'd4' },
    { ...pattern(5, 'order <*>'), pattern: 'd4' },
    pattern(1, 'connection refused to 10.0.0.1'),
    pattern(2, 'connection refused to <*>'),
  ])
})
after(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const count = async (query: string) => (await searchLogs(store, query, scope)).count

test("the issue's query: errors and worse of the service, in five minutes", async () => {
  assert.deepEqual(await searchLogs(store, 'level:error AND timestamp:last_5m', scope), {
    count: 3,
    patterns: [
      { template: 'connection refused to <*>', count: 2 },
      { template: 'b2', count: 1 },
    ],
    examples: [
      { time: now - 1_000, service: 'checkout', body: 'connection refused to 10.0.0.1' },
      { time: now - 2_000, service: 'checkout', body: 'Connection Refused to 10.0.0.2' },
      { time: now - 3_000, service: 'checkout', body: 'card declined 100% _x' },
    ],
  })
})

test('lines of a merged pattern are counted with those of the pattern that took its place', async () => {
  const line = (id: number, pattern: string) => ({
    ...{ environment: 'production', service: 'orders', time: now - id, severity: 9, body: 'order', attributes: {} },
    ...{ trace_id: '', span_id: '', origin_stream: 'orders', origin_offset: id, origin_index: 0, pattern },
  })
  await store.insert('log_lines', [line(1, 'c3'), line(2, 'd4'), line(3, 'd4')])
  const { patterns } = await searchLogs(store, 'service:orders timestamp:last_5m', scope)
  assert.deepEqual(patterns, [{ template: 'order <*>', count: 3 }])
})

test('words, phrases, other services, and, or, not', async () => {
  assert.equal(await count('"connection refused" timestamp:last_5m'), 2)
  assert.equal(await count('refused'), 3)
  assert.equal(await count('refused AND service:payments'), 1)
  assert.equal(await count('refused AND service:p*'), 1)
  assert.equal(await count('service:* AND level:error AND timestamp:last_5m'), 4)
  assert.equal(await count('timestamp:last_5m AND (declined OR placed)'), 2)
  assert.equal(await count('timestamp:last_5m AND NOT refused'), 2)
  assert.equal(await count('"100% _x"'), 1)
  assert.equal(await count('pattern:a1 timestamp:last_5m'), 2)
})

test('an answer says that lines were left out where and when it looked', async () => {
  const slot = (age: number, service: string, counts: object, environment = 'production') => ({
    ...{ environment, service, start: now - age, end: now - age + 10_000 },
    ...{ lines: 0, kept: 0, errors: 0, errors_kept: 0, ...counts },
  })
  await store.insert('log_sampling', [
    slot(60_000, 'sampled', { lines: 1_000, kept: 100, errors: 5, errors_kept: 5 }),
    slot(60_000, 'sampled', { lines: 90, kept: 10 }, 'staging'),
    slot(20 * 60_000, 'sampled', { lines: 500, kept: 200, errors: 70, errors_kept: 60 }),
  ])
  const sampled = async (query: string, of = 'sampled') =>
    (await searchLogs(store, query, { ...scope, service: of })).sampled
  assert.deepEqual(await sampled('refused'), { lines: 1_005, kept: 105 })
  assert.deepEqual(await sampled('refused service:sam*', 'checkout'), { lines: 1_005, kept: 105 })
  assert.deepEqual(await sampled('refused timestamp:last_1h'), { lines: 1_575, kept: 365 })
  assert.deepEqual(await sampled('level:error timestamp:last_1h'), { lines: 75, kept: 65 })
  for (const query of ['level:error', 'refused timestamp:last_10s', 'refused service:checkout'])
    assert.equal(await sampled(query), undefined, query)
  assert.equal(await sampled('refused', 'checkout'), undefined)
})

test('no query reaches another environment', async () => {
  for (const query of ['staging', 'service:* OR staging', "x' OR environment = 'staging", 'NOT NOT staging'])
    assert.ok(!(await searchLogs(store, query, scope)).examples.some(({ body }) => body.includes('staging')), query)
})

test('whatever is typed becomes parameters, or an error that says why', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), text => {
      const marker = `zq${text}`
      try {
        const { where, params } = compileSearch(parseSearch(`${text} AND ${JSON.stringify(marker)}`), scope)
        assert.ok(!where.includes('zq'))
        assert.ok(Object.values(params).some(value => String(value).includes('zq')))
      } catch (error) {
        if (!(error instanceof SearchError)) throw error
      }
    }),
    { seed: 1, numRuns: 2_000 },
  )
})

test('wrong queries say where and what to write', () => {
  const wrong = (query: string, message: RegExp) =>
    assert.throws(() => parseSearch(query), { name: 'SearchError', message })
  wrong('levl:error', /no field 'levl'; there are level, timestamp, service/)
  wrong('level:eror', /'eror' is no level; use trace, debug/)
  wrong('timestamp:5m', /'5m' is no time; write it as last_5m/)
  wrong('(a OR b', /the \( at 1 is not closed/)
  wrong('a)', /the \) at 2 was not opened/)
  wrong('a AND', /is missing at the end/)
  wrong('OR a', /is missing before 'OR'/)
  wrong('say "hi', /the " at 5 is not closed/)
  wrong('', /is missing at the end/)
})
