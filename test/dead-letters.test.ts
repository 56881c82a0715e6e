import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { until } from '../deploy/demo/receiver.fixture.ts'
import { ServiceCatalogue } from '../operators/services.ts'
import { Config } from '../pipelines/config.ts'
import { replayDead } from '../pipelines/dead-replay.ts'
import { buildGraphs } from '../pipelines/graphs.ts'
import { type Running, startPipelines } from '../pipelines/running.ts'
import { type FailedEvent, failedRecord, failedRow } from '../pipelines/runtime/dead-records.ts'
import { openEmbeddedLog } from '../pipelines/sources/embedded-log.ts'
import { openKafkaLog } from '../pipelines/sources/kafka-log.ts'
import type { Log, LogRecord } from '../pipelines/sources/log.ts'
import { entryTopics, topics } from '../pipelines/topics.ts'
import { buildApi } from '../sinks/api.ts'
import type { DeadReplayed } from '../sinks/dead-letter-routes.ts'
import type { DeadPart, DeadSummary } from '../sinks/dead-letters.ts'
import type { Store } from '../sinks/store.ts'
import { startAgentProcess } from './kit/agent.ts'
import { testBroker } from './kit/broker.ts'
import { realClock, recordingLogger } from './kit/log.ts'
import { freshStore } from './kit/store.ts'

// What could not be read is looked at through the API, and sent in again after the fix.

const main = fileURLToPath(new URL('../pipelines/main.ts', import.meta.url))
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OPS_')))
const broker = testBroker()
const topic = entryTopics.logs
const PATIENCE = 30_000
const start = Date.UTC(2026, 10, 22, 10)
let prefixes = 0

/** What is to be closed after a test, last first. */
type Closing = (() => Promise<unknown>)[]
function closingAfter(t: TestContext): Closing {
  const closing: Closing = []
  t.after(async () => {
    for (const close of closing.reverse()) await close()
  })
  return closing
}

const doors = {
  embedded: async (_t: TestContext, closing: Closing): Promise<Log> => {
    const dataDir = await mkdtemp(join(tmpdir(), 'ops-dead-'))
    closing.push(() => rm(dataDir, { recursive: true, force: true }))
    return openEmbeddedLog({ dataDir, clock: realClock, logger: recordingLogger() })
  },
  Kafka: async (t: TestContext): Promise<Log | undefined> => {
    const running = await broker(t)
    const around = { clientId: 'test', clock: realClock, logger: recordingLogger(), sessionTimeout: 6_000 }
    return running && openKafkaLog({ brokers: [running.address], prefix: `dead-${prefixes++}.`, ...around })
  },
} as const

/** The pipelines with this limit of an event's bytes. */
async function run(log: Log, store: Store, maxEventBytes: number): Promise<Running> {
  const config = Config.parse({
    log: { in: 'embedded', partitions: 1 },
    decode: { maxEventBytes },
    detection: { idleAfter: '400ms', outOfOrderness: '400ms' },
    checkpoints: { every: '200ms' },
  })
  const catalogue = ServiceCatalogue.parse({})
  const around = { log, store, clock: realClock, logger: recordingLogger(), random: Math.random }
  return startPipelines(config, buildGraphs(config, catalogue, []), catalogue, around)
}

/** A record of lines as JSON, one of which is too long. */
const record = (first: number) =>
  JSON.stringify(
    Array.from({ length: 3 }, (_, at) => ({
      time: new Date(start + (first + at) * 1_000).toISOString(),
      service: 'checkout',
      message: `line ${first + at}${at === 1 ? ` ${'x'.repeat(3_000)}` : ''}`,
    })),
  )

const linesOf = (store: Store) =>
  store.query<{ line: string; origin: string }>(
    `SELECT substring(body, 1, 7) AS line, concat(splitByChar('#', origin_stream)[1], ' ', toString(origin_offset), ' ', toString(origin_index)) AS origin
     FROM log_lines FINAL ORDER BY origin_offset, origin_index`,
  )

async function reading(log: Log, topic: string): Promise<LogRecord[]> {
  const records: LogRecord[] = []
  for await (const record of log.read(topic, 0, 0)) records.push(record)
  return records
}

