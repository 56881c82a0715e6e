import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { type CheckpointKey, memoryCheckpoints, storedCheckpoints } from '../sinks/checkpoints.ts'
import type { Store } from '../sinks/store.ts'
import { checkpointsContract, history, stateAfter } from './contract/checkpoints.ts'
import { freshStore } from './kit/store.ts'

let store: Store
let close: () => Promise<void>
before(async () => {
  ;({ store, close } = await freshStore())
})
after(() => close())

const memory = memoryCheckpoints()
checkpointsContract('checkpoints in memory', () => memory, 200)
checkpointsContract('checkpoints in the store', () => storedCheckpoints(store), 25)

let partition = 1_000
const fresh = (): CheckpointKey => ({ pipeline: 'logs', topic: 'ops.logs-by-service', partition: ++partition })

/** The store until it has taken so many inserts; the one after them fails, having been written or not. */
function mortal(inserts: number, written: boolean): Store {
  let left = inserts
  return {
    ...{ address: store.address, check: () => store.check(), close: () => store.close() },
    query: (sql, params) => store.query(sql, params),
    command: sql => store.command(sql),
    async insert(table, rows) {
      if (left-- > 0) return store.insert(table, rows)
      if (written && left === -1) await store.insert(table, rows)
      throw new Error('killed')
    },
  }
}

