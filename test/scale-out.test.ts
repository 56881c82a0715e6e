import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import type { Broker } from '../deploy/kafka/broker.ts'
import type { Mark } from '../operators/watermark.ts'
import { loadConfig } from '../pipelines/configuration/load.ts'
import { contextOf } from '../pipelines/running.ts'
import { decodeMark, isMark } from '../pipelines/runtime/marks.ts'
import { replayFiles } from '../pipelines/sources/files.ts'
import { openKafkaLog } from '../pipelines/sources/kafka-log.ts'
import type { Log } from '../pipelines/sources/log.ts'
import { entryTopics, topics } from '../pipelines/topics.ts'
import { openClickhouseStore } from '../sinks/clickhouse-store.ts'
import type { Store } from '../sinks/store.ts'
import { type AgentProcess, startAgentProcess } from './kit/agent.ts'
import { testBroker } from './kit/broker.ts'
import { ClickhouseFront, type Fault } from './kit/clickhouse-front.ts'
import { corpus, dice } from './kit/corpus.ts'
import { eventually } from './kit/eventually.ts'
import { realClock, recordingLogger } from './kit/log.ts'
import { writtenTables } from './kit/tables.ts'

// More processes than one: over a real Kafka, and one store behind the HTTP interface of ClickHouse.

const broker = testBroker()
const partitions = 2
/** The last sample's time; the marks of files that were read to their end are an hour past it. */
const lastAt = Date.UTC(2026, 0, 5, 2)
let folder: string
let front: ClickhouseFront
let metrics: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-scale-'))
  front = await new ClickhouseFront({ path: join(folder, 'clickhouse') }).start()
  metrics = (await corpus(folder)).metrics
  const random = dice(7)
  const lines = Array.from({ length: 600 }, (_, n) => {
    const what = random() < 0.1 ? 'ERROR charge' : 'INFO session'
    return `${new Date(Date.UTC(2026, 0, 5) + n * 10_000).toISOString()} ${what} ${Math.floor(random() * 1e6)} took ${n}ms`
  })
  for (const service of ['gateway', 'payments'])
    await writeFile(join(folder, `${service}.log`), `${lines.join('\n')}\n`)
})
after(async () => {
  await front?.stop()
  await rm(folder, { recursive: true, force: true })
})

/** Topics, tables and groups of their own, for the processes of one test. */
class Place {
  readonly settings: readonly string[]
  readonly log: Log
  readonly store: Store
  readonly #agents: AgentProcess[] = []

  constructor(log: Log, store: Store, settings: readonly string[]) {
    this.log = log
    this.store = store
    this.settings = settings
  }

  static async open(t: TestContext, kafka: Broker, name: string): Promise<Place> {
    const logger = recordingLogger()
    const log = await openKafkaLog({
      ...{ brokers: [kafka.address], clientId: name, prefix: `${name}.` },
      ...{ clock: realClock, logger },
    })
    const store = await openClickhouseStore({ url: front.url, username: 'default', database: name })
    const place = new Place(log, store, [
      ...['log.in=kafka', `log.brokers=${kafka.address}`, `log.prefix=${name}.`, `log.group=${name}`],
      ...[`log.partitions=${partitions}`, 'log.sessionTimeout=6s', 'runbooks.builtin=false'],
      ...['store.in=clickhouse', `store.url=${front.url}`, `store.database=${name}`, 'checkpoints.every=500ms'],
    ])
    t.after(async () => {
      for (const agent of place.#agents) await agent.kill()
      await log.close()
      await store.close()
    })
    return place
  }

  async start(...words: string[]): Promise<AgentProcess> {
    const agent = await startAgentProcess(folder, this.settings, words)
    this.#agents.push(agent)
    return agent
  }

  /** The newest mark of each stream that publishes to a topic. */
  async #marks(topic: string): Promise<Mark[]> {
    const marks = new Map<string, Mark>()
    for (let partition = 0; partition < partitions; partition++)
      for await (const record of this.log.read(topic, partition, 0)) {
        const read = isMark(record) ? decodeMark(record) : undefined
        if (read && 'mark' in read) marks.set(read.mark.stream, read.mark)
      }
    return [...marks.values()]
  }

