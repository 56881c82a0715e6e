import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { nothingDone, requested, runbook, target, World } from '../test/run-simulation.ts'
import type { RunRecord } from './record.ts'
import { apply, emptyLedger, isActive } from './run.ts'

type Move = () => unknown
type Work = World['pending'][number]

/** Everything that can happen next; what is likely, many times. */
function moves(world: World): Move[] {
  const all: Move[] = []
  const may = (weight: number, move: Move) => all.push(...Array<Move>(weight).fill(move))
  const living = world.seats.filter(({ alive }) => alive)
  for (const seat of living) {
    if (seat.cursor < world.log.length) may(12, () => world.deliver(seat))
    may(1, () => world.save(seat))
    may(1, () => world.crash(seat))
    // The log hands out again what was handed out before: after a rebalance, or a fetch that timed out.
    may(1, () => {
      seat.cursor = Math.max(0, seat.cursor - 2)
    })
  }
  for (const work of world.pending) for (const [weight, move] of endings(world, work)) may(weight, move)
  if (living.length < 2)
    may(living.length === 0 ? 12 : 1, () => world.start(`p${world.seats.length}`, world.seats.at(-1)?.saved))
  may(1, () => world.advance(5_000))
  may(1, () => world.advance(400_000))
  may(1, () => world.log.push(requested(`r${world.log.length % 3}`, world.time)))
  const run = world.log.at(-1)?.run ?? 'r0'
  may(1, () => world.log.push({ type: 'verdict', run, target, at: world.time, verdict: 'failed', why: 'still firing' }))
  return all
}

/** How something under way can end: well, with its answer lost, refused, or unheard because its process is gone. */
function endings(world: World, work: Work): [number, Move][] {
  const end = (then: () => void) => () => {
    world.pending.splice(world.pending.indexOf(work), 1)
    then()
  }
  if (!work.seat.alive)
    return [
      [1, end(() => {})],
      [1, end(work.land)],
    ]
  const refused = work.kind === 'action' ? nothingDone('refused') : new Error('not written')
  return [
    [
      10,
      end(() => {
        work.land()
        work.answer()
      }),
    ],
    [
      1,
      end(() => {
        work.land()
        work.fail(new Error('cut connection'))
      }),
    ],
    [1, end(() => work.fail(refused))],
  ]
}

async function play(choices: readonly number[]): Promise<World> {
  const world = new World()
  world.log.push(requested('r0', world.time))
  world.start('p0')
  for (const choice of choices) {
    const possible = moves(world)
    await possible[choice % possible.length]!()
    await setImmediate()
  }
  return world
}

/** Effects of which the ledger says for certain that they did not take place. */
function calledUndone(world: World): string[] {
  const intents = new Map(world.log.flatMap(record => (record.type === 'intent' ? [[record.nonce, record]] : [])))
  const names = runbook.steps.map(({ name }) => name)
  return world.rows.flatMap(row => {
    const record = world.log[row.offset]
    if (!row.accepted || record?.type !== 'result' || record.outcome !== 'failed' || record.changed) return []
    const intent = intents.get(record.intent ?? '')
    return intent ? [`${record.run} ${names[record.step]} ${JSON.stringify(intent.desired)}`] : []
  })
}

const choices = fc.array(fc.nat(9_999), { minLength: 80, maxLength: 250, size: 'max' })

test('whatever crashes, is delivered twice or races, each write effect takes place at most once', async () => {
  let effects = 0
  let crashes = 0
  await fc.assert(
    fc.asyncProperty(choices, async picks => {
      const world = await play(picks)
      for (const [effect, times] of world.effects) assert.equal(times, 1, effect)
      effects += world.effects.size
      crashes += world.seats.filter(({ alive }) => !alive).length
    }),
    { numRuns: 400, seed: 20261122 },
  )
  // The property would hold of an executor that does nothing, and of a world without accidents.
  assert.ok(effects > 100, `${effects} effects`)
  assert.ok(crashes > 400, `${crashes} crashes`)
})

test('after any accident every run comes to an end, and no effect is forgotten', async () => {
  await fc.assert(
    fc.asyncProperty(choices, async picks => {
      const world = await play(picks)
      for (const seat of world.seats) world.crash(seat)
      for (const late of world.pending.splice(0)) late.land()
      const seat = world.start('last', undefined)
      for (let round = 0; round < 40; round++) {
        await world.settle()
        world.advance(1_800_000)
      }
      await world.settle()
      assert.deepEqual(seat.executor.snapshot(0).ledgers[target]?.open, [])
      for (const effect of calledUndone(world)) assert.equal(world.effects.get(effect), undefined, effect)
      for (const [effect, times] of world.effects) assert.equal(times, 1, effect)
    }),
    { numRuns: 100, seed: 20261122 },
  )
})

test('of two runs of a target at most one is active, in whatever order records come', async () => {
  await fc.assert(
    fc.asyncProperty(choices, async picks => {
      const { log } = await play(picks)
      const ledger = emptyLedger()
      for (const record of log) {
        apply(ledger, record)
        assert.ok(ledger.open.filter(isActive).length <= 1)
      }
    }),
    { numRuns: 100, seed: 7 },
  )
})

test('a ledger survives JSON between any two records', async () => {
  await fc.assert(
    fc.asyncProperty(choices, async picks => {
      const { log } = await play(picks)
      const whole = emptyLedger()
      let carried = emptyLedger()
      for (const record of log) {
        apply(whole, structuredClone(record) as RunRecord)
        apply(carried, structuredClone(record) as RunRecord)
        carried = JSON.parse(JSON.stringify(carried))
      }
      assert.deepEqual(carried, whole)
    }),
    { numRuns: 50, seed: 3 },
  )
})
