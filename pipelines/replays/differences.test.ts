import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Incident, RunRequested } from '../../operators/signal.ts'
import { differences } from './differences.ts'

const start = Date.UTC(2026, 10, 22, 10)
const minute = 60_000

const incident = (more: Partial<Incident> = {}): Incident => ({
  ...{ id: 'a', version: 1, environment: 'production', state: 'detected', severity: 'high', title: 'checkout is slow' },
  ...{ change: 'opened', services: ['checkout'], signals: [], causes: [], runs: [] },
  ...{ faultAt: start, detectedAt: start + minute, identifiedAt: null, mitigatedAt: null, resolvedAt: null },
  ...{ closedAt: null, updatedAt: start + minute },
  ...more,
})
const cause = (service: string, confidence: number): Incident['causes'][number] => ({
  ...{ rank: 1, service, signal: 's', subject: 'cpu', confidence, evidence: [] },
})
const request = (more: Partial<RunRequested> = {}): RunRequested => ({
  ...{ type: 'requested', run: 'r', runbook: 'Memory leak', incident: 'a', environment: 'production' },
  ...{ service: 'checkout', target: 'production/checkout', at: start, because: 'cpu', inputs: {} },
  ...more,
})

const f = (recorded: Incident[], replayed: Incident[], ...want: [what: string, recorded: string, replayed: string][]) =>
  assert.deepEqual(
    differences({ incidents: recorded, requests: [] }, { incidents: replayed, requests: [] }).map(found => [
      found.what,
      found.recorded ?? '',
      found.replayed ?? '',
    ]),
    want,
  )

test('what is the same differs in nothing', () => {
  f([], [])
  f([incident(), incident({ version: 2 })], [incident({ version: 2 }), incident()])
})

test('an incident is compared as it stood at last', () => {
  f(
    [incident(), incident({ version: 2, state: 'resolved', causes: [cause('payments', 0.91)] })],
    [incident(), incident({ version: 2, state: 'identified' })],
    ['state', 'resolved', 'identified'],
    ['causes', 'payments cpu (91 %)', 'insufficient evidence'],
  )
})

test('where only its course differs, the first version that does is told', () => {
  f(
    [incident({ updatedAt: start + 2 * minute }), incident({ version: 2 })],
    [incident(), incident({ version: 2 })],
    [
      'timeline',
      `version 1 at 2026-11-22T10:02:00Z: opened, updatedAt ${start + 2 * minute}`,
      `version 1 at 2026-11-22T10:01:00Z: opened, updatedAt ${start + minute}`,
    ],
  )
  f([incident(), incident({ version: 2 })], [incident()], ['timeline', 'version 2 at 2026-11-22T10:01:00Z: opened', ''])
})

test('another incident of the same outage is shown beside it, one of another outage below it', () => {
  const words = 'high, detected, detected 2026-11-22T10:01:00Z: checkout is slow; cause: insufficient evidence'
  f([incident()], [incident({ id: 'b' })], ['incident', words, `b ${words}`])
  f([incident()], [incident({ id: 'b', services: ['search'] })], ['incident', words, ''], ['incident', '', words])
  f([incident()], [incident({ environment: 'staging' })], ['incident', words, ''], ['incident', '', words])
})

test('actions are compared by what was asked for', () => {
  const of = (recorded: RunRequested[], replayed: RunRequested[]) =>
    differences({ incidents: [], requests: recorded }, { incidents: [], requests: replayed })
  assert.deepEqual(of([request()], [request()]), [])
  const words = 'Memory leak on production/checkout for a at 2026-11-22T10:00:00Z'
  const about = { id: 'r', environment: 'production', what: 'action' }
  assert.deepEqual(of([request()], []), [{ ...about, recorded: words, replayed: null }])
  assert.deepEqual(of([request()], [request({ because: 'memory' })]), [
    { ...about, recorded: `${words}, because "cpu"`, replayed: `${words}, because "memory"` },
  ])
})
