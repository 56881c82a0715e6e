import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openEmbeddedLog } from '../../pipelines/sources/embedded-log.ts'
import { dice } from '../kit/corpus.ts'
import { realClock, recordingLogger } from '../kit/log.ts'
import { logsOf } from '../otlp-messages.ts'
import { ChaosAgent } from './kit/agents.ts'
import { seed } from './kit/seed.ts'

// The whole agent in one process, its log and store files in one folder, is killed again and again while lines come in.
// What it acknowledged is there, each line once; and the rows are those that an agent nobody disturbed makes of the same
// log.

const KILLS = Number(process.env.CHAOS_KILLS ?? 10)
const PARTITIONS = 3
const run = promisify(execFile)
const program = (name: string): string => fileURLToPath(new URL(`../kit/${name}`, import.meta.url))

const SETTINGS = [
  ...[`log.partitions=${PARTITIONS}`, 'detection.idleAfter=1h', 'checkpoints.every=500ms', 'runbooks.builtin=false'],
  ...['http.enabled=false', 'otlp.port=0'],
]
const TOPICS = ['telemetry.logs', 'telemetry.metrics']
const START = Date.UTC(2026, 0, 5)

/** Sends lines one request at a time, in the order of their time, a second apart. */
class Sender {
  readonly acknowledged: string[] = []
  readonly sent = new Set<string>()
  #at = 0

  /** Sends until the agent does not answer any more. */
  async untilItFails(otlp: string): Promise<void> {
    while (await this.send(otlp, START + this.#at * 1_000));
  }

  /** Twenty lines in one request; whether they were acknowledged. */
  async send(otlp: string, time: number): Promise<boolean> {
    const bodies = Array.from({ length: 20 }, (_, n) => `request r${this.#at}x${n} took ${(7 * n + this.#at) % 90} ms`)
    this.#at++
    for (const body of bodies) this.sent.add(body)
    const records = bodies.map(body => ({
      timeUnixNano: `${time}000000`,
      severityNumber: 9,
      body: { stringValue: body },
    }))
    const body = JSON.stringify(logsOf(`service-${this.#at % 5}`, records))
    try {
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${otlp}/v1/logs`, { method: 'POST', headers, body })
      if (answer.status === 200) this.acknowledged.push(...bodies)
      return answer.status === 200
    } catch {
      return false
    }
  }

  get next(): number {
    return START + this.#at * 1_000
  }
}

async function otlpOf(agent: ChaosAgent): Promise<string> {
  await agent.running()
  const line = (await agent.log()).find(line => line.includes('"msg":"running"'))
  return (JSON.parse(line!) as { otlp: string }).otlp
}

async function rowsOf(data: string): Promise<Map<string, string[]>> {
  const { stdout } = await run(process.execPath, [program('dump-rows.ts'), join(data, 'clickhouse')], {
    maxBuffer: 1e9,
  })
  const lines = stdout.split('\n').filter(Boolean)
  const rows = lines.map(line => JSON.parse(line) as { table: string; row: object })
  const tables = Map.groupBy(rows, ({ table }) => table)
  return new Map([...tables].map(([table, all]) => [table, all.map(({ row }) => JSON.stringify(row)).sort()]))
}

/** A line and a sample for every partition, written into the log of a folder that nobody holds. */
async function everywhere(dataDir: string, time: number): Promise<void> {
  const log = await openEmbeddedLog({ dataDir, clock: realClock, logger: recordingLogger() })
  const timestamp = new Date(time).toISOString()
  await log.ensure(TOPICS.map(topic => ({ topic, partitions: PARTITIONS })))
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const line = JSON.stringify({ timestamp, service: 'clock', message: `partition ${partition}` })
    const sample = JSON.stringify({ timestamp, service: 'clock', metric: 'drift', value: partition })
    await log.append([
      { topic: 'telemetry.logs', key: null, partition, value: line },
      { topic: 'telemetry.metrics', key: null, partition, value: sample },
    ])
  }
  await log.close()
}

test(`embedded, ${KILLS} times kill -9 while lines come in: none acknowledged is lost, and the rows of an undisturbed run`, async t => {
  const folder = await mkdtemp(join(tmpdir(), 'ops-chaos-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const random = dice(seed)
  const sender = new Sender()
  const killed = join(folder, 'killed')
  await mkdir(killed)
  await everywhere(killed, START)
  console.log(`seed ${seed}`)
  let unfinished = 0
  for (let kill = 0; kill < KILLS; kill++) {
    const agent = await ChaosAgent.start(`life-${kill}`, folder, SETTINGS, killed)
    const sending = sender.untilItFails(await otlpOf(agent))
    await wait(200 + random() * 2_500)
    if ((await agent.kill()).length > 0) unfinished++
    await sending
  }
  await everywhere(killed, sender.next + 12 * 3_600_000)

  const undisturbed = join(folder, 'undisturbed')
  for (const topic of TOPICS)
    await cp(join(killed, 'topics', topic), join(undisturbed, 'topics', topic), { recursive: true })
  for (const data of [killed, undisturbed]) await run(process.execPath, [program('settle.ts'), data, `${PARTITIONS}`])
  const [rows, expected] = [await rowsOf(killed), await rowsOf(undisturbed)]
  const counts = [...rows].map(([table, all]) => `${all.length} ${table}`)
  console.log(`${KILLS} kills, ${unfinished} in the middle of a batch; rows: ${counts.join(', ')}`)
  assert.ok(unfinished > KILLS / 3, 'most kills met nothing')

  const bodies = rows.get('log_lines')!.map(row => (JSON.parse(row) as { body: string }).body)
  const found = new Set(bodies)
  assert.equal(found.size, bodies.length, 'a line is there twice')
  assert.deepEqual(sender.acknowledged.filter(body => !found.has(body)).slice(0, 5), [])
  assert.deepEqual(
    bodies.filter(body => !sender.sent.has(body) && !body.startsWith('partition')),
    [],
  )
  assert.deepEqual([...rows.keys()].sort(), [...expected.keys()].sort())
  for (const [table, all] of expected) assert.deepEqual(rows.get(table), all, table)
})
