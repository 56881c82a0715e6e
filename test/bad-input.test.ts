import assert from 'node:assert/strict'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { until } from '../deploy/demo/receiver.fixture.ts'
import { ServiceCatalogue } from '../operators/services.ts'
import { Config } from '../pipelines/config.ts'
import { buildGraphs } from '../pipelines/graphs.ts'
import { startPipelines } from '../pipelines/running.ts'
import type { BatchReport } from '../pipelines/runtime/reports.ts'
import { openEmbeddedLog } from '../pipelines/sources/embedded-log.ts'
import { openKafkaLog } from '../pipelines/sources/kafka-log.ts'
import type { Log, LogRecord, NewRecord } from '../pipelines/sources/log.ts'
import { otlpReceiver } from '../pipelines/sources/otlp-http.ts'
import { entryTopics } from '../pipelines/topics.ts'
import { SinkError, type Store } from '../sinks/store.ts'
import { testBroker } from './kit/broker.ts'
import { dice } from './kit/corpus.ts'
import { realClock, recordingLogger } from './kit/log.ts'
import { freshStore } from './kit/store.ts'
import { encodeLogs, logsOf } from './otlp-messages.ts'

// What nobody can read, through the whole of the pipelines: it ends in the dead letters with a reason, in order, and the
// stream goes on.

const broker = testBroker()
const topic = entryTopics.logs
const dead = `${topic}.dead`
const PATIENCE = 30_000

/** The pipelines at work on a log and an empty store. */
interface Parts {
  readonly log: Log
  readonly store: Store
  /** Of every batch of every pipeline so far. */
  readonly reports: readonly BatchReport[]
  /** Resolves when this line has come out of the pipelines, and they have ended with all their rows written. */
  passed(line: string): Promise<void>
}

/** What is to be closed after a test, last first. */
type Closing = (() => Promise<unknown>)[]
let prefixes = 0

const doors = {
  embedded: async (_t: TestContext, closing: Closing): Promise<Log> => {
    const dataDir = await mkdtemp(join(tmpdir(), 'ops-bad-'))
    closing.push(() => rm(dataDir, { recursive: true, force: true }))
    return openEmbeddedLog({ dataDir, clock: realClock, logger: recordingLogger() })
  },
  Kafka: async (t: TestContext): Promise<Log | undefined> => {
    const running = await broker(t)
    const around = { clientId: 'test', clock: realClock, logger: recordingLogger(), sessionTimeout: 6_000 }
    return running && openKafkaLog({ brokers: [running.address], prefix: `bad-${prefixes++}.`, ...around })
  },
} as const

async function start(log: Log, closing: Closing): Promise<Parts> {
  const { store, close } = await freshStore()
  closing.push(close)
  const reports: BatchReport[] = []
  const note = (report: unknown): unknown => reports.push(report as BatchReport)
  subscribe('ops-agent:batch', note)
  closing.push(async () => unsubscribe('ops-agent:batch', note))
  // What is held back to be put in order passes after a moment's silence.
  const detection = { idleAfter: '400ms', outOfOrderness: '400ms' }
  const config = Config.parse({ log: { in: 'embedded', partitions: 1 }, detection, checkpoints: { every: '200ms' } })
  const catalogue = ServiceCatalogue.parse({})
  const around = { log, store, clock: realClock, logger: recordingLogger(), random: Math.random }
  const running = await startPipelines(config, buildGraphs(config, catalogue, []), catalogue, around)
  closing.push(() => running.close())
  const passed = async (line: string): Promise<void> => {
    const sql = `SELECT body FROM log_lines WHERE body = {line:String}
      UNION ALL SELECT value FROM late_events WHERE JSONExtractString(value, 'body') = {line:String}`
    const found = until(`'${line}' has passed`, async () => (await store.query(sql, { line })).length > 0, PATIENCE)
    await Promise.race([found, running.done])
    await running.close()
  }
  return { log, store, reports, passed }
}

