import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { z } from 'zod'
import { type Bound, defineOperator, type Event, type Logic } from '../operators/operator.ts'
import { ServiceCatalogue } from '../operators/services.ts'
import { LogLine } from '../operators/signal.ts'
import { tumbling } from '../operators/window.ts'
import { Config } from '../pipelines/config.ts'
import { entry } from '../pipelines/entry.ts'
import { type Graph, pipeline } from '../pipelines/pipeline.ts'
import { startPipelines } from '../pipelines/running.ts'
import { openEmbeddedLog } from '../pipelines/sources/embedded-log.ts'
import type { Log, LogRecord } from '../pipelines/sources/log.ts'
import { topics } from '../pipelines/topics.ts'
import type { Store } from '../sinks/store.ts'
import { realClock, recordingLogger } from './kit/log.ts'
import { freshStore } from './kit/store.ts'

// A record that makes a step throw is set aside after its retries, and nothing else is different for it.

const start = Date.UTC(2026, 0, 5)
const SERVICES = ['shop', 'bank']

/** Counts the lines of a service. It counts before it looks, so that a failure leaves its state half changed. */
const tally = (fails: (line: LogLine) => boolean) =>
  defineOperator({
    name: 'tally',
    summary: 'Counts lines.',
    config: z.strictObject({}),
    examples: [],
    create: () => ({
      init: () => ({ n: 0 }),
      step(state: { n: number }, { value }: Event<LogLine>) {
        state.n++
        if (fails(value)) throw new Error(`the tally stumbles over '${value.body}'`)
        return [state, [{ service: value.service, n: state.n }]] as const
      },
    }),
  })({})

interface Ended {
  readonly service: string
  readonly n: number
  readonly from: number
}

/** What an operator says at the end of ten seconds of a service; it fails on the shop's second. */
function end(service: string, n: number, from: number): Ended {
  if (from === start + 10_000 && service === 'shop') throw new Error('the end stumbles')
  return { service, n, from }
}

const endOfWindow = defineOperator({
  name: 'end',
  summary: 'Says when a window ends.',
  config: z.strictObject({}),
  examples: [],
  create: (): Logic<number, LogLine, Ended> => ({
    init: () => 0,
    step: n => [n + 1, []],
    close: (n, window, key) => [end(key, n, window.start)],
  }),
})

const endByTimer = defineOperator({
  name: 'end',
  summary: 'Says when ten seconds are over.',
  config: z.strictObject({}),
  examples: [],
  create: (): Logic<{ n: number; from: number }, LogLine, Ended> => ({
    init: () => ({ n: 0, from: 0 }),
    step: ({ n, from }, { time }) => [{ n: n + 1, from: n === 0 ? Math.floor(time / 10_000) * 10_000 : from }, []],
    wakeAt: ({ from }) => from + 10_000,
    wake: ({ n, from }, _time, key) => [undefined, [end(key, n, from)]],
  }),
})

const counting = (bound: Bound<unknown, LogLine, unknown>, windows: boolean): Graph =>
  pipeline<LogLine>(
    { name: 'logs', topic: topics.logsByService, schema: LogLine, upstream: ['entry.telemetry.logs'] },
    lines => {
      const by = { key: ({ service }: LogLine) => service, ...(windows ? { window: tumbling('10s') } : {}) }
      lines.through('tally', bound, by).to('log_counts', ({ value }) => {
        const { service, n, from = 0 } = value as { service: string; n: number; from?: number }
        return {
          environment: 'test',
          service,
          pattern: 'p',
          start: windows || from > 0 ? from : start + n,
          end: 0,
          count: n,
        }
      })
    },
  )

