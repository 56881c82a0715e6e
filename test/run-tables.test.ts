import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openEmbeddedStore } from '../sinks/embedded-store.ts'
import { migrate } from '../sinks/migrate.ts'
import { requested, runbook, target, World } from './run-simulation.ts'

test('what an executor tells of runs fits the tables, and telling it twice changes nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ops-runs-'))
  const store = await openEmbeddedStore({ path: folder })
  try {
    await migrate(store)
    const write = (table: string) => (rows: readonly object[]) =>
      store.insert(
        table,
        rows.map(row => ({ ...row })),
      )
    const options = {
      runbooks: [{ ...runbook, mode: 'approve' as const }],
      journal: write('run_events'),
      runs: write('runs'),
    }
    const world = new World(options)
    world.start('p0')
    world.log.push(requested('r1', world.time))
    await world.settle()
    world.log.push({ type: 'rejected', run: 'r1', target, at: world.time, by: 'ann', reason: 'not now' })
    await world.settle()
    const ask = () =>
      Promise.all([
        store.query('SELECT run, version, mode, state, summary, toUnixTimestamp64Milli(at) AS at FROM runs FINAL'),
        store.query('SELECT offset, type, accepted, step_name, outcome, after FROM run_events FINAL ORDER BY offset'),
      ])
    const [runs, events] = await ask()
    const [run] = runs as Record<string, unknown>[]
    assert.equal(runs.length, 1)
    assert.deepEqual(
      [run?.run, run?.mode, run?.state, run?.summary],
      ['r1', 'approve', 'rejected', 'rejected by ann: not now'],
    )
    assert.equal(Number(run?.at), world.time)
    assert.equal(events.length, world.log.length)
    assert.equal((events as Record<string, unknown>[]).filter(({ outcome }) => outcome === 'would_do').length, 2)

    const again = new World({ ...options, replay: true })
    again.log.push(...world.log)
    again.start('p1')
    await again.settle()
    assert.deepEqual(await ask(), [runs, events])
  } finally {
    await store.close()
    await rm(folder, { recursive: true })
  }
})
