import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import { openEmbeddedStore } from '../embedded-store.ts'
import { migrate } from '../migrate.ts'
import type { Store } from '../store.ts'
import { aggregateLogs } from './aggregate-logs.ts'
import { LineCursorText } from './cursor.ts'
import { lookIntoLogs } from './look-into-logs.ts'
import { textOf } from './query.fixture.ts'
import { searchLogs } from './search-logs.ts'

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
    attributes: Record<string, string> = {},
  ) => ({
    ...{ time: now - age, environment, service, severity, body, attributes, trace_id: '', span_id: '' },
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
    line(9, 1_000, 'shop', 17, '支付失败：订单超时未响应', 'production', { status: '504', latency: '812.5' }),
    line(10, 2_000, 'shop', 9, '注文を確認しました ORDER=77', 'production', { status: '200', latency: '12' }),
    line(11, 3_000, 'shop', 9, 'Größe ΑΒΓ an\nsecond line', 'production', { user: 'Anna B', latency: 'n/a' }),
    line(12, 4_000, 'shop', 9, '100% of 5_6 \\d "quoted" nul\0end', 'production', { user: '' }),
  ])
  const pattern = (version: number, template: string) => ({
    ...{ environment: 'production', service: 'checkout', pattern: 'a1', version, template },
    ...{ example: '', severity: 17, first_seen: now },
  })
  await store.insert('log_patterns', [
    pattern(1, 'connection refused to 10.0.0.1'),
    pattern(2, 'connection refused to <*>'),
  ])
})
after(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const look = (query: string) => lookIntoLogs(store, query, scope)
const count = async (query: string) => (await look(query)).count

test('errors and worse of the service, in five minutes, as a runbook asks for them', async () => {
  assert.deepEqual(await look('level:error AND timestamp:last_5m'), {
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
    anomalies: [],
  })
})

test('words, phrases, other services, and, or, not', async () => {
  assert.equal(await count('"connection refused" timestamp:last_5m'), 2)
  assert.equal(await count('refused'), 3)
  assert.equal(await count('refused AND service:payments'), 1)
  assert.equal(await count('refused AND service:p*'), 1)
  assert.equal(await count('service:* AND level:error AND timestamp:last_5m'), 5)
  assert.equal(await count('timestamp:last_5m AND (declined OR placed)'), 2)
  assert.equal(await count('timestamp:last_5m AND NOT refused'), 2)
  assert.equal(await count('timestamp:last_5m -refused -declined'), 1)
  assert.equal(await count('"100% _x"'), 1)
  assert.equal(await count('pattern:a1 timestamp:last_5m'), 2)
  assert.equal(await count('con*fused timestamp:last_5m'), 2)
  assert.equal(
    await count(`timestamp:[${new Date(now - 2_000).toISOString()} TO ${new Date(now - 2_000).toISOString()}]`),
    1,
  )
})

test('attributes, numbers among them', async () => {
  const of = (query: string) => count(`service:shop ${query}`)
  assert.equal(await of('status:504'), 1)
  assert.equal(await of('-status:200'), 3)
  assert.equal(await of('status:5*'), 1)
  assert.equal(await of('status:*'), 2)
  assert.equal(await of('-status:*'), 2)
  assert.equal(await of('latency:>500'), 1)
  assert.equal(await of('latency:[12 TO 812.5]'), 2)
  assert.equal(await of('latency:{12 TO 812.5}'), 0)
  assert.equal(await of('latency:[* TO *]'), 2)
  assert.equal(await of('-latency:>500'), 3)
  assert.equal(await of('user:"Anna B"'), 1)
  assert.equal(await of('user:""'), 1)
  assert.equal(await of('user:*'), 2)
})

test('a part of a run is found in scripts without spaces, and letters whatever their case', async () => {
  const of = (query: string) => count(`service:shop ${query}`)
  for (const query of [
    '超时',
    '订单超时',
    '未响',
    '付',
    '確認',
    '注*確認',
    'order=77',
    'GRÖSSE OR größe',
    'αβγ',
    'GRÖ*',
  ])
    assert.equal(await of(query), 1, query)
  assert.equal(await of('"an\nsecond"'), 1)
  assert.equal(await of('größe*second'), 1)
  assert.equal(await of('"超时 未"'), 0)
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
    (await lookIntoLogs(store, query, { ...scope, service: of })).sampled
  assert.deepEqual(await sampled('refused'), { lines: 1_005, kept: 105 })
  assert.deepEqual(await sampled('refused service:sam*', 'checkout'), { lines: 1_005, kept: 105 })
  assert.deepEqual(await sampled('refused OR service:sampled', 'checkout'), { lines: 1_005, kept: 105 })
  assert.deepEqual(await sampled('-service:checkout', 'checkout'), { lines: 1_005, kept: 105 })
  assert.deepEqual(await sampled('-(service:sampled AND refused)', 'sampled'), { lines: 1_005, kept: 105 })
  assert.deepEqual(await sampled('refused timestamp:last_1h'), { lines: 1_575, kept: 365 })
  assert.deepEqual(await sampled('level:error timestamp:last_1h'), { lines: 75, kept: 65 })
  for (const query of ['level:error', 'refused timestamp:last_10s', 'refused service:checkout', '-service:sampled'])
    assert.equal(await sampled(query), undefined, query)
  assert.equal(await sampled('refused', 'checkout'), undefined)
})

test('no query reaches another environment', async () => {
  const queries = [
    ...['staging', 'service:* OR staging', "x' OR environment = 'staging", 'NOT NOT staging', 'environment:staging'],
    ...['environment:* staging', 'environment:staging OR level:error', '-environment:production', '* OR *'],
  ]
  for (const query of queries)
    assert.ok(!(await look(query)).examples.some(({ body }) => body.includes('staging')), query)
})

test('a long line is found by what stands at its end, and answered up to a length', async () => {
  const time = now - 7 * 60_000
  const row = { time, environment: 'production', service: 'long', severity: 9, body: `${'支'.repeat(20_000)} the end` }
  const rest = {
    attributes: {},
    trace_id: '',
    span_id: '',
    pattern: '',
    origin_stream: 's',
    origin_offset: 0,
    origin_index: 0,
  }
  await store.insert('log_lines', [{ ...row, ...rest }])
  const { lines } = await searchLogs(store, 'service:long "the end"', { to: now }, { limit: 5 })
  assert.deepEqual(
    lines.map(({ body, cut }) => [body.length, cut]),
    [[10_000, true]],
  )
})

test('pages follow each other both ways, whatever comes in meanwhile', async () => {
  const at = now - 8 * 60_000
  const line = (offset: number, time: number) => ({
    ...{ time, environment: 'production', service: `page-${offset % 2}`, severity: 9, body: `page line ${offset}` },
    ...{ attributes: {}, trace_id: '', span_id: '', pattern: 'p', origin_stream: 's', origin_offset: offset },
    origin_index: 0,
  })
  // Seven at each instant, so that only their identity tells them apart.
  await store.insert(
    'log_lines',
    Array.from({ length: 28 }, (_, n) => line(n, at + Math.floor(n / 7))),
  )
  for (const order of ['newest', 'oldest'] as const) {
    const page = (cursor?: string | null) =>
      searchLogs(
        store,
        '"page line"',
        { to: now },
        {
          ...{ environment: 'production', limit: 5, order },
          ...(cursor ? { cursor: LineCursorText.parse(cursor) } : {}),
        },
      )
    const pages = [await page()]
    while (pages.at(-1)!.next) {
      pages.push(await page(pages.at(-1)!.next))
      await store.insert('log_lines', [line(100 + pages.length, order === 'newest' ? now - 1 : at - 1_000)])
      await store.insert('log_lines', [line(3, at)])
    }
    assert.equal(pages[0]!.previous, null)
    const offsets = pages
      .flatMap(({ lines }) => lines.map(({ origin }) => origin.offset))
      .filter(offset => offset < 100)
    assert.equal(new Set(offsets).size, 28)
    assert.equal(offsets.length, 28)
    for (let n = pages.length - 1; n > 0; n--)
      assert.deepEqual((await page(pages[n]!.previous)).lines, pages[n - 1]!.lines)
    const times = pages.flatMap(({ lines }) => lines.map(({ time }) => time))
    assert.deepEqual(
      times,
      times.toSorted((a, b) => (order === 'newest' ? b - a : a - b)),
    )
    await store.command('ALTER TABLE log_lines DELETE WHERE origin_offset > 100 SETTINGS mutations_sync = 2')
  }
})

test('whatever is typed stays text: nothing is changed, and nothing is found that is not there', async () => {
  const corpus = [
    ...[
      "'",
      "''",
      "' OR 1=1 --",
      "'; DROP TABLE log_lines; --",
      '" OR ""="',
      '`',
      '\\',
      "\\'",
      "\\' OR 1=1 --",
      '/* */ OR true',
    ],
    ...['{p0:String}', '{x:String}', '{p0:Identifier}', ') UNION ALL SELECT 1 --', 'x\0y', '\0', '%', '_', '%%', '\\%'],
    ...[
      '$$x$$',
      '-- comment',
      '# x',
      'FORMAT JSON',
      'SETTINGS readonly = 0',
      "file('/etc/passwd')",
      '\n',
      '\r\n;',
      '\t',
    ],
    ...[
      '\ud800',
      '\u2028',
      '\ufeff',
      '😀',
      "b'\\x27'",
      '&quot;',
      '%27',
      '\u0027',
      'ʼ',
      '＇',
      ';',
      ');',
      '}}',
      '{{',
      '?',
      '@p0',
      ':p0',
    ],
  ]
  const tables = async () =>
    JSON.stringify(
      await store.query(
        'SELECT table, sum(rows) AS rows FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table ORDER BY table',
      ),
    )
  const before = await tables()
  const bodies = (
    await store.query<{ body: string }>(
      "SELECT body FROM log_lines FINAL WHERE environment = 'production' AND service = 'shop'",
    )
  ).map(({ body }) => body)
  for (const text of corpus) {
    const literal = bodies.filter(body => body.toLowerCase().includes(text.toWellFormed().toLowerCase())).length
    assert.equal(await count(`service:shop ${textOf(text)}`), literal, JSON.stringify(text))
    for (const field of ['service', 'pattern', 'trace', 'span', 'status', 'attributes.x'])
      assert.equal(await count(`service:shop ${field}:${textOf(text)}`), 0, `${field} ${JSON.stringify(text)}`)
    const wild = `*${text.replaceAll(/[^\w]/g, '\\$&')}*`
    assert.equal(await count(`service:shop ${wild}`), literal, wild)
    assert.equal(await count(`service:${wild}x*y`), 0, wild)
    const asked = { environment: text, service: text, by: ['service'] as const, limit: 5 }
    assert.equal((await aggregateLogs(store, { to: now }, asked)).total, 0)
  }
  assert.equal(await tables(), before)
})

test('values never become part of the statement, so that no statement can fail of them', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.string({ unit: 'binary', maxLength: 8 }),
      async (text, name) => {
        const fields = `attributes.a${name.replaceAll(/[^\w]/g, '')}`
        await count(`${textOf(text)} OR ${fields}:${textOf(text)} OR NOT (service:${textOf(text)} level:<warn)`)
      },
    ),
    { numRuns: 60 },
  )
})
