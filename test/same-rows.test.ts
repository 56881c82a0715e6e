import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { testBroker } from './kit/broker.ts'
import { type Corpus, corpus, dice } from './kit/corpus.ts'

// The same pipelines over the same input write the same rows, whatever stands behind the doors.

const run = promisify(execFile)
const main = fileURLToPath(new URL('../pipelines/main.ts', import.meta.url))
const dump = fileURLToPath(new URL('./kit/dump-rows.ts', import.meta.url))
const broker = testBroker()

let folder: string
let input: Corpus
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-same-'))
  input = await corpus(folder)
})
after(() => rm(folder, { recursive: true, force: true }))

interface Told {
  linesIn: number
  samplesIn: number
  rows: Record<string, number>
  dead: number
  late: number
}

const argumentsOf = (data: string, settings: readonly string[]): string[] => [
  ...[main, 'replay', '--data', data, '--logs', input.logs, '--metrics', input.metrics, '--now', '2026-11-22'],
  ...['--json', ...settings.flatMap(setting => ['--set', setting])],
]

async function replay(data: string, ...settings: string[]): Promise<Told> {
  const { stdout } = await run(process.execPath, argumentsOf(data, settings), { maxBuffer: 1e8 })
  return JSON.parse(stdout) as Told
}

/** Kills a replay that long after it began; whether it was still at work then. */
async function killedReplay(data: string, after: number): Promise<boolean> {
  const child = spawn(process.execPath, argumentsOf(data, ['checkpoints.every=200ms']), { stdio: 'ignore' })
  const timer = setTimeout(() => child.kill('SIGKILL'), after)
  const [, signal] = await once(child, 'exit')
  clearTimeout(timer)
  return signal === 'SIGKILL'
}

/** Every row of every table, sorted, as one text a table. */
async function rowsOf(data: string): Promise<Map<string, string[]>> {
  const { stdout } = await run(process.execPath, [dump, join(data, 'clickhouse')], { maxBuffer: 1e9 })
  const tables = new Map<string, string[]>()
  for (const line of stdout.split('\n').filter(Boolean)) {
    const { table, row } = JSON.parse(line) as { table: string; row: object }
    tables.set(table, [...(tables.get(table) ?? []), JSON.stringify(row)])
  }
  for (const rows of tables.values()) rows.sort()
  return tables
}

function assertSame(actual: Map<string, string[]>, expected: Map<string, string[]>): void {
  assert.deepEqual([...actual.keys()], [...expected.keys()])
  for (const [table, rows] of expected) {
    const other = new Set(actual.get(table))
    const missing = rows.filter(row => !other.has(row))
    assert.deepEqual(
      missing.slice(0, 3),
      [],
      `${table}: ${missing.length} of ${rows.length} rows are missing or differ`,
    )
    assert.equal(actual.get(table)?.length, rows.length, `${table}: number of rows`)
  }
}

let reference: Promise<Map<string, string[]>> | undefined
const embedded = (): Promise<Map<string, string[]>> => {
  reference ??= replay(join(folder, 'embedded')).then(() => rowsOf(join(folder, 'embedded')))
  return reference
}

test('a replay counts every line, and a second one adds nothing', async t => {
  await embedded()
  const told = await replay(join(folder, 'embedded'))
  t.diagnostic(`${input.what}: ${JSON.stringify(told)}`)
  assert.equal(told.linesIn, input.lines)
  assert.equal(told.rows.log_lines, input.lines)
  assert.equal(told.samplesIn, 3 * 2 * 480)
  assert.equal(told.dead, 0)
  assert.ok(told.rows.metric_summaries! > 0 && told.rows.anomalies! > 0 && told.rows.incidents! > 0)
  assertSame(await rowsOf(join(folder, 'embedded')), await embedded())
})

test('killed again and again at random instants, and finished at last: the same rows', async t => {
  const expected = await embedded()
  const began = performance.now()
  await replay(join(folder, 'undisturbed'))
  const whole = performance.now() - began
  const data = join(folder, 'killed')
  const random = dice(20_261_122)
  let kills = 0
  for (let attempt = 0; attempt < 6; attempt++) if (await killedReplay(data, whole * (0.15 + 0.6 * random()))) kills++
  await replay(data)
  t.diagnostic(`${kills} of 6 replays were killed at work`)
  assert.ok(kills >= 3)
  assertSame(await rowsOf(data), expected)
})

test('one partition or seven: the same rows', async () => {
  for (const partitions of [1, 7]) {
    const data = join(folder, `partitions-${partitions}`)
    await replay(data, `log.partitions=${partitions}`)
    assertSame(await rowsOf(data), await embedded())
  }
})

test('the embedded log or Kafka: the same rows', async t => {
  const kafka = await broker(t)
  if (!kafka) return
  const data = join(folder, 'kafka')
  await replay(data, 'log.in=kafka', `log.brokers=${kafka.address}`)
  assertSame(await rowsOf(data), await embedded())
})
