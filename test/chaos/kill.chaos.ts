import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { dice } from '../kit/corpus.ts'
import type { ChaosAgent } from './kit/agents.ts'
import { PARTITIONS, Scene } from './kit/scene.ts'
import { seed } from './kit/seed.ts'
import { telemetry } from './kit/telemetry.ts'

// Two processes share the work, and one of them is killed again and again. What is in the tables at the end must be
// what a run without any trouble writes.

const EVENTS = Number(process.env.CHAOS_EVENTS ?? 300_000)
/** Some services have more lines than this at times, so that what is left out must be the same too. */
const SETTINGS = ['detection.sample.linesPerSecond=0.5']
/** What this input fills; nothing is acted upon, and nobody controls anything. */
const FILLED = ['log_lines', 'log_sampling', 'log_patterns', 'log_counts', 'metric_summaries', 'anomalies', 'incidents']
FILLED.push('incident_events', 'late_events', 'dead_letters')
const KILLS = Number(process.env.CHAOS_KILLS ?? 30)
/** How long a process may have nothing to do before it is given more, in milliseconds. */
const IDLE = 2_000

test(`${EVENTS} events, two processes, ${KILLS} times kill -9: the rows of an undisturbed run`, async t => {
  const scene = await Scene.open()
  t.after(() => scene.close())
  const random = dice(seed)
  const input = telemetry({ seed, events: EVENTS, partitions: PARTITIONS })
  scene.tell(`seed ${seed}: ${input.lines} lines, ${input.samples} samples, ${input.unreadable} unreadable records`)

  const [first, ...rest] = input.stretches
  await scene.log.append(first!)
  const killed = scene.installation('killed', SETTINGS)
  const slots = await Promise.all([killed.start(), killed.start()])
  await Promise.all(slots.map(agent => agent.running()))

  let [written, kills, counted] = [0, 0, 0]
  const more = async (stretches: number): Promise<void> => {
    const until = Math.min(rest.length, written + stretches)
    for (; written < until; written++) await scene.log.append(rest[written]!)
  }
  while (counted < KILLS) {
    // What is left of the input is spread over the kills that are left, so that there is always work to be killed at.
    await more(Math.floor((rest.length - written) / (KILLS - counted + 1)))
    const slot = Math.floor(random() * 2)
    const victim = slots[slot]!
    await wait(random() * 1_500)
    await busy(victim, () => more(1))
    const unfinished = await victim.kill()
    kills++
    if (unfinished.length > 0) counted++
    const at = unfinished.map(({ pipeline, partition }) => `${pipeline}/${partition}`).join(', ')
    scene.tell(`kill ${kills} (${counted} count): ${victim.name}, in the middle of ${at || 'nothing'}`)
    slots[slot] = await killed.start()
    await slots[slot].running()
  }
  await more(rest.length)
  await scene.log.append(input.end)
  await killed.drained(120_000)
  await killed.stop()
  scene.tell('all is read')

  const rows = await killed.assertSameRows(await scene.undisturbed(SETTINGS))
  scene.tell(`${kills} kills, ${counted} in the middle of a batch; rows: ${JSON.stringify(rows)}`)
  for (const table of FILLED) assert.ok(rows[table]! > 0, `${table} is empty`)
  const [left] = await killed.query<{ out: number }>(
    'SELECT toUInt32(sum(lines - kept)) AS out FROM log_sampling FINAL',
  )
  assert.equal(rows.log_lines! + left!.out, input.lines)
})

/** Resolves when the process is in the middle of a batch; where it has been idle for a while, it is given more. */
async function busy(agent: ChaosAgent, more: () => Promise<void>): Promise<void> {
  const until = performance.now() + 60_000
  for (let idle = performance.now() + IDLE; !agent.isInBatch; await wait(5)) {
    if (performance.now() > until) throw new Error(`${agent.name} has nothing to do`)
    if (performance.now() < idle) continue
    await more()
    idle = performance.now() + IDLE
  }
}