/** A test of the pipelines on every kind of log. */
function onEveryLog(name: string, run: (t: TestContext, parts: Parts, kind: keyof typeof doors) => Promise<void>) {
  for (const kind of ['embedded', 'Kafka'] as const)
    test(`${kind}: ${name}`, async t => {
      const closing: Closing = []
      t.after(async () => {
        for (const close of closing.reverse()) await close()
      })
      const log = await doors[kind](t, closing)
      if (!log) return
      closing.push(() => log.close())
      await run(t, await start(log, closing), kind)
    })
}

/** `in = used + late + dropped + dead`, for each batch. */
function assertAccounts(reports: readonly BatchReport[]): void {
  for (const { pipeline, partition, fates, dead } of reports) {
    const { in: total, used, late, dropped } = fates
    const all = used + late + sum(dropped) + fates.dead
    assert.equal(total, all, `${pipeline}/${partition}: ${JSON.stringify(fates)}`)
    assert.equal(fates.dead, sum(dead), `${pipeline}/${partition}: the dead have reasons`)
  }
}
const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0)

async function read(log: Log, topic: string): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for await (const record of log.read(topic, 0, 0)) records.push(record)
  return records
}

const bodies = async (store: Store): Promise<string[]> =>
  (await store.query<{ body: string }>('SELECT body FROM log_lines FINAL ORDER BY origin_offset, origin_index')).map(
    ({ body }) => body,
  )

interface DeadRow {
  readonly topic: string
  readonly offset: number
  readonly index: number
  readonly reason: string
  readonly detail: string
  readonly value: string
  readonly bytes: number
}

const deadRows = (store: Store): Promise<DeadRow[]> =>
  store.query<DeadRow>(
    `SELECT topic, toUInt32(offset) AS offset, \`index\`, reason, detail, value, toUInt32(value_bytes) AS bytes
     FROM dead_letters FINAL ORDER BY topic, partition, offset, \`index\``,
  )

const record = (value: Buffer | string | null, headers: Record<string, string> = {}): NewRecord => ({
  topic,
  key: null,
  value,
  headers,
})

const now = Date.now()
const long = 'x'.repeat(5_000_000)
const otlp = encodeLogs(
  logsOf('shop', [{ timeUnixNano: `${now}000000`, severityNumber: 9, body: { stringValue: 'cut off' } }]),
)

/** In the order in which they are sent; `reason`: of those that cannot be read. */
const sent: readonly { record: NewRecord; reason?: string; detail?: RegExp }[] = [
  { record: record('a good line at the start') },
  { record: record('{"message":"it begins as JSON"'), reason: 'invalid-json', detail: /JSON/ },
  {
    record: record(otlp.subarray(0, -5), { 'content-type': 'application/x-protobuf' }),
    reason: 'truncated-protobuf',
    detail: new RegExp(`goes on behind the record's ${otlp.length - 5} bytes`),
  },
  { record: record(long), reason: 'too-large', detail: /5000000 bytes.*1000000.*decode\.maxEventBytes/ },
  { record: record('{"message":"x","time":true}'), reason: 'wrong-type', detail: /the time is a boolean/ },
  {
    record: record(JSON.stringify({ message: 'of the future', time: new Date(now + 30 * 86_400_000).toISOString() })),
    reason: 'implausible-time',
    detail: /implausible for a record appended at .*decode\.maxSkew/,
  },
  {
    record: record(Buffer.from([0, 0, 0, 0, 42, 2, 4, 6])),
    reason: 'unknown-schema',
    detail: /schema id 42/,
  },
  {
    record: record('{"message":"one"}\n{"message":\n{"message":"three"}', { 'content-type': 'application/x-ndjson' }),
    reason: 'invalid-json',
  },
  { record: record('a good line at the end') },
]

