import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { until } from '../deploy/demo/receiver.fixture.ts'
import type { Incident } from '../operators/signal.ts'
import { graphsOf, loadFiles } from '../pipelines/agent.ts'
import { Config } from '../pipelines/config.ts'
import { openLog, openStore } from '../pipelines/doors.ts'
import { replay } from '../pipelines/replay.ts'
import { replayIncidents } from '../pipelines/replays/incident-replay.ts'
import { recordedUntil } from '../pipelines/replays/recorded.ts'
import { startPipelines } from '../pipelines/running.ts'
import { runsDoors } from '../pipelines/runs.ts'
import { entryTopics, topics } from '../pipelines/topics.ts'
import { migrate } from '../sinks/migrate.ts'
import type { Store } from '../sinks/store.ts'
import { testBroker } from './kit/broker.ts'
import { dice } from './kit/corpus.ts'
import { realClock, recordingLogger } from './kit/log.ts'
import { writtenTables } from './kit/tables.ts'

// What was recorded, run again into tables of its own: the same comes out, and what was recorded stays as it was.

const main = fileURLToPath(new URL('../pipelines/main.ts', import.meta.url))
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OPS_')))
const broker = testBroker()
const logger = recordingLogger()
const start = Date.UTC(2026, 0, 5)
const end = start + 479 * 15_000
const PATIENCE = 30_000

async function freshFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ops-again-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Two hours of a point every 15 s, with a step that lasts half an hour and asks for a runbook. */
function points(): { time: string; value: number }[] {
  const random = dice(7)
  return Array.from({ length: 480 }, (_, at) => {
    const step = at > 240 && at < 360 ? 60 : 0
    return { time: new Date(start + at * 15_000).toISOString(), value: 20 + step + 4 * random() }
  })
}

async function writeInput(folder: string): Promise<{ logs: string[]; metrics: string[] }> {
  const lines = points().map(({ time, value }) => `${time} ${value > 70 ? 'ERROR' : 'INFO'} took ${value}ms`)
  await writeFile(join(folder, 'payments.log'), `${lines.join('\n')}\n`)
  const rows = points().map(({ time, value }) => `${time},payments,${value}`)
  await writeFile(join(folder, 'cpu_usage_percent.csv'), `timestamp,service,value\n${rows.join('\n')}\n`)
  return { logs: [join(folder, '*.log')], metrics: [join(folder, '*.csv')] }
}

const configOf = (folder: string, more: object = {}): Config => Config.parse({ data: join(folder, 'data'), ...more })

/** Every row of every table of a database of the store, checkpoints included if `all`. */
async function rowsOf(config: Config, database?: string, all = false): Promise<Record<string, string[]>> {
  const store = await openStore(config, database)
  try {
    const tables = await writtenTables(store)
    const more = all ? ['checkpoints', 'migrations'].map(table => ({ table, columns: '*' })) : []
    const rows = [...tables, ...more].map(async ({ table, columns }) => {
      const found = await store.query(`SELECT ${all ? '*' : columns} FROM ${table} FINAL`)
      return [table, found.map(row => JSON.stringify(row)).sort()] as const
    })
    return Object.fromEntries(await Promise.all(rows))
  } finally {
    await store.close()
  }
}

/** Where every topic of the log ends. */
async function endsOf(config: Config): Promise<Record<string, readonly number[]>> {
  const log = await openLog(config, { clock: realClock, logger })
  try {
    const names = [...Object.values(entryTopics), ...Object.values(topics), `${entryTopics.logs}.dead`]
    return Object.fromEntries(await Promise.all(names.map(async topic => [topic, await log.ends(topic)] as const)))
  } finally {
    await log.close()
  }
}

const without = (rows: Record<string, string[]>, ...tables: string[]) =>
  Object.fromEntries(Object.entries(rows).filter(([table]) => !tables.includes(table)))

/** Runs everything that was recorded again, twice, and asserts what a replay promises. */
async function assertSame(config: Config): Promise<void> {
  const [rows, ends] = [await rowsOf(config, undefined, true), await endsOf(config)]
  assert.ok(rows.incidents!.length > 0, 'something was recorded')
  for (const into of ['first', 'second']) {
    const result = await replayIncidents(config, { into, fresh: false, logger })
    assert.deepEqual(result.differences, [])
    assert.ok(result.recorded.incidents > 0 && result.recorded.actions > 0, JSON.stringify(result))
    assert.deepEqual(result.replayed, result.recorded)
  }
  // The journal of runs is its executor's, and none ran.
  const own = ['runs', 'run_events']
  const first = await rowsOf(config, 'first')
  assert.deepEqual(first, await rowsOf(config, 'second'))
  assert.deepEqual(without(first, ...own), without(await rowsOf(config), ...own))
  assert.deepEqual(await rowsOf(config, undefined, true), rows, 'the recorded tables are as they were')
  assert.deepEqual(await endsOf(config), ends, 'and so are the topics')
}

