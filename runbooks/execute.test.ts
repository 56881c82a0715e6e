import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requested, runbook, target, World } from '../test/run-simulation.ts'
import type { Controls } from './guards.ts'
import type { RunRecord } from './record.ts'
import type { Mode, Runbook } from './runbook.ts'

const inMode = (mode: Mode, more: Partial<Runbook> = {}) => ({ runbooks: [{ ...runbook, mode, ...more }] })
const told = (what: Partial<Controls>): { controls: Controls } => ({
  controls: { refresh: async () => {}, paused: () => undefined, trust: () => undefined, ...what },
})
const states = (world: World) => world.reports.map(({ value }) => value.state)
const last = (world: World) => world.reports.at(-1)?.value
const decision = (type: 'approved' | 'rejected', at: number): RunRecord => ({
  type,
  run: 'r1',
  target,
  at,
  by: 'ann',
  reason: '',
})
const verdict = (verdict: 'verified' | 'failed' | 'inconclusive', at: number): RunRecord => ({
  type: 'verdict',
  run: 'r1',
  target,
  at,
  verdict,
  why: 'cpu_usage 40 %',
})

async function begun(options: ConstructorParameters<typeof World>[0] = {}) {
  const world = new World(options)
  const seat = world.start('p0')
  world.log.push(requested('r1', world.time))
  await world.settle()
  return { world, seat }
}

test('mode auto: all steps run, and only the verdict makes it a success', async () => {
  const { world } = await begun()
  assert.deepEqual(states(world), ['queued', 'running', 'verifying'])
  assert.equal(world.instances, 3)
  world.log.push(verdict('verified', world.time))
  await world.settle()
  assert.deepEqual(last(world), {
    type: 'run',
    run: 'r1',
    incident: 'i1',
    environment: 'production',
    service: 'shop',
    runbook: 'grow',
    target,
    state: 'succeeded',
    summary: 'verified: cpu_usage 40 %',
  })
  assert.deepEqual(world.reports.at(-1)?.origin, { stream: 'topic:ops.runs/0', offset: world.log.length - 1, index: 0 })
})

test('mode approve: reads run, writes say what they would do, and wait for a person', async () => {
  const { world } = await begun(inMode('approve'))
  assert.deepEqual(states(world), ['queued', 'running', 'awaiting_approval'])
  assert.equal(last(world)?.summary, 'would: scales from 1 to 3; restarts')
  assert.deepEqual([...world.effects], [])
  const results = world.rows.filter(({ type }) => type === 'result').map(row => [row.step_name, row.outcome])
  assert.deepEqual(results, [
    ['look', 'succeeded'],
    ['scale', 'would_do'],
    ['restart', 'would_do'],
  ])
  const would = world.rows.find(({ outcome }) => outcome === 'would_do')
  assert.deepEqual([would?.before, would?.after], ['1', '3'])
  world.log.push(decision('approved', world.time))
  await world.settle()
  assert.equal(last(world)?.state, 'verifying')
  assert.equal(world.effects.size, 2)
})

test('a rejected run, and one nobody approves in time, change nothing', async () => {
  const { world } = await begun(inMode('approve'))
  world.log.push(decision('rejected', world.time))
  await world.settle()
  assert.equal(last(world)?.summary, 'rejected by ann')
  const { world: alone } = await begun(inMode('approve'))
  alone.advance(15 * 60_000)
  await alone.settle()
  assert.equal(last(alone)?.state, 'expired')
  alone.log.push(decision('approved', alone.time))
  await alone.settle()
  assert.equal(world.effects.size + alone.effects.size, 0)
})

test('modes observe and suggest only say', async () => {
  for (const mode of ['observe', 'suggest'] as const) {
    const { world } = await begun(inMode(mode))
    assert.deepEqual(states(world), ['queued', 'running', 'cancelled'])
    assert.equal(last(world)?.summary, `mode ${mode}: nothing was changed; would: scales from 1 to 3; restarts`)
    assert.equal(world.effects.size, 0)
  }
})

test('a fix that did not hold is taken back as far as it can be', async () => {
  const { world } = await begun()
  world.log.push(verdict('failed', world.time))
  await world.settle()
  assert.equal(world.instances, 1)
  assert.deepEqual(states(world).slice(3), ['running', 'rolled_back'])
  assert.equal(last(world)?.summary, 'the fix did not hold: cpu_usage 40 %')
})

test('inconclusive is not success, and neither is no verdict at all', async () => {
  const { world } = await begun()
  world.log.push(verdict('inconclusive', world.time))
  await world.settle()
  assert.equal(last(world)?.state, 'failed')
  assert.match(last(world)?.summary ?? '', /^inconclusive: /)
  const { world: silent } = await begun()
  silent.advance(60 * 60_000)
  await silent.settle()
  assert.equal(last(silent)?.summary, 'inconclusive: no verdict in time; whether the signal cleared is not known')
})