/** Sends lines by the pipelines given, twenty a second of event time; what then lies in the tables. */
async function run(t: TestContext, graph: Graph, bodies: readonly string[]) {
  const dataDir = await mkdtemp(join(tmpdir(), 'ops-poison-'))
  const logger = recordingLogger()
  const log = await openEmbeddedLog({ dataDir, clock: realClock, logger })
  const { store, close } = await freshStore()
  t.after(async () => {
    await log.close()
    await close()
    await rm(dataDir, { recursive: true, force: true })
  })
  const config = Config.parse({
    inputs: ['telemetry.logs'],
    detection: { idleAfter: '300ms', outOfOrderness: '100ms' },
    checkpoints: { every: '50ms' },
  })
  const catalogue = ServiceCatalogue.parse({})
  const running = await startPipelines(config, [entry('telemetry.logs'), graph], catalogue, {
    ...{ log, store, clock: realClock, logger, random: Math.random },
  })
  for (let at = 0; at < bodies.length; at += 50) {
    const lines = bodies.slice(at, at + 50).map((body, n) =>
      JSON.stringify({
        timestamp: new Date(start + (at + n) * 50).toISOString(),
        service: SERVICES[(at + n) % 2],
        message: body,
      }),
    )
    await log.append([{ topic: 'telemetry.logs', key: null, value: lines.join('\n') }])
  }
  const last = {
    timestamp: new Date(start + 3_600_000).toISOString(),
    service: 'last',
    message: 'lets go of the others',
  }
  await log.append([{ topic: 'telemetry.logs', key: null, value: JSON.stringify(last) }])
  await Promise.race([running.settled(), running.done])
  await running.close()
  return { store, log, logger }
}

const letters = (store: Store) =>
  store.query<Record<'reason' | 'detail' | 'step' | 'value' | 'origin_stream', string>>(
    'SELECT reason, detail, step, origin_stream, base64Decode(value) AS value FROM dead_letters FINAL',
  )
const counts = (store: Store, service: string) =>
  store.query<{ n: number }>(
    'SELECT toUInt32(count) AS n FROM log_counts FINAL WHERE service = {service:String} ORDER BY start, n',
    { service },
  )
const recordsOf = async (log: Log, topic: string): Promise<LogRecord[]> => {
  const records: LogRecord[] = []
  for await (const record of log.read(topic, 0, 0)) records.push(record)
  return records
}
const upTo = (n: number) => Array.from({ length: n }, (_, index) => ({ n: index + 1 }))
const bodies = (poison: number, n = 400) =>
  Array.from({ length: n }, (_, index) => (index === poison ? 'poison' : `line ${index}`))

test('an event a step throws on is a dead letter with the stack, and the state is as if it had never been', async t => {
  const graph = counting(tally(({ body }) => body === 'poison') as Bound<unknown, LogLine, unknown>, false)
  const { store, log, logger } = await run(t, graph, bodies(250))
  assert.deepEqual(await counts(store, 'shop'), upTo(199))
  assert.deepEqual(await counts(store, 'bank'), upTo(200))
  const [letter, ...others] = await letters(store)
  assert.deepEqual(others, [])
  assert.equal(letter!.reason, 'step-failed')
  assert.equal(letter!.step, 'logs.tally')
  assert.equal(letter!.origin_stream, 'topic:telemetry.logs/0')
  assert.match(letter!.detail, /the tally stumbles over 'poison'\n[\s\S]*at Object\.step .*poison\.test\.ts/)
  assert.equal(JSON.parse(letter!.value).body, 'poison')
  const [record] = await recordsOf(log, `${topics.logsByService}.dead`)
  assert.equal(record!.headers['ops-dead-step'], 'logs.tally')
  assert.equal(JSON.parse(String(record!.value)).body, 'poison')
  const tried = logger.lines.filter(({ message }) => message.includes('trying again'))
  assert.equal(tried.length, 2)
})

test('a failure that passes costs nothing', async t => {
  let failures = 2
  const graph = counting(
    tally(({ body }) => body === 'poison' && failures-- > 0) as Bound<unknown, LogLine, unknown>,
    false,
  )
  const { store } = await run(t, graph, bodies(250))
  assert.deepEqual(await counts(store, 'shop'), upTo(200))
  assert.deepEqual(await letters(store), [])
})

for (const kind of ['window', 'timer'])
  test(`a ${kind} that cannot end is a dead letter with what it held, and the others end`, async t => {
    const bound = (kind === 'window' ? endOfWindow({}) : endByTimer({})) as Bound<unknown, LogLine, unknown>
    const { store } = await run(t, counting(bound, kind === 'window'), bodies(-1, 800))
    const hundred = Array.from({ length: 4 }, () => ({ n: 100 }))
    assert.deepEqual(await counts(store, 'bank'), hundred)
    assert.deepEqual(await counts(store, 'shop'), hundred.slice(1))
    const [letter, ...others] = await letters(store)
    assert.deepEqual(others, [])
    assert.match(letter!.detail, /the end stumbles/)
    assert.match(letter!.value, /100/)
  })