test('embedded: the same comes out, and nothing recorded is touched', async t => {
  const folder = await freshFolder(t)
  const input = await writeInput(folder)
  const config = configOf(folder)
  await replay(config, { ...input, logger })
  const groups = await readdir(join(config.data, 'groups'))
  await assertSame(config)
  assert.deepEqual(await readdir(join(config.data, 'groups')), groups)
  assert.deepEqual(await readdir(join(config.data, 'replays')), [])

  // The files themselves, instead of the topics they came in by.
  const files = { ...input, logger }
  const again = await replayIncidents(config, { into: 'from_files', fresh: false, files, logger })
  assert.deepEqual(again.differences, [])
  assert.ok(again.replayed.incidents > 0)

  // A part of the time: only what lies in it is compared.
  const [from, to] = [start + 30 * 60_000, start + 65 * 60_000]
  const part = await replayIncidents(config, { into: 'part', fresh: false, from, to, logger })
  assert.deepEqual(part.differences, [])
  assert.deepEqual([part.from, part.to], [from, to])
  assert.equal(part.recorded.incidents, 1)
  const nothing = await replayIncidents(config, { into: 'part', fresh: true, to: start + 60_000, logger })
  assert.equal(nothing.recorded.incidents, 0)
})

test('the command says what a changed setting would have changed, and ends with 1', async t => {
  const folder = await freshFolder(t)
  const config = configOf(folder)
  await replay(config, { ...(await writeInput(folder)), logger })
  const ops = (...words: string[]): Promise<{ code: number; out: string; notes: string }> =>
    new Promise(resolve => {
      execFile(
        process.execPath,
        [main, 'replay', '--data', config.data, ...words],
        { cwd: folder, env },
        (error, out, notes) => resolve({ code: Number(error?.code ?? 0), out, notes }),
      )
    })
  const same = await ops('--into', 'same')
  assert.equal(same.code, 0, same.notes)
  assert.match(same.out, /No difference\./)
  const wider = await ops('--into', 'wider', '--set', 'detection.window=2m')
  assert.equal(wider.code, 1)
  assert.match(wider.notes, /^ops-agent: \d+ things differ from what was recorded\n$/)
  assert.match(wider.out, / times +fault .* detected 2026-01-05T01:0\d:00Z/)
  assert.match(wider.out, / action +High CPU Usage Response on default\/payments for /)
  const taken = await ops('--into', 'wider')
  assert.deepEqual([taken.code, taken.out], [1, ''])
  assert.match(taken.notes, /--into wider: holds an earlier replay; give --fresh to replace it/)
  assert.equal((await ops('--into', 'wider', '--fresh', '--json')).code, 0)
  assert.match((await ops('--into', 'ops')).notes, /that is where the agent's own tables are/)
  assert.match((await ops('--into', 'a b')).notes, /'a b': is no name/)
  assert.equal((await ops('--from', '2026-01-05')).code, 2)
  assert.equal((await ops('--into', 'x', '--from', '2026-01-06', '--to', '2026-01-05')).code, 2)
})

test('reports of runs that came in while it was live count in the replay as they did then', async t => {
  const folder = await freshFolder(t)
  const detection = { idleAfter: '400ms', outOfOrderness: '400ms' }
  const config = configOf(folder, { checkpoints: { every: '200ms' }, detection })
  const { catalogue } = await loadFiles(config)
  const log = await openLog(config, { clock: realClock, logger })
  const store = await openStore(config)
  try {
    await migrate(store)
    const around = { log, store, clock: realClock, logger, random: Math.random }
    const running = await startPipelines(config, await graphsOf(config), catalogue, around)
    const records = points().map(({ time, value }) => ({
      ...{ topic: entryTopics.metrics, key: null },
      value: JSON.stringify({ time, service: 'payments', metric: 'cpu_usage_percent', value }),
    }))
    await log.append(records.slice(0, 300))
    await running.settled()
    await until('an incident is there', async () => (await latest(store)) !== undefined, PATIENCE)
    const { id, environment } = (await latest(store))!
    const report = (state: 'running' | 'succeeded', offset: number, at: number) =>
      runsDoors(running.delivery, { ...realClock, now: () => at }).report({
        ...{ key: environment, time: at, origin: { stream: 'topic:ops.runs/0', offset, index: 0 } },
        value: {
          ...{ type: 'run', run: 'r1', incident: id, environment, service: 'payments', runbook: 'By hand' },
          ...{ target: `${environment}/payments`, state, summary: state },
        },
      })
    await report('running', 1, start + 300 * 15_000 + 60_000)
    // This one speaks of a time that the pipelines have passed: it came too late then, and must not count now.
    await report('succeeded', 2, start + 280 * 15_000)
    await log.append(records.slice(300))
    await until('the report was heard', async () => ((await latest(store))?.runs.length ?? 0) > 0, PATIENCE)
    // Silence moves time on past the last point, which the replay must come to know from the topics alone.
    const isPast = async () => ((await recordedUntil(log, store)) ?? 0) >= end
    await until('silence has passed the last point', isPast, PATIENCE)
    await running.close()
  } finally {
    await store.close()
    await log.close()
  }
  const result = await replayIncidents(config, { into: 'again', fresh: false, logger })
  assert.deepEqual(result.differences, [])
  assert.ok(result.to >= end, `compared up to ${result.to}`)
  const again = await rowsOf(config, 'again')
  assert.ok(again.incident_events!.some(row => row.includes('By hand') && row.includes('remediating')))
})

async function latest(store: Store): Promise<Incident | undefined> {
  const [row] = await store.query<{ body: string }>('SELECT body FROM incidents FINAL ORDER BY detected_at LIMIT 1')
  return row && (JSON.parse(row.body) as Incident)
}

test('Kafka: the same comes out, and nothing recorded is touched', async t => {
  const kafka = await broker(t)
  if (!kafka) return
  const folder = await freshFolder(t)
  const config = configOf(folder, { log: { in: 'kafka', brokers: [kafka.address], partitions: 3 } })
  await replay(config, { ...(await writeInput(folder)), logger })
  await assertSame(config)
})