describe('checkpoints in the store', () => {
  test('a crash anywhere in a save leaves the state before it or after it, and the next owner goes on from there', async () => {
    await fc.assert(
      fc.asyncProperty(history(5), fc.nat(12), fc.boolean(), history(3), async (changes, inserts, written, more) => {
        const at = fresh()
        const doomed = storedCheckpoints(mortal(inserts, written), { pruneEvery: 1 })
        let done = 0
        try {
          for (; done < changes.length; done++) await doomed.save(at, changes[done]!)
        } catch {
          // The insert that was written, and whose answer was lost, may have been the manifest.
        }
        const saved = [stateAfter(changes.slice(0, done)), stateAfter(changes.slice(0, done + 1))]
        const next = storedCheckpoints(store)
        const loaded = await next.load(at)
        const state = loaded?.entries ?? new Map()
        assert.ok(
          saved.some(wanted => equal(state, wanted)),
          `loaded ${JSON.stringify([...state])}`,
        )
        const from = loaded?.next ?? 0
        const later = more.map((change, index) => ({
          ...change,
          next: from + change.next + 1,
          full: change.full && (index > 0 || !loaded),
        }))
        for (const change of later) await next.save(at, change)
        const base = { next: from, full: true, entries: [...state] }
        const found = await storedCheckpoints(store).load(at)
        assert.ok(equal(found!.entries, stateAfter([base, ...later])), `found ${JSON.stringify([...found!.entries])}`)
        assert.equal(found!.next, later.at(-1)!.next)
      }),
      { numRuns: 30 },
    )
  })

  test('whatever a process without its partition writes below the offset of the owner changes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(history(4), history(4), history(4), async (before, owners, zombies) => {
        const at = fresh()
        const zombie = storedCheckpoints(store, { pruneEvery: 1 })
        for (const change of before) await zombie.save(at, change)
        const { next: from } = before.at(-1)!
        const owner = storedCheckpoints(store, { pruneEvery: 1 })
        await owner.load(at)
        const ahead = owners.map((change, index) => ({
          ...change,
          next: from + 100 + change.next,
          full: change.full && index > 0,
        }))
        const behind = zombies.map((change, index) => ({
          ...change,
          next: from + change.next,
          full: change.full && index > 0,
        }))
        const wanted = stateAfter([...before, ...ahead])
        for (const change of ahead) {
          await owner.save(at, change)
          const late = behind.shift()
          if (late) await zombie.save(at, late)
        }
        for (const late of behind) await zombie.save(at, late)
        const loaded = (await storedCheckpoints(store).load(at))!
        assert.ok(equal(loaded.entries, wanted), `loaded ${JSON.stringify([...loaded.entries])}`)
        assert.equal(loaded.next, ahead.at(-1)!.next)
      }),
      { numRuns: 20 },
    )
  })

  test('old generations are dropped, and what is left is little', async () => {
    const at = fresh()
    const checkpoints = storedCheckpoints(store)
    const generations = async (): Promise<number[]> => {
      const rows = await store.query<{ generation: number }>(
        'SELECT DISTINCT generation FROM checkpoints WHERE partition = {partition:UInt32} ORDER BY generation',
        { partition: at.partition },
      )
      return rows.map(({ generation }) => generation)
    }
    const save = (next: number): Promise<unknown> =>
      checkpoints.save(at, { next, full: next % 2 === 1, entries: [['a', `${next}`]] })
    for (let next = 1; next < 15; next++) await save(next)
    assert.deepEqual(await generations(), [1, 3, 5, 7, 9, 11, 13])
    await save(15)
    assert.deepEqual(await generations(), [15])
    await save(16)
    assert.deepEqual((await storedCheckpoints(store).load(at))?.entries, new Map([['a', '16']]))
  })

  test('entries that are missing are noticed: the one before is taken, or the loss is named', async () => {
    const at = fresh()
    const checkpoints = storedCheckpoints(store)
    await checkpoints.save(at, { next: 1, full: true, entries: [['a', '1']] })
    const value = JSON.stringify({ format: 2, saves: [['lost/1', 3, 9]] })
    await store.insert('checkpoints', [{ ...at, generation: 1, block: 0, save: 'lost/1', sequence: 2, next: 2, value }])
    assert.equal((await storedCheckpoints(store).load(at))?.next, 1)
    await store.command(`ALTER TABLE checkpoints DROP PARTITION ('${at.pipeline}', '${at.topic}', ${at.partition}, 1)`)
    await store.insert('checkpoints', [{ ...at, generation: 1, block: 0, save: 'lost/2', sequence: 2, next: 2, value }])
    await assert.rejects(storedCheckpoints(store).load(at), /entries of it are missing; restore the table checkpoints/)
  })

  test('a checkpoint of a newer format is refused, and what to do is said', async () => {
    const at = fresh()
    const value = JSON.stringify({ format: 3 })
    await store.insert('checkpoints', [{ ...at, generation: 1, block: 0, save: 'new/1', sequence: 1, next: 1, value }])
    await assert.rejects(storedCheckpoints(store).load(at), /it has format 3, and this ops-agent reads 2; upgrade it/)
  })

  test('ten thousand keys are saved and loaded without holding the event loop', async t => {
    const at = fresh()
    const changed = new Map(Array.from({ length: 10_000 }, (_, key) => [`count/production/service-${key}`, state(key)]))
    const checkpoints = storedCheckpoints(store)
    const saved = await timed(() => checkpoints.save(at, { next: 1, full: true, entries: changed }))
    const few = new Map([...changed].slice(0, 100))
    const delta = await timed(() => checkpoints.save(at, { next: 2, full: false, entries: few }))
    const loaded = await timed(() => storedCheckpoints(store).load(at))
    assert.equal(loaded.value?.entries.size, 10_000)
    t.diagnostic(
      `10,000 keys of 500 bytes: ${say('save', saved)}, ${say('100 changed', delta)}, ${say('load', loaded)}`,
    )
    for (const { held } of [saved, delta, loaded]) assert.ok(held < 500, `held for ${held} ms`)
  })
})

const state = (key: number): string => JSON.stringify({ key, window: 'x'.repeat(480) })

function equal(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([entry, value]) => b.get(entry) === value)
}

const say = (what: string, { took, held }: { took: number; held: number }): string =>
  `${what} ${Math.round(took)} ms (held ${Math.round(held)})`

/** How long something took, and for how long at most the event loop was held meanwhile. */
async function timed<T>(work: () => Promise<T>): Promise<{ value: T; took: number; held: number }> {
  const began = performance.now()
  let last = began
  let held = 0
  const timer = setInterval(() => {
    const now = performance.now()
    held = Math.max(held, now - last)
    last = now
  }, 1)
  try {
    const value = await work()
    return { value, took: performance.now() - began, held }
  } finally {
    clearInterval(timer)
  }
}