  /** Resolves when all that anomalies come from has told whether it is idle, and is, or is not. */
  async #until(idle: boolean): Promise<void> {
    await eventually(async () => {
      const marks = await this.#marks(topics.anomalies)
      assert.deepEqual(
        marks.map(mark => mark.idle),
        Array(2 * partitions).fill(idle),
        JSON.stringify(marks),
      )
    }, 30_000)
  }

  /** Resolves when all that was sent has gone all its way, rows aside that are written at the end. */
  async #worked(): Promise<void> {
    await this.#until(true)
    await eventually(async () => {
      const marks = await this.#marks(topics.incidents)
      assert.equal(marks.length, partitions)
      for (const { idle, time } of marks) assert.ok(idle && time !== null && time > lastAt, JSON.stringify(marks))
    }, 30_000)
  }

  /** Sends the files as `replay` does, all announced before any is read on; resolves when they have been worked through. */
  async send(): Promise<void> {
    await this.#until(true)
    const context = contextOf(loadConfig({ env: {}, cwd: folder }), { services: {} })
    let left = 2
    const heard = Promise.withResolvers<void>()
    const onAnnounced = (): Promise<void> => {
      if (--left === 0) this.#until(false).then(heard.resolve, heard.reject)
      return heard.promise
    }
    const common = { log: this.log, partition: 0, context, clock: realClock, onAnnounced, environment: 'default' }
    await Promise.all([
      replayFiles({ ...common, topic: entryTopics.logs, kind: 'logs', globs: [join(folder, '*.log')] }),
      replayFiles({ ...common, topic: entryTopics.metrics, kind: 'metrics', globs: [metrics] }),
    ])
    await this.#worked()
  }

  /** Every row of every table, sorted. */
  async rows(): Promise<Record<string, string[]>> {
    const rows: Record<string, string[]> = {}
    for (const { table, columns } of await writtenTables(this.store))
      rows[table] = (await this.store.query(`SELECT ${columns} FROM ${table} FINAL`))
        .map(row => JSON.stringify(row))
        .sort()
    return rows
  }
}

const ready = async ({ api }: AgentProcess): Promise<string[]> => {
  const answer = (await (await fetch(`${api}/ready`)).json()) as { ready: boolean; parts: object }
  assert.ok(answer.ready, JSON.stringify(answer))
  return Object.keys(answer.parts)
}
const doors = ['log', 'store', 'cache', 'ops.controls']

test('two processes with a part of the pipelines each write the rows that one with all of them writes', async t => {
  const kafka = await broker(t)
  if (!kafka) return
  const whole = await Place.open(t, kafka, 'whole')
  const one = await whole.start()
  await whole.send()
  assert.equal(await one.stop(), 0)
  const expected = await whole.rows()
  assert.equal(expected.log_lines?.length, 1_200)
  assert.ok(expected.incidents!.length > 0 && expected.anomalies!.length > 0)

  const split = await Place.open(t, kafka, 'split')
  const first = await split.start('--pipelines', 'entry,logs')
  const second = await split.start('--pipelines', 'metrics,incidents,response,controls,runs')
  assert.deepEqual(await ready(first), [...doors, 'entry.telemetry.logs', 'entry.telemetry.metrics', 'logs'])
  assert.deepEqual(await ready(second), [...doors, 'metrics', 'incidents', 'controls', 'response', 'runs'])
  await split.send()
  assert.deepEqual([await first.stop(), await second.stop()], [0, 0])
  const rows = await split.rows()
  assert.deepEqual(Object.keys(rows), Object.keys(expected))
  for (const [table, wanted] of Object.entries(expected)) {
    const missing = wanted.filter(row => !rows[table]!.includes(row))
    assert.deepEqual(
      missing.slice(0, 3),
      [],
      `${table}: ${missing.length} of ${wanted.length} rows are missing or differ`,
    )
    assert.equal(rows[table]!.length, wanted.length, `${table}: number of rows`)
  }
})

