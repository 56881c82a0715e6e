import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { faults } from './faults.ts'
import { follow, healed, isOver, missing, type Progress } from './follow.ts'
import { causeOf, incidentOf, runOf, signalOf } from './incident.fixture.ts'

const [leak] = faults
assert.ok(leak)
const start: Progress = { fault: leak, injectedAt: 100_000 }
const signals = [signalOf('catalog', 104_000)]
const causes = [causeOf('catalog')]
const run = (state: string) => [runOf('Memory leak', 'demo/catalog', state, 108_000)]

describe('following a fault through the incidents of the agent', () => {
  test('healed: right cause, right runbook, verified, resolved', () => {
    const life = [
      incidentOf({ signals }),
      incidentOf({ signals, causes, state: 'identified' }),
      incidentOf({ signals, causes, runs: run('running'), state: 'remediating' }),
      incidentOf({ signals, causes, runs: run('succeeded'), state: 'monitoring' }),
      incidentOf({ signals, causes, runs: run('succeeded'), state: 'resolved' }),
    ]
    const seen = life.reduce<Progress[]>((told, incident, index) => {
      told.push(follow(told.at(-1) ?? start, [incident], 110_000 + index * 1_000))
      return told
    }, [])
    assert.deepEqual(seen.map(healed), [false, false, false, false, true])
    const { detectedAt, identifiedAt, actedAt, verifiedAt, resolvedAt } = seen.at(-1) ?? start
    assert.deepEqual(
      [detectedAt, identifiedAt, actedAt, verifiedAt, resolvedAt],
      [110_000, 111_000, 112_000, 113_000, 114_000],
    )
  })

  test('incidents from before the fault, and of other services, are not its incident', () => {
    const before = incidentOf({ id: 'old', signals: [signalOf('catalog', 50_000)] })
    const elsewhere = incidentOf({ id: 'other', signals: [signalOf('payments', 104_000)] })
    assert.deepEqual(missing(follow(start, [before, elsewhere], 110_000)), ['was not detected'])
    const felt = incidentOf({ id: 'felt', signals: [signalOf('gateway', 104_000)] })
    assert.equal(follow(start, [before, elsewhere, felt], 110_000).incident?.id, 'felt')
  })

  test('a run of an earlier fault in a reopened incident does not count', () => {
    const runs = [runOf('Memory leak', 'demo/catalog', 'succeeded', 60_000)]
    const progress = follow(start, [incidentOf({ signals, causes, runs, state: 'resolved' })], 110_000)
    assert.deepEqual(missing(progress), ["no runbook was asked for; expected 'Memory leak'"])
  })

  test('what was named after the action does not make a wrong cause right', () => {
    const wrong = incidentOf({ signals, causes: [causeOf('gateway')], runs: run('running') })
    const late = incidentOf({ signals, causes, runs: run('succeeded'), state: 'resolved' })
    const progress = follow(follow(start, [wrong], 110_000), [late], 120_000)
    assert.deepEqual(missing(progress), ['the cause named was gateway process.memory.usage, not catalog'])
  })

  test('an incident that became part of another is followed there', () => {
    const first = follow(start, [incidentOf({ signals })], 110_000)
    const merged = incidentOf({ signals, state: 'merged', mergedInto: 'inc-0' })
    const into = incidentOf({ id: 'inc-0', signals, causes, runs: run('succeeded'), state: 'resolved' })
    assert.ok(healed(follow(first, [merged, into], 120_000)))
  })

  test('a fix that is not verified, or an incident left open, is not healed', () => {
    const inconclusive = incidentOf({ signals, causes, runs: run('failed'), state: 'triaged' })
    assert.deepEqual(missing(follow(start, [inconclusive], 110_000)), [
      "the run is 'failed', not verified",
      "incident inc-1 is 'triaged', not resolved",
    ])
  })

  test('an incident that is closed without being resolved is over, and not healed', () => {
    const closed = incidentOf({ signals, causes, runs: run('failed'), state: 'closed' })
    const progress = follow(start, [closed], 110_000)
    assert.deepEqual(missing(progress), [
      "the run is 'failed', not verified",
      "incident inc-1 is 'closed', not resolved",
    ])
    assert.ok(isOver(progress))
    const verifying = incidentOf({ signals, causes, runs: run('verifying'), state: 'resolved' })
    assert.equal(isOver(follow(start, [verifying], 110_000)), false)
  })

  test('another runbook than the one expected is said', () => {
    const runs = [runOf('High CPU Usage Response', 'demo/catalog', 'succeeded', 108_000)]
    const progress = follow(start, [incidentOf({ signals, causes, runs, state: 'resolved' })], 110_000)
    assert.deepEqual(missing(progress), ["runbook 'High CPU Usage Response' ran; expected 'Memory leak'"])
  })
})
