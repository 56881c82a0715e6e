import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { CheckpointChanges, CheckpointKey, Checkpoints } from '../../sinks/checkpoints.ts'

export const name = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  fc.constantFrom('"quoted"', "it's\\", 'half \ud800', '\0', '{x:String}'),
)

/** Changes that can be looked at more than once. */
export type Changes = CheckpointChanges & { readonly entries: readonly (readonly [string, string | null])[] }

/** Changes in their order; offsets only grow, or stay where only time has passed. */
export const history = (maxLength: number): fc.Arbitrary<Changes[]> =>
  fc
    .array(
      fc.record({
        advance: fc.integer({ min: 0, max: 5 }),
        full: fc.boolean(),
        changed: fc.dictionary(
          name,
          fc.jsonValue().map(value => JSON.stringify(value)),
          { maxKeys: 4 },
        ),
        removed: fc.uniqueArray(name, { maxLength: 2 }),
      }),
      { minLength: 1, maxLength },
    )
    .map(steps => {
      const offsets = steps.map((_, index) => steps.slice(0, index + 1).reduce((sum, { advance }) => sum + advance, 0))
      return steps.map(({ full, changed, removed }, index) => ({
        next: offsets[index]!,
        full: full || index === 0,
        entries: [
          ...Object.entries(changed),
          ...(full || index === 0 ? [] : removed.filter(gone => !(gone in changed)).map(gone => [gone, null] as const)),
        ],
      }))
    })

/** The state after changes, by the meaning of the words alone. */
export function stateAfter(changes: readonly Changes[]): Map<string, string> {
  let state = new Map<string, string>()
  for (const { full, entries } of changes) {
    state = new Map(full ? [] : state)
    for (const [name, json] of entries)
      if (json === null) state.delete(name)
      else state.set(name, json)
  }
  return state
}

/** What every implementation of checkpoints promises. `open` gives a new view on the same ones. */
export function checkpointsContract(title: string, open: () => Checkpoints, numRuns: number): void {
  let partition = 0
  const fresh = (): CheckpointKey => ({ pipeline: "it's a \\ pipeline", topic: 'ops.logs', partition: ++partition })
  const whole = (next: number, entries: Record<string, string>): Changes => ({
    ...{ next, full: true, entries: Object.entries(entries) },
  })
  const loaded = async (checkpoints: Checkpoints, at: CheckpointKey) => {
    const found = await checkpoints.load(at)
    return found && { next: found.next, entries: found.entries }
  }

  describe(`${title} keep the contract of checkpoints`, () => {
    test('what was never saved is undefined, and changes need something to build on', async () => {
      const at = fresh()
      assert.equal(await open().load(at), undefined)
      await assert.rejects(open().save(at, { ...whole(1, { a: '1' }), full: false }), /changes build on nothing/)
      assert.equal(await open().load(at), undefined)
    })

    test('an empty state is a state', async () => {
      const at = fresh()
      await open().save(at, whole(7, {}))
      assert.deepEqual(await loaded(open(), at), { next: 7, entries: new Map() })
    })

    test('after any history of saves the state is what they say', async () => {
      await fc.assert(
        fc.asyncProperty(history(6), fc.array(fc.boolean()), async (changes, restarts) => {
          const at = fresh()
          let checkpoints = open()
          for (const [index, change] of changes.entries()) {
            await checkpoints.save(at, change)
            if (!restarts[index]) continue
            checkpoints = open()
            const { entries } = (await checkpoints.load(at))!
            assert.deepEqual(entries, stateAfter(changes.slice(0, index + 1)))
          }
          const wanted = { next: changes.at(-1)!.next, entries: stateAfter(changes) }
          const found = await loaded(open(), at)
          assert.deepEqual(found && { ...found, entries: sorted(found.entries) }, {
            ...wanted,
            entries: sorted(wanted.entries),
          })
        }),
        { numRuns },
      )
    })

    test('a save tells what it wrote, and what the checkpoint is then made of', async () => {
      const at = fresh()
      const checkpoints = open()
      assert.deepEqual(await checkpoints.save(at, whole(1, { a: '"x"', b: '1' })), {
        ...{ entries: 2, bytes: 4, saves: 1, written: 2 },
      })
      const changes = { next: 2, full: false, entries: [['a', null]] as const }
      assert.deepEqual(await checkpoints.save(at, changes), { entries: 1, bytes: 0, saves: 2, written: 3 })
      const { saves, written } = (await open().load(at))!
      assert.deepEqual({ saves, written }, { saves: 2, written: 3 })
    })

    test('partitions, topics and pipelines have each their own', async () => {
      const at = fresh()
      const others = [{ ...at, pipeline: 'other' }, { ...at, topic: 'other' }, fresh()]
      await open().save(at, whole(1, { a: '1' }))
      for (const other of others) assert.equal(await open().load(other), undefined)
      for (const [index, other] of others.entries()) await open().save(other, whole(index + 10, { b: String(index) }))
      assert.deepEqual(await loaded(open(), at), { next: 1, entries: new Map([['a', '1']]) })
    })

    test('what was loaded can be changed without changing what is kept', async () => {
      const at = fresh()
      await open().save(at, whole(1, { a: '1' }))
      const first = (await open().load(at))!
      first.entries.set('a', '2')
      assert.deepEqual((await open().load(at))?.entries, new Map([['a', '1']]))
    })
  })
}

const sorted = (entries: ReadonlyMap<string, string>): [string, string][] =>
  [...entries].sort(([a], [b]) => (a < b ? -1 : 1))
