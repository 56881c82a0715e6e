import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { openClickhouseStore } from '../../sinks/clickhouse-store.ts'
import { eventually } from '../kit/eventually.ts'
import { minutesClosed, seenIn, skewed } from '../kit/skewed.ts'
import { PARTITIONS, Scene } from './kit/scene.ts'

/** Milliseconds between two slices of input: an hour passes in about half a minute. */
const PACE = 80
/** Silence after which nobody waits for a partition; the others are never silent for so long. */
const IDLE_AFTER = 8_000

test('one partition twenty times busier, one silent for an hour, late events: nothing stalls, and only the late are late', async t => {
  const scene = await Scene.open()
  t.after(() => scene.close())
  const input = skewed(PARTITIONS)
  const [first, ...hour] = input.hour
  await scene.log.append(first!)
  const group = scene.installation('skew', [`detection.idleAfter=${IDLE_AFTER}ms`])
  const agents = await Promise.all([group.start(), group.start()])
  await Promise.all(agents.map(agent => agent.running()))
  const store = await openClickhouseStore({ url: scene.front.url, database: group.database })
  t.after(() => store.close())

  for (const slice of hour) {
    await scene.log.append(slice)
    await wait(PACE)
  }
  /** What the others say meanwhile moves no time on, so that they are neither silent nor ahead. */
  const meanwhile = (check: () => Promise<void>) =>
    eventually(async () => {
      await scene.log.append(input.others())
      await check()
    }, 60_000)
  await meanwhile(async () => assert.ok((await minutesClosed(store)) >= 58, 'the silent partition holds the others up'))
  scene.tell('windows of the hour have ended without the silent partition')
  await scene.log.append([input.wake])
  await meanwhile(async () => {
    const lag = await scene.groups.lag(`${group.name}.entry.telemetry.logs`, 'telemetry.logs')
    assert.equal(lag.at(-1), 0, 'the partition that woke is not read')
  })
  await scene.log.append(input.rest)
  await group.drained(120_000)
  await group.stop()

  const seen = await seenIn(store)
  assert.deepEqual(seen.late, input.late)
  assert.deepEqual(seen.minutes, input.minutes)
  const lines = [...seen.minutes.values()].reduce((sum, count) => sum + count)
  scene.tell(`${lines} lines in ${seen.minutes.size} minutes, ${seen.late.length} late`)
})
