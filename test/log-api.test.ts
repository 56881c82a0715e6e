import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { FastifyInstance } from 'fastify'
import type { Anomaly } from '../operators/signal.ts'
import { Config } from '../pipelines/config.ts'
import { detectInLines } from '../pipelines/handed-lines.ts'
import { buildApi } from '../sinks/api.ts'
import { ask } from '../sinks/query.ts'
import { anomalyRow } from '../sinks/rows.ts'
import type { DetectedAnomalies } from '../sinks/search/detect-anomalies.ts'
import { logQueries } from '../sinks/search/log-queries.ts'
import type { Store } from '../sinks/store.ts'
import { freshStore } from './kit/store.ts'
import { writtenTables } from './kit/tables.ts'

const minute = 60_000
const now = Date.UTC(2026, 10, 22, 12)
let store: Store
let close: () => Promise<void>
let api: FastifyInstance

const line = (id: number, more: object = {}) => ({
  ...{ time: now - id * 1_000, environment: 'production', service: 'checkout', severity: 17, pattern: 'a1' },
  ...{ body: `timeout ${id}`, attributes: { status: String(200 + id) }, trace_id: '', span_id: '' },
  ...{ origin_stream: 'test', origin_offset: id, origin_index: 0, ...more },
})
const anomaly = (id: number, more: Partial<Anomaly> = {}): Anomaly => ({
  ...{
    type: 'anomaly',
    id: `anomaly-${id}`,
    environment: 'production',
    service: 'checkout',
    signal: 'a1',
    kind: 'log',
  },
  ...{ subject: 'timeout <*>', labels: {}, start: now - (id + 1) * minute, end: now - id * minute, score: 2, value: 9 },
  ...{ unit: '{line}', direction: 'above', voters: [], why: '9 lines', model: 'counts-1' },
  ...more,
})

before(async () => {
  ;({ store, close } = await freshStore())
  await store.insert(
    'log_lines',
    [1, 2, 3, 4].map(id => line(id)),
  )
  await store.insert('log_patterns', [
    {
      ...{ environment: 'production', service: 'checkout', pattern: 'a1', version: 1, template: 'timeout <*>' },
      ...{ example: 'timeout 1', severity: 17, first_seen: now - minute },
    },
    {
      ...{ environment: 'production', service: 'checkout', pattern: 'b2', version: 1, template: 'paid <*>' },
      ...{ example: 'paid 1', severity: 9, first_seen: now - minute },
    },
  ])
  const window = {
    environment: 'production',
    service: 'checkout',
    start: now - 2 * minute,
    end: now - minute,
    severity: 17,
  }
  await store.insert('log_counts', [
    { ...window, pattern: 'a1', count: 4 },
    { ...window, pattern: 'b2', count: 7 },
  ])
  const event = (value: Anomaly) => ({ key: '', time: now, origin: { stream: '', offset: 0, index: 0 }, value })
  await store.insert('anomalies', [
    ...[1, 2, 3].map(id => anomalyRow(event(anomaly(id)))),
    anomalyRow(event(anomaly(4, { score: 0.5 }))),
    anomalyRow(event(anomaly(5, { kind: 'metric' }))),
  ])
  const config = Config.parse({})
  const hooks = { detect: (lines: Parameters<typeof detectInLines>[1]) => detectInLines(config, lines, now) }
  api = await buildApi({ store, version: '1', clock: { now: () => now }, hooks, checkAnswers: true })
})
after(async () => {
  await api.close()
  await close()
})

async function get<T>(path: string, status = 200): Promise<T> {
  const answer = await api.inject(path)
  assert.equal(answer.statusCode, status, answer.body)
  return answer.json() as T
}
const url = (path: string, asked: Record<string, string>) => `/v1/logs/${path}?${new URLSearchParams(asked)}`

test('lines are found page by page, with all that is known of them', async () => {
  interface Page {
    query: string
    lines: { body: string; attributes: object }[]
    next: string | null
    previous: string | null
  }
  const query = 'timeout -status:203 timestamp:last_5m'
  const first = await get<Page>(url('search', { query, limit: '2' }))
  assert.deepEqual(
    first.lines.map(({ body }) => body),
    ['timeout 1', 'timeout 2'],
  )
  assert.deepEqual(first.lines[0]!.attributes, { status: '201' })
  assert.equal(first.query, '"timeout" AND NOT attributes.status:"203" AND timestamp:[now-300000ms TO now]')
  const second = await get<Page>(url('search', { query, limit: '2', cursor: first.next! }))
  assert.deepEqual(
    second.lines.map(({ body }) => body),
    ['timeout 4'],
  )
  assert.equal(second.next, null)
  const back = await get<Page>(url('search', { query, limit: '2', cursor: second.previous! }))
  assert.deepEqual(back.lines, first.lines)
  assert.equal(back.previous, null)
})

