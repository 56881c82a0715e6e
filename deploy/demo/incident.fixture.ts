import type { Cause, Incident, IncidentSignal } from '../../operators/signal.ts'

// For the tests of the demo: incidents as the agent's API gives them.

export const signalOf = (service: string, since: number, subject = 'process.memory.usage'): IncidentSignal => ({
  signal: `${service}-${subject}`,
  service,
  kind: 'metric',
  subject,
  labels: {},
  unit: 'By',
  firing: true,
  since,
  lastAt: since,
  lastAnomalousAt: since,
  score: 2,
  peak: 2,
  value: 2e8,
  direction: 'above',
  why: 'far above',
})

export const causeOf = (service: string, subject = 'process.memory.usage'): Cause => ({
  rank: 1,
  service,
  signal: `${service}-${subject}`,
  subject,
  confidence: 0.8,
  evidence: [],
})

export const runOf = (runbook: string, target: string, state: string, at: number): Incident['runs'][number] => ({
  run: 'run-1',
  runbook,
  target,
  state,
  at,
})

/** An incident in a state, with what that state implies unless said otherwise. */
export const incidentOf = (change: Partial<Incident>): Incident => ({
  id: 'inc-1',
  version: 1,
  environment: 'demo',
  state: 'detected',
  severity: 'high',
  title: 'catalog: memory',
  change: 'opened',
  services: ['catalog'],
  signals: [],
  causes: [],
  runs: [],
  faultAt: null,
  detectedAt: 0,
  identifiedAt: null,
  mitigatedAt: null,
  resolvedAt: change.state === 'resolved' ? 1 : null,
  closedAt: null,
  updatedAt: 0,
  ...change,
})