onEveryLog('what cannot be read is dead with its reason, in order, and the stream goes on', async (_t, parts, kind) => {
  const { log, store, reports, passed } = parts
  // Kafka itself takes no record of 5 MB; whoever sends it is told so, and the others are written.
  const taken = kind === 'Kafka' ? sent.filter(({ record: { value } }) => value !== long) : sent
  if (kind === 'embedded') await log.append(sent.map(({ record }) => record))
  else
    await assert.rejects(log.append(sent.map(({ record }) => record)), (error: SinkError) => {
      assert.ok(error instanceof SinkError && error.reason === 'rejected')
      assert.match(error.message, /topic '.*telemetry\.logs', 50000\d\d bytes: .*max\.message\.bytes/)
      return true
    })
  await passed('a good line at the end')

  const expected = taken.flatMap(({ record, reason, detail = /./ }, offset) =>
    reason === undefined ? [] : [{ record, reason, detail, offset }],
  )
  const rows = await deadRows(store)
  assert.deepEqual(
    rows.map(({ topic, offset, index, reason }) => ({ topic, offset, index, reason })),
    expected.map(({ record, offset, reason }) => ({ topic, offset, index: isLines(record) ? 1 : 0, reason })),
  )
  for (const [at, { record, detail }] of expected.entries()) {
    const value = Buffer.from(record.value!)
    assert.match(rows[at]!.detail, detail)
    assert.equal(rows[at]!.bytes, value.length)
    assert.deepEqual(Buffer.from(rows[at]!.value, 'base64'), value.subarray(0, 65_536))
  }

  const letters = await read(log, dead)
  assert.equal(letters.length, expected.length)
  for (const [at, { record, reason, offset }] of expected.entries()) {
    const { value, headers } = letters[at]!
    const whole = Buffer.from(record.value!)
    assert.deepEqual(value, whole.subarray(0, value!.length))
    assert.ok(value!.length === whole.length || value!.length > 990_000)
    assert.equal(headers['ops-dead-reason'], reason)
    assert.equal(headers['ops-dead-at'], `${topic}/0/${offset}`)
    assert.equal(headers['ops-dead-bytes'], value!.length < whole.length ? String(whole.length) : undefined)
    const parts = JSON.parse(headers['ops-dead-parts']!) as { index: number; reason: string; detail: string }[]
    assert.deepEqual(parts, [{ index: rows[at]!.index, reason, detail: rows[at]!.detail }])
    for (const [name, text] of Object.entries(record.headers ?? {})) assert.equal(headers[name], text)
  }

  assert.deepEqual(await bodies(store), ['a good line at the start', 'one', 'three', 'a good line at the end'])
  assertAccounts(reports)
  const entered = reports.filter(report => report.pipeline === `entry.${topic}`)
  // The record of three lines is three parts.
  assert.equal(
    entered.reduce((total, { fates }) => total + fates.in, 0),
    taken.length + 2,
  )
})

const isLines = ({ headers = {} }: NewRecord): boolean => headers['content-type'] === 'application/x-ndjson'

/** Bytes of all kinds: noise, and good requests with a few bytes changed, under headers that may say anything. */
function* noise(count: number, seed: number): Generator<NewRecord> {
  const random = dice(seed)
  const upTo = (most: number): number => Math.floor(random() * most)
  const pick = <T>(list: readonly T[]): T => list[upTo(list.length)]!
  const bytes = (length: number): Buffer => Buffer.from(Array.from({ length }, () => upTo(256)))
  const good = [otlp, Buffer.from('{"message":"a","level":"info","ts":1764000000}'), Buffer.from('ERROR a line\nand')]
  const types = ['application/x-protobuf', 'application/json', 'application/x-ndjson', 'text/csv', 'text/plain', 'x']
  const names = ['ops-origin', 'ops-offset', 'ops-reference-time', 'ops-previous-time', 'ops-service', 'ops-kind']
  names.push('ops-historical', 'ops-line-bytes', 'ops-metric', 'ops-columns', 'ops-environment', 'ops-v', 'ops-late')
  const texts = ['', '1', '-1', '1e300', 'NaN', '9007199254740993', '0.5', 'mark', 'event', 'time,value', '\u0000', 'ü']
  for (let made = 0; made < count; made++) {
    const headers: Record<string, string> = {}
    if (random() < 0.5) headers['content-type'] = pick(types)
    while (random() < 0.3) headers[pick(names)] = pick(texts)
    const value = random() < 0.5 ? bytes(upTo(120)) : Buffer.from(pick(good))
    for (let changes = upTo(4); changes > 0 && value.length > 0; changes--) value[upTo(value.length)] = upTo(256)
    yield record(random() < 0.01 ? null : value, headers)
  }
}