test('what the catalogue does not name is never acted upon', async () => {
  const blocked = async (fields: Parameters<typeof requested>[2]) => {
    const world = new World()
    world.start('p0')
    world.log.push(requested('r1', world.time, fields))
    await world.settle()
    assert.deepEqual(
      world.rows.filter(row => row.step >= 0),
      [],
    )
    const state = world.log.findLast(record => record.type === 'state')
    return `${last(world)?.state} ${state?.reason}`
  }
  assert.equal(await blocked({ environment: 'staging', target: 'staging/shop' }), 'blocked UnmanagedResource')
  assert.equal(await blocked({ environment: 'staging' }), 'blocked UnmanagedResource')
  assert.equal(await blocked({ target: 'production/other' }), 'blocked UnmanagedResource')
  assert.equal(await blocked({ target: 'production/constructor' }), 'blocked UnmanagedResource')
  assert.equal(await blocked({ environment: 'constructor', target: 'constructor/shop' }), 'blocked UnmanagedResource')
  assert.equal(await blocked({ runbook: 'gone' }), 'blocked UnknownRunbook')
  assert.equal(await blocked({ at: 1 }), 'expired Stale')
})

test('one run at a time, and no more than the limit', async () => {
  const { world } = await begun()
  world.log.push(requested('r2', world.time))
  await world.settle()
  assert.match(last(world)?.summary ?? '', /^run r1 of "grow" is verifying/)
  world.log.push(verdict('verified', world.time))
  for (const run of ['r3', 'r4']) {
    world.log.push(requested(run, world.time))
    await world.settle()
    world.log.push({ ...verdict('verified', world.time), run } as RunRecord)
  }
  world.log.push(requested('r5', world.time))
  await world.settle()
  assert.equal(last(world)?.summary, '3 runs on production/shop within 1h, allowed are 3')
  world.advance(3_600_001)
  world.log.push(requested('r6', world.time))
  await world.settle()
  assert.equal(last(world)?.state, 'verifying')
})

test('a pause stops a run before it starts, and between its steps', async () => {
  const { world } = await begun(told({ paused: () => 'paused by ann' }))
  assert.deepEqual(states(world), ['queued', 'blocked'])
  assert.equal(last(world)?.summary, 'paused by ann')
  let paused: string | undefined
  const later = await begun({ ...inMode('approve'), ...told({ paused: () => paused }) })
  assert.equal(last(later.world)?.state, 'awaiting_approval')
  paused = 'paused by ann'
  later.world.log.push(decision('approved', later.world.time))
  await later.world.settle()
  assert.equal(last(later.world)?.state, 'blocked')
  assert.equal(later.world.effects.size, 0)
})

test('trust lowers what a runbook may do and says so, and never raises it', async () => {
  const why = 'lowered by ann'
  const { world } = await begun(told({ trust: () => ({ mode: 'suggest', why }) }))
  assert.deepEqual(states(world), ['queued', 'running', 'cancelled'])
  assert.match(world.rows.find(row => row.state === 'running')?.summary ?? '', /^mode suggest, lowered by ann$/)
  assert.equal(world.effects.size, 0)
  const higher = await begun({ ...inMode('suggest'), ...told({ trust: () => ({ mode: 'approve', why }) }) })
  assert.deepEqual(states(higher.world), ['queued', 'running', 'cancelled'])
})

test('trust lowered while a run waits: what was approved is done, what nobody approved is not', async () => {
  for (const [mode, state] of [
    ['approve', 'verifying'],
    ['observe', 'blocked'],
  ] as const) {
    let trust: ReturnType<Controls['trust']>
    const { world } = await begun({ ...inMode('approve'), ...told({ trust: () => trust }) })
    trust = { mode, why: 'lowered by ann' }
    world.log.push(decision('approved', world.time))
    await world.settle()
    assert.equal(last(world)?.state, state)
    assert.equal(world.effects.size, state === 'blocked' ? 0 : 2)
  }
})

test('while the controls cannot be read no action is begun; once they can, what they say counts', async () => {
  let reachable = false
  let paused: string | undefined
  const refresh = async () => {
    if (!reachable) throw new Error('unreachable')
  }
  const { world } = await begun(told({ refresh, paused: () => paused }))
  for (let second = 0; second < 5; second++) {
    world.advance(1_000)
    await world.settle()
  }
  assert.deepEqual(states(world), ['queued'])
  reachable = true
  world.advance(1_000)
  await world.settle()
  assert.deepEqual(states(world), ['queued', 'running', 'verifying'])
  reachable = false
  world.log.push(verdict('verified', world.time), requested('r2', world.time))
  await world.settle()
  assert.deepEqual(states(world).slice(3), ['succeeded', 'queued'])
  paused = 'paused by ann'
  reachable = true
  world.advance(1_000)
  await world.settle()
  assert.equal(last(world)?.state, 'blocked')
})