/** The process of a worker, the newest if it was started again. */
function workerOf({ log }: AgentProcess, index: number): number {
  const line = log.findLast(text => text.includes(`"msg":"worker ${index} started"`))
  assert.ok(line, log.join('\n'))
  return (JSON.parse(line) as { pid: number }).pid
}

/** Whether a process runs; one that has ended and that nobody has asked about yet does not. */
const runs = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Sends lines as fast as they are taken, until `stop`. */
function load(log: Log): { stop(): Promise<void> } {
  let stopped = false
  const sending = (async () => {
    for (let n = 0; !stopped; n++) {
      const value = JSON.stringify({
        timestamp: new Date().toISOString(),
        service: `s${n % 7}`,
        message: `request ${n} done`,
      })
      await log.append(Array.from({ length: 200 }, () => ({ topic: entryTopics.logs, key: null, value })))
    }
  })()
  return {
    async stop() {
      stopped = true
      await sending
    },
  }
}

/** Lines that each worker has used, by what the first process tells of all. */
async function usedBy({ api }: AgentProcess, worker: number): Promise<number> {
  const text = await (await fetch(`${api}/metrics`)).text()
  const line = new RegExp(`^opsagent_events_total\\{pipeline="logs",fate="used",worker="${worker}"\\} (\\d+)$`, 'm')
  return Number(line.exec(text)?.[1] ?? 0)
}

const bothWork = (agent: AgentProcess): Promise<void> =>
  eventually(async () => {
    for (const worker of [1, 2]) assert.ok((await usedBy(agent, worker)) > 0, `worker ${worker}`)
  }, 30_000)

const seconds = async <T>(work: Promise<T>): Promise<[T, number]> => {
  const began = performance.now()
  return [await work, (performance.now() - began) / 1_000]
}

test('workers share the work; one that dies is started again, and under load all end with the first', async t => {
  const kafka = await broker(t)
  if (!kafka) return
  const place = await Place.open(t, kafka, 'workers')
  const agent = await place.start('--workers', '2')
  const sending = load(place.log)
  t.after(() => sending.stop())
  await bothWork(agent)
  const died = workerOf(agent, 2)
  process.kill(died, 'SIGKILL')
  await eventually(async () => assert.notEqual(workerOf(agent, 2), died), 10_000)
  assert.ok(agent.log.some(line => line.includes('worker 2 was ended by SIGKILL; it is started again in 1s')))
  await bothWork(agent)
  const again = workerOf(agent, 2)
  const [code, took] = await seconds(agent.stop())
  assert.ok(took < 10, `it took ${took} s to end`)
  assert.equal(code, 0, agent.log.slice(-5).join('\n'))
  assert.ok(!runs(again))
  await sending.stop()
})

test('a first process that is killed leaves no worker behind', async t => {
  const kafka = await broker(t)
  if (!kafka) return
  const agent = await (await Place.open(t, kafka, 'orphans')).start('--workers', '3', '--pipelines', 'entry')
  const workers = [2, 3].map(index => workerOf(agent, index))
  assert.ok(workers.every(runs))
  await agent.kill()
  await eventually(async () => assert.ok(!workers.some(runs)), 10_000)
})

test('with a store that does not answer, under load, SIGTERM still ends all within ten seconds, and says what was given up', async t => {
  const kafka = await broker(t)
  if (!kafka) return
  const place = await Place.open(t, kafka, 'away')
  const agent = await place.start('--workers', '2')
  const sending = load(place.log)
  t.after(() => sending.stop())
  await bothWork(agent)
  front.fail(...Array<Fault>(1_000).fill({ kind: 'silent' }))
  await eventually(async () => assert.ok(front.unanswered > 0))
  const worker = workerOf(agent, 2)
  const [code, took] = await seconds(agent.stop())
  assert.ok(took < 10, `it took ${took} s to end`)
  assert.equal(code, 1)
  const said = agent.log.join('\n')
  assert.match(said, /^ops-agent: stopping: a server did not take what was read in time/m)
  assert.match(said, /"msg":"worker 2 ended with 1"/)
  assert.ok(!runs(worker))
  await sending.stop()
})