test('what cannot be read is refused with the place of it', async () => {
  const { error } = await get<{ error: { code: string; message: string } }>(
    url('search', { query: 'a level:eror' }),
    400,
  )
  assert.equal(error.code, 'OPS_REQUEST')
  assert.match(error.message, /^query, column 9: 'eror' is no level.*\na level:eror\n {8}\^$/)
  for (const [path, asked] of [
    ['search', {}],
    ['search', { query: 'a', cursor: 'x' }],
    ['search', { query: 'a', order: 'up' }],
    ['search', { query: 'a', from: 'soon' }],
    ['aggregate', { by: 'colour' }],
    ['aggregate', { bucket: '1ms' }],
    ['aggregate', { query: '(' }],
    ['patterns', { limit: '0' }],
    ['anomalies', { cursor: '!' }],
  ] as const)
    await get(url(path, asked as Record<string, string>), 400)
})

test('lines are counted, patterns listed, and anomalies told with an example', async () => {
  const counted = await get<{ total: number; groups: object[] }>(url('aggregate', { by: 'service,severity' }))
  assert.deepEqual(counted.groups, [{ service: 'checkout', severity: 17, count: 4 }])
  const patterns = await get<{ patterns: { pattern: string; count: number }[]; next: string }>(
    url('patterns', { limit: '1' }),
  )
  assert.deepEqual(
    patterns.patterns.map(({ pattern, count }) => [pattern, count]),
    [['b2', 7]],
  )
  const rest = await get<typeof patterns>(url('patterns', { limit: '1', cursor: patterns.next }))
  assert.deepEqual(
    rest.patterns.map(({ pattern }) => pattern),
    ['a1'],
  )
  assert.equal(rest.next, null)
  assert.equal((await get<typeof patterns>(url('patterns', { text: 'TIMEOUT' }))).patterns.length, 1)
  interface Told {
    anomalies: { id: string; example: string }[]
    next: string | null
  }
  const told = await get<Told>(url('anomalies', { limit: '2' }))
  assert.deepEqual(
    told.anomalies.map(({ id, example }) => [id, example]),
    [
      ['anomaly-1', 'timeout 1'],
      ['anomaly-2', 'timeout 1'],
    ],
  )
  const more = await get<Told>(url('anomalies', { limit: '2', cursor: told.next! }))
  assert.deepEqual([more.anomalies.map(({ id }) => id), more.next], [['anomaly-3'], null])
  assert.deepEqual((await get<Told>(url('anomalies', { pattern: 'b2' }))).anomalies, [])
})

test('every named read gives rows as it says', async () => {
  for (const query of logQueries)
    assert.ok((await ask(store, query as never, { from: 0, to: now, limit: 10 } as never)).length > 0, query.name)
})

/** Lines of half an hour, ten a minute; a new error comes in its 25th minute, and its 27th minute is a storm. */
function halfAnHour(): string[] {
  const begin = now - 30 * minute
  const lines: string[] = []
  for (let at = 0; at < 30; at++) {
    const stamp = (n: number) => new Date(begin + at * minute + n * 100).toISOString()
    for (let n = 0; n < (at === 27 ? 400 : 10); n++) lines.push(`${stamp(n)} INFO order ${at * 1_000 + n} placed`)
    if (at === 25) lines.push(`${stamp(500)} ERROR cannot reach the bank 10.0.0.${at}`)
  }
  return lines
}

test('lines that are handed in are looked at, and nothing of them is kept', async () => {
  const rows = async () =>
    Promise.all((await writtenTables(store)).map(({ table }) => store.query(`SELECT count() AS rows FROM ${table}`)))
  const before = await rows()
  const post = (lines: string[], more = {}) =>
    api.inject({ method: 'POST', url: '/v1/logs/anomalies', payload: { lines, ...more } })
  const answer = await post(halfAnHour(), { service: 'shop' })
  assert.equal(answer.statusCode, 200, answer.body)
  const found = answer.json() as DetectedAnomalies
  assert.deepEqual([found.lines, found.unread, found.windows], [691, 0, 30])
  assert.deepEqual(
    found.anomalies.map(({ subject, direction, start, service }) => [
      subject.split(' ')[1],
      direction,
      (start - now) / minute + 30,
      service,
    ]),
    [
      ['INFO', 'above', 27, 'shop'],
      ['ERROR', 'new', 25, 'shop'],
    ],
  )
  assert.match(found.anomalies[1]!.example, /cannot reach the bank/)
  const shuffled = (await post(halfAnHour().reverse(), { service: 'shop' })).json() as DetectedAnomalies
  assert.deepEqual(shuffled.anomalies, found.anomalies)
  assert.deepEqual(await rows(), before)
  assert.equal((await post([])).statusCode, 400)
})

test('without an agent nobody looks at lines', async () => {
  const alone = await buildApi({ store, version: '1' })
  const answer = await alone.inject({ method: 'POST', url: '/v1/logs/anomalies', payload: { lines: ['a'] } })
  assert.equal(answer.statusCode, 503)
  await alone.close()
})
