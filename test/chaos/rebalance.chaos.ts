import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { dice } from '../kit/corpus.ts'
import { PARTITIONS, Scene } from './kit/scene.ts'
import { seed } from './kit/seed.ts'
import { telemetry } from './kit/telemetry.ts'
import { overlaps } from './kit/work.ts'

// Processes come and go while there is work. What they write together must be what one process alone writes, and no
// partition may be in the hands of two of them.

const EVENTS = Number(process.env.CHAOS_EVENTS ?? 200_000)
const CHANGES = Number(process.env.CHAOS_CHANGES ?? 20)
const MOST = 3
/** Milliseconds a process may take to end when it is asked to. */
const GRACE = 10_000

test(`${EVENTS} events, processes join and leave ${CHANGES} times: one at a time in a partition, and the rows of an undisturbed run`, async t => {
  const scene = await Scene.open()
  t.after(() => scene.close())
  const random = dice(seed)
  const input = telemetry({ seed, events: EVENTS, partitions: PARTITIONS })
  scene.tell(`seed ${seed}: ${input.lines} lines, ${input.samples} samples, ${input.unreadable} unreadable records`)

  const [first, ...rest] = input.stretches
  await scene.log.append(first!)
  const moved = scene.installation('moved')
  await (await moved.start()).running()

  for (let change = 1, written = 0; change <= CHANGES; change++) {
    for (; written < Math.ceil((rest.length * change) / CHANGES); written++) await scene.log.append(rest[written]!)
    await wait(random() * 2_000)
    const here = moved.agents.filter(agent => !agent.ended)
    if (here.length === 1 || (here.length < MOST && random() < 0.5)) {
      const joining = await moved.start()
      await joining.running()
      scene.tell(`change ${change}: ${joining.name} has joined`)
    } else {
      const leaving = here[Math.floor(random() * here.length)]!
      const { code, took } = await leaving.stop()
      scene.tell(`change ${change}: ${leaving.name} has left in ${Math.round(took)} ms`)
      assert.equal(code, 0, (await leaving.log()).slice(-3).join('\n'))
      assert.ok(took <= GRACE, `${leaving.name} took ${took} ms to end`)
    }
  }
  await scene.log.append(input.end)
  await moved.drained(120_000)
  await moved.stop()
  scene.tell('all is read')

  const batches = moved.agents.flatMap(({ work }) => work.work.filter(({ call }) => call === 'batch'))
  assert.deepEqual(overlaps(moved.agents.map(({ work }) => work)), [])
  const rows = await moved.assertSameRows(await scene.undisturbed())
  scene.tell(
    `${CHANGES} changes, ${batches.length} batches, none of one partition at once; rows: ${JSON.stringify(rows)}`,
  )
  assert.equal(rows.log_lines, input.lines)
})