onEveryLog('thousands of random records crash nothing', async (t, { log, store, reports, passed }) => {
  const seed = Number(process.env.OPS_SEED) || 20_261_122
  const records = [...noise(5_000, seed), record('the last line')]
  await log.append(records)
  await passed('the last line')
  assertAccounts(reports)
  const lines = await bodies(store)
  const rows = await deadRows(store)
  t.diagnostic(`seed ${seed}: ${lines.length} lines, ${rows.length} dead`)
  assert.ok(lines.length > 1_000)
  assert.ok(rows.length > 1_000)
})

onEveryLog('what is well formed and unusual stops nothing', async (_t, { log, store, reports, passed }) => {
  const records = [
    // As JSON again, as which it is passed on, it is longer than Kafka takes a record to be.
    record(`a line of ${'"\\'.repeat(330_000)}`),
    record(`a line of ${'\u0001'.repeat(300_000)}`),
    record(JSON.stringify({ message: 'a name', service: 'n'.repeat(500_000) })),
    // So it is with what is said of its parts, unless less of it is kept.
    record(`{"message":${'x'.repeat(880)}\n`.repeat(1_000), {
      'content-type': 'application/x-ndjson',
      'x-trace': 'y'.repeat(147_000),
    }),
    record('{"message":"half a \\ud800 pair and a \\u0000","service":"a\\udc00"}'),
    record('{"message":"from elsewhere"}', { 'ops-origin': 'elsewhere', 'ops-offset': '-1e300' }),
    record('{"message":"of the far past","time":-8.6e15}', { 'ops-historical': '1' }),
    record('the last line'),
  ]
  await log.append(records)
  await passed('the last line')
  assertAccounts(reports)
  const rows = await deadRows(store)
  const reasons = rows.filter(({ index }) => index === 0).map(({ offset, reason }) => [offset, reason])
  assert.deepEqual(reasons, [
    [0, 'too-large'],
    [1, 'too-large'],
    [2, 'too-large'],
    [3, 'invalid-json'],
  ])
  assert.equal(rows.length, 3 + 1_000)
  const letters = await read(log, dead)
  assert.deepEqual(
    letters.map(({ headers }) => headers['ops-dead-at']),
    [0, 1, 2, 3].map(offset => `${topic}/0/${offset}`),
  )
  assert.deepEqual(
    rows.map(({ offset, value }) => (offset === 3 ? value.length : 0)).filter(length => length > 0),
    [4 * Math.ceil(65_536 / 3)],
    'the record of many parts is kept once',
  )
  assert.equal(letters[3]!.headers['ops-dead-bytes'], String(Buffer.byteLength(records[3]!.value!)))
  assert.deepEqual(await bodies(store), [
    'half a \ufffd pair and a \0',
    'from elsewhere',
    'of the far past',
    'the last line',
  ])
})

onEveryLog(
  'over OTLP, 5 MB of lines become several records; a line of 5 MB is refused where Kafka would',
  async (_t, parts, kind) => {
    const { log, store, reports, passed } = parts
    const receiver = otlpReceiver({ log, topics: entryTopics, port: 0 })
    const address = await receiver.listen()
    const post = (lines: readonly string[]): Promise<Response> => {
      const records = lines.map(stringValue => ({ timeUnixNano: `${Date.now()}000000`, body: { stringValue } }))
      const headers = { 'content-type': 'application/json' }
      return fetch(`${address}/v1/logs`, { method: 'POST', headers, body: JSON.stringify(logsOf('shop', records)) })
    }
    try {
      const many = Array.from({ length: 6 }, (_, at) => `${at} ${'word '.repeat(160_000)}`)
      assert.equal((await post(many)).status, 200)
      const refused = await post([long])
      if (kind === 'embedded') assert.equal(refused.status, 200)
      else {
        assert.equal(refused.status, 400)
        assert.match(await refused.text(), /topic '.*telemetry\.logs', 5000\d\d\d bytes: .*max\.message\.bytes/)
      }
      assert.equal((await post(['the last line'])).status, 200)
      await passed('the last line')
      assertAccounts(reports)
      assert.deepEqual(await bodies(store), [...many, 'the last line'])
      const reasons = (await deadRows(store)).map(({ reason }) => reason)
      assert.deepEqual(reasons, kind === 'embedded' ? ['too-large'] : [])
    } finally {
      await receiver.close()
    }
  },
)