for (const kind of ['embedded', 'Kafka'] as const)
  test(`${kind}: a part that was too long comes in again after the fix, and nothing else of its record does`, async t => {
    const closing = closingAfter(t)
    const log = await doors[kind](t, closing)
    if (!log) return
    closing.push(() => log.close())
    const { store, close } = await freshStore()
    closing.push(close)
    // Before anybody reads them, so that they are the first of their partition: its reader writes marks there too.
    await log.ensure([{ topic, partitions: 1 }])
    await log.append([
      { topic, key: 'k', value: record(0), headers: { 'x-team': 'shop\u001b' } },
      { topic, key: null, value: '{"message":', headers: { 'content-type': 'application/json' } },
      { topic, key: null, value: record(10) },
    ])
    const before = await run(log, store, 2_000)
    closing.push(() => before.close())
    await until('all rows are there', async () => (await linesOf(store)).length === 4, PATIENCE)
    await until(
      'so are the dead',
      async () => (await store.query('SELECT 1 FROM dead_letters FINAL')).length === 3,
      PATIENCE,
    )
    await before.close()

    const app = await buildApi({
      store,
      version: 'test',
      checkAnswers: true,
      hooks: { replayDead: request => replayDead({ log, store, clock: realClock }, request) },
    })
    closing.push(() => app.close())
    const get = async <T>(url: string): Promise<T> => (await app.inject({ url })).json()
    const post = async (payload: object) =>
      app.inject({ method: 'POST', url: '/v1/dead-letters/replay', payload: { ...payload } })
    const listed = await get<{ counts: object[]; letters: DeadSummary[] }>('/v1/dead-letters')
    assert.deepEqual(listed.counts, [
      { topic, reason: 'too-large', letters: 2, replayed: 0 },
      { topic, reason: 'invalid-json', letters: 1, replayed: 0 },
    ])
    const { parts } = await get<{ parts: DeadPart[] }>(`/v1/dead-letters/${topic}/0/0`)
    assert.equal(Buffer.from(parts[0]!.value, 'base64').toString(), record(0))
    assert.deepEqual(parts[0]!.headers, { 'x-team': 'shop\u001b' })
    assert.deepEqual(
      parts.map(({ index, reason }) => [index, reason]),
      [[1, 'too-large']],
    )

    const ends = await log.ends(topic)
    const tried = (await post({ reason: 'too-large', dryRun: true })).json() as DeadReplayed
    assert.deepEqual(tried, { dryRun: true, letters: 2, records: 2, refused: [] })
    assert.deepEqual(await log.ends(topic), ends)

    const after = await run(log, store, 1_000_000)
    closing.push(() => after.close())
    assert.equal(((await post({ reason: 'too-large' })).json() as DeadReplayed).letters, 2)
    assert.equal(((await post({ reason: 'too-large' })).json() as DeadReplayed).letters, 0)
    assert.equal((await post({ topic, partition: 0, offset: 0 })).statusCode, 409)
    assert.equal((await post({ topic, partition: 0, offset: 77 })).statusCode, 404)
    await until('the two lines are there', async () => (await linesOf(store)).length === 6, PATIENCE)
    // They are who they would have been, by the place where they first came.
    assert.deepEqual(
      (await linesOf(store)).map(({ line, origin }) => [line.trim(), origin]),
      [
        ...[0, 1, 2].map(at => [`line ${at}`, `topic:${topic}/0 0 ${at}`]),
        ...[10, 11, 12].map(at => [`line ${at}`, `topic:${topic}/0 2 ${at - 10}`]),
      ],
    )
    const [again] = (await reading(log, topic)).filter(({ headers }) => headers['ops-replay-of'] === `${topic}/0/0`)
    assert.equal(again?.key, 'k')
    assert.deepEqual(again?.headers['x-team'], 'shop\u001b')
    assert.deepEqual(
      Object.keys(again?.headers ?? {}).filter(name => name.startsWith('ops-dead')),
      [],
    )

    // What fails again is a dead letter of its own, which says what it was.
    assert.equal(((await post({ topic, partition: 0, offset: 1 })).json() as DeadReplayed).letters, 1)
    const failed = async () =>
      (await get<{ letters: DeadSummary[] }>('/v1/dead-letters')).letters.filter(({ replayOf }) => replayOf !== '')
    await until('it failed again', async () => (await failed()).length === 1, PATIENCE)
    assert.deepEqual(
      (await failed()).map(({ replayOf, replayedAt, reason }) => [replayOf, replayedAt, reason]),
      [[`${topic}/0/1`, null, 'invalid-json']],
    )
  })