test('a crash after the effect and before its record: it is found done, and not done again', async () => {
  const world = new World()
  const seat = world.start('p0')
  world.log.push(requested('r1', world.time))
  await world.settle(['action'])
  world.pending.splice(0)[0]?.land()
  world.crash(seat)
  world.start('p1')
  await world.settle()
  assert.equal(last(world)?.state, 'verifying')
  assert.match(world.rows.find(row => row.step === 1 && row.type === 'result')?.summary ?? '', /but done/)
  assert.deepEqual([...world.effects.values()], [1, 1])
})

test('a crash before the effect: the run is in doubt, and nothing is done blindly', async () => {
  const world = new World()
  const seat = world.start('p0')
  world.log.push(requested('r1', world.time))
  await world.settle(['action'])
  world.crash(seat)
  world.pending.splice(0)
  world.start('p1')
  await world.settle()
  assert.equal(last(world)?.state, 'in_doubt')
  assert.equal(world.effects.size, 0)
})

test('a crash during a read repeats the read', async () => {
  const world = new World()
  const seat = world.start('p0')
  world.log.push(requested('r1', world.time))
  await world.settle(['read'])
  world.crash(seat)
  world.pending.splice(0)
  world.start('p1')
  await world.settle()
  assert.equal(last(world)?.state, 'verifying')
  assert.deepEqual(
    world.log.flatMap(record => (record.type === 'intent' && record.step === 0 ? [record.attempt] : [])),
    [1, 2],
  )
})

test('two executors of one target act once', async () => {
  const world = new World()
  world.start('p0')
  world.start('p1')
  world.log.push(requested('r1', world.time))
  await world.settle()
  assert.ok(world.log.filter(record => record.type === 'intent' && record.step === 1).length === 2, 'no race')
  assert.deepEqual([...world.effects.values()], [1, 1])
})

test('an approval is for the plan that was shown: a changed runbook does not inherit it', async () => {
  const { world, seat } = await begun(inMode('approve'))
  world.save(seat)
  world.crash(seat)
  const steps = runbook.steps.map(step =>
    step.tool === 'render' && step.action === 'scale_service'
      ? { ...step, params: { ...step.params, instances: 50 } }
      : step,
  )
  const later = new World(inMode('approve', { steps }))
  later.log.push(...world.log, decision('approved', world.time))
  later.start('p1', seat.saved)
  await later.settle()
  assert.equal(last(later)?.state, 'failed')
  assert.match(last(later)?.summary ?? '', /has changed since the run was planned/)
  assert.equal(later.effects.size, 0)
})

test('a conclusion drawn from an older state of the run does not count', async () => {
  const { world } = await begun(inMode('approve'))
  const awaiting = world.log.findLast(record => record.type === 'state')!
  world.log.push(decision('approved', world.time), { ...awaiting, nonce: 'late' } as RunRecord)
  await world.settle()
  assert.equal(last(world)?.state, 'verifying')
})

test('a slow step holds up nobody else', async () => {
  const shop = { tier: 3, dependencies: [], aliases: [], environments: { production: { render: { serviceId: 's' } } } }
  const world = new World({ catalogue: { services: { shop, other: shop } } })
  world.start('p0')
  world.log.push(requested('r1', world.time))
  await world.settle(['action'])
  world.log.push(requested('r2', world.time, { service: 'other', target: 'production/other' }))
  await world.settle(['action'])
  assert.deepEqual(
    world.pending.map(({ kind }) => kind),
    ['action', 'action'],
  )
})

test('replay follows and journals, and neither acts nor tells', async () => {
  const { world } = await begun()
  const replayed = new World({ replay: true })
  replayed.log.push(...world.log)
  replayed.start('p0')
  await replayed.settle()
  assert.deepEqual(replayed.rows, world.rows)
  assert.deepEqual(replayed.reports, [])
  assert.equal(replayed.log.length, world.log.length)
  assert.equal(replayed.effects.size, 0)
})

test('an executor that stops begins nothing new', async () => {
  const world = new World()
  const seat = world.start('p0')
  world.log.push(requested('r1', world.time))
  await world.settle(['action'])
  const length = world.log.length
  await seat.executor.close()
  assert.equal(world.log.length, length)
  assert.equal(world.effects.size, 0)
})

test('an intent to change something without leave does not count, whoever writes it', async () => {
  const world = new World(inMode('approve'))
  world.start('p0')
  world.log.push(requested('r1', world.time))
  await world.settle(['read'])
  const facts = { phase: 'do', step: 1, attempt: 1, summary: '', before: null, desired: 3, undo: null } as const
  world.log.push({ type: 'intent', run: 'r1', target, at: world.time, nonce: 'forged', deadline: world.time, ...facts })
  await world.settle(['read'])
  assert.deepEqual([world.rows.at(-1)?.type, world.rows.at(-1)?.accepted], ['intent', false])
})
