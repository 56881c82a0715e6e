import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Redis } from 'ioredis'
import type { NewRecord } from '../../pipelines/sources/log.ts'
import { SinkError } from '../../sinks/store.ts'
import { eventually } from '../kit/eventually.ts'
import { startRedis } from '../kit/redis.ts'
import type { ChaosAgent } from './kit/agents.ts'
import { Gate } from './kit/gate.ts'
import { PARTITIONS, Scene } from './kit/scene.ts'
import { seed } from './kit/seed.ts'
import { telemetry } from './kit/telemetry.ts'

// Each door of an agent under load is shut in turn, and opened again. The agent must say which door it is, take no more
// memory while it waits, go on by itself soon after the door is open, and write in the end what a run without any trouble
// writes.

const EVENTS = Number(process.env.CHAOS_EVENTS ?? 150_000)
const RECOVERY = 15_000
const SAMPLED = 250
/** How long the input is spread over, in milliseconds: longer than all outages together. */
const LOAD = 240_000

test('Kafka, ClickHouse and Redis are away in turn: the rows of an undisturbed run', async t => {
  const scene = await Scene.open()
  t.after(() => scene.close())
  const input = telemetry({ seed, events: EVENTS, partitions: PARTITIONS })
  const gate = await Gate.before(scene.front.url)
  t.after(() => gate.shut())
  let redis = await startRedis()
  t.after(() => redis.stop())
  const [first, ...rest] = input.stretches
  await scene.log.append(first!)

  const own = [`store.url=${gate.url}`, 'cache.in=redis', `cache.url=${redis.url}`, 'http.enabled=true', 'http.port=0']
  const disturbed = scene.installation('disturbed', own)
  const agent = await disturbed.start()
  await agent.running()
  const observed = new Observed(agent, await apiOf(agent))
  t.after(() => observed.stop())
  const load = produce(scene, rest)
  await observed.isWell()
  await wait(30_000)
  const steady = observed.highest
  scene.tell(`steady: ${steady} MB`)

  const outage = async (
    what: string,
    door: string,
    lasts: number,
    shut: () => Promise<unknown>,
    open: () => Promise<unknown>,
  ) => {
    await shut()
    scene.tell(`${what}: away for ${lasts / 1_000} s`)
    await eventually(() => observed.isShut(door), 20_000)
    await wait(lasts)
    const part = await observed.isShut(door)
    assert.ok(part.since! <= Date.now() - lasts + 20_000, `${door}: since ${part.since}`)
    const before = await observed.count()
    await open()
    const opened = performance.now()
    await eventually(async () => {
      await observed.isWell(door)
      assert.ok((await observed.count()) > before, 'no event has been used since')
    }, RECOVERY)
    scene.tell(
      `${what}: back, and at work after ${Math.round(performance.now() - opened)} ms; ${observed.highest} MB at most`,
    )
  }
  await outage(
    'Kafka',
    'log',
    30_000,
    () => scene.broker.kill(),
    () => scene.broker.restart(),
  )
  await outage(
    'ClickHouse',
    'store',
    60_000,
    () => gate.shut(),
    () => gate.open(),
  )
  await outage(
    'ClickHouse (silent)',
    'store',
    20_000,
    async () => gate.silence(),
    () => gate.open(),
  )

  const cache = new Redis(redis.url)
  await cache.flushall()
  cache.disconnect()
  const { port } = redis
  const away = async () => {
    await redis.stop()
    assert.equal((await observed.ready()).status, 200, 'nobody needs the cache')
  }
  await outage('Redis', 'cache', 10_000, away, async () => {
    redis = await startRedis([], port)
  })

  await load
  await scene.log.append(input.end)
  await disturbed.drained(120_000)
  scene.tell(`all is read; ${observed.highest} MB at most, ${steady} MB before the outages`)
  observed.stop()
  const { code } = await agent.stop()
  assert.equal(code, 0)
  assert.ok(observed.highest <= 1.5 * steady, `${observed.highest} MB is more than 1.5 times ${steady} MB`)

  const rows = await disturbed.assertSameRows(await scene.undisturbed())
  scene.tell(`rows: ${JSON.stringify(rows)}`)
  assert.equal(rows.log_lines, input.lines)
})

/** Writes the stretches at an even pace; what a broker that is away does not take is given to it again. */
async function produce(scene: Scene, stretches: readonly (readonly NewRecord[])[]): Promise<void> {
  const began = performance.now()
  for (const [at, stretch] of stretches.entries()) {
    await wait(Math.max(0, began + (at * LOAD) / stretches.length - performance.now()))
    for (let written = false; !written; )
      try {
        await scene.log.append(stretch)
        written = true
      } catch (error) {
        if (!(error instanceof SinkError) || !error.retryable) throw error
        await wait(500)
      }
  }
}

async function apiOf(agent: ChaosAgent): Promise<string> {
  const line = (await agent.log()).find(line => line.includes('"msg":"running"'))
  return (JSON.parse(line!) as { api: string }).api
}

interface Part {
  readonly ok: boolean
  readonly why?: string
  readonly since?: number
  readonly breaker?: string
}

/** An agent as it is seen from outside: its memory, its doors, and whether it gets on. */
class Observed {
  /** Most memory it had, in MB. */
  highest = 0
  readonly #api: string
  readonly #timer: NodeJS.Timeout

  constructor(agent: ChaosAgent, api: string) {
    this.#api = api
    this.#timer = setInterval(() => {
      if (agent.ended) return this.stop()
      const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${agent.pid}/status`, 'utf8')) ?? []
      this.highest = Math.max(this.highest, Math.round(Number(kilobytes ?? 0) / 1_024))
    }, SAMPLED)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Asks; fails where the answer takes long, whatever hangs. */
  async ready(): Promise<{ status: number; parts: Readonly<Record<string, Part>> }> {
    const answer = await fetch(`${this.#api}/ready`, { signal: AbortSignal.timeout(3_000) })
    const { parts } = (await answer.json()) as { parts: Record<string, Part> }
    return { status: answer.status, parts }
  }

  async isShut(door: string): Promise<Part> {
    const part = (await this.ready()).parts[door]!
    assert.equal(part.ok, false, `${door} is not shut`)
    assert.ok(part.why && part.since, JSON.stringify(part))
    return part
  }

  /** All that is needed is open, and this door is. */
  async isWell(door = 'log'): Promise<void> {
    const { status, parts } = await this.ready()
    assert.deepEqual({ status, ok: parts[door]!.ok }, { status: 200, ok: true }, JSON.stringify(parts))
  }

  /** Events that the pipelines have used. */
  async count(): Promise<number> {
    const text = await (await fetch(`${this.#api}/metrics`)).text()
    const counts = [...text.matchAll(/^opsagent_events_total\{[^}]*fate="used"[^}]*\} (\d+)/gm)]
    return counts.reduce((sum, [, count]) => sum + Number(count), 0)
  }
}