test('the command line lists, shows and sends in again, beside a running agent and without one', async t => {
  const closing = closingAfter(t)
  const data = await mkdtemp(join(tmpdir(), 'ops-dead-cli-'))
  closing.push(() => rm(data, { recursive: true, force: true }))
  const ops = (...words: string[]): Promise<{ code: number; out: string; notes: string }> =>
    new Promise(resolve => {
      const all = [main, 'dead', ...words, '--data', data]
      execFile(process.execPath, all, { cwd: data, env }, (error, out, notes) =>
        resolve({ code: Number(error?.code ?? 0), out, notes }),
      )
    })
  const log = await openEmbeddedLog({ dataDir: data, clock: realClock, logger: recordingLogger() })
  await log.ensure([{ topic, partitions: 1 }])
  const headers = { 'content-type': 'application/json', 'x-\u001b[2J': '\u001b]0;owned\u0007' }
  await log.append([{ topic, key: null, value: '{"message": "\u001b[31mred', headers }])
  await log.close()
  const agent = await startAgentProcess(data, ['checkpoints.every=200ms'])
  closing.push(() => agent.stop())
  await until('it is dead', async () => (await ops('list')).out.includes('invalid-json'), PATIENCE)
  const shown = await ops('show', `${topic}/0/0`)
  assert.match(shown.out, /^telemetry\.logs\/0\/0\/0, taken by the log at 20.*, 21 bytes\n/)
  assert.match(shown.out, /x-\\u001b\[2J: \\u001b\]0;owned\\u0007/)
  assert.match(shown.out, /\{"message": "\\u001b\[31mred\n$/)
  assert.equal((await ops('replay', '--all', '--dry-run')).out, 'would send in again 1 dead letter of 1 record\n')
  assert.equal((await ops('replay', `${topic}/0/0`)).out, 'sent in again 1 dead letter of 1 record\n')
  const again = async () => (await ops('list')).out.includes(`failed again, was ${topic}/0/0`)
  await until('it failed again', again, PATIENCE)
  const twice = await ops('replay', `${topic}/0/0`)
  assert.equal(twice.code, 1)
  assert.match(twice.notes, /^ops-agent: dead letter 'telemetry\.logs\/0\/0' was sent in again at .*\n$/)
  assert.equal(await agent.stop(), 0)

  assert.equal((await ops('replay', '--reason', 'invalid-json')).out, 'sent in again 1 dead letter of 1 record\n')
  const listed = JSON.parse((await ops('list', '--json')).out) as { counts: object[] }
  assert.deepEqual(listed.counts, [{ topic, reason: 'invalid-json', letters: 2, replayed: 2 }])
  assert.match((await ops('show', `${topic}/0/99`)).notes, /^ops-agent: no dead letter 'telemetry\.logs\/0\/99'.*\n$/)
  const unclear = await ops('replay')
  assert.deepEqual([unclear.code, unclear.out], [2, ''])
  assert.match((await ops('replay', 'nowhere')).notes, /'nowhere' is no place; write TOPIC\/PARTITION\/OFFSET/)
})

test('an event of a step comes in again if it is one of its topic, and else is refused with what to do', async t => {
  const closing = closingAfter(t)
  const log = await doors.embedded(t, closing)
  closing.push(() => log.close())
  const { store, close } = await freshStore()
  closing.push(close)
  await log.ensure([topics.logsByService, `${topics.logsByService}.dead`].map(topic => ({ topic, partitions: 1 })))
  const value = { type: 'log', environment: 'e', service: 's', severity: 9, body: 'hello', attributes: {} }
  const failed = (offset: number, step: string, value: unknown): FailedEvent => ({
    ...{ topic: topics.logsByService, partition: 0, step, error: new Error('bad') },
    event: { key: 'e/s', time: start, origin: { stream: `topic:${topic}/0`, offset, index: 0 }, value },
  })
  const events = [failed(4, 'logs.cluster', value), failed(5, 'logs.score', { pattern: 'x' })]
  await store.insert('dead_letters', events.map(failedRow))
  await log.append(events.map(failedRecord))
  const request = { filter: { reason: 'step-failed' }, dryRun: false, limit: 10 }
  const { letters, refused } = await replayDead({ log, store, clock: realClock }, request)
  assert.equal(letters, 1)
  assert.deepEqual(
    refused.map(({ at, why }) => [at, why.split(';')[0]]),
    [[`${topics.logsByService}/0/5`, "step 'logs.score' failed on what an earlier step had made of an event"]],
  )
  const [again] = await reading(log, topics.logsByService)
  assert.deepEqual(JSON.parse(String(again?.value)), value)
  assert.equal(again?.headers['ops-replay-of'], `${topics.logsByService}/0/4`)
  assert.equal((await replayDead({ log, store, clock: realClock }, request)).letters, 0)
})

test('a record that was cut, or is in the topic of dead letters no more, is refused with the reason', async t => {
  const closing = closingAfter(t)
  const log = await doors.embedded(t, closing)
  closing.push(() => log.close())
  const { store, close } = await freshStore()
  closing.push(close)
  await log.ensure([topic, `${topic}.dead`].map(topic => ({ topic, partitions: 1 })))
  const row = (offset: number) => ({
    ...{ step: '', origin_stream: '' },
    ...{ topic, partition: 0, offset, index: 0, reason: 'undecodable', detail: 'no', value: '', value_bytes: 9 },
    ...{ headers: {}, appended_at: start + offset },
  })
  await store.insert('dead_letters', [row(1), row(2)])
  const headers = { 'ops-dead-at': `${topic}/0/1`, 'ops-dead-bytes': '1048000', 'ops-dead-parts': '[]' }
  await log.append([{ topic: `${topic}.dead`, key: null, value: 'x', headers }])
  const request = { filter: {}, dryRun: false, limit: 10 }
  const { letters, refused } = await replayDead({ log, store, clock: realClock }, request)
  assert.equal(letters, 0)
  assert.deepEqual(
    refused.map(({ at }) => at),
    [`${topic}/0/1`, `${topic}/0/2`],
  )
  assert.match(refused[0]!.why, /of its 1048000 bytes only the first were kept/)
  assert.match(refused[1]!.why, /retention has removed it/)
  assert.deepEqual(await log.ends(topic), [0])
})
