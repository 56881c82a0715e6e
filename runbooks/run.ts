import type { RunRequested, RunState } from '../operators/signal.ts'
import type { Json } from './actions/action.ts'
import type { Decision, Intent, Outcome, Phase, Result, RunPlan, RunRecord, StateChange } from './record.ts'

// What is true of the runs of one target: a pure function of the records of that target in offset order. Who reads the
// same records comes to the same answer, which is what makes "at most once" hold between processes. JSON-safe.

export interface StepLife {
  /** The intent that counts. */
  intent: { nonce: string; attempt: number; at: number; before: Json; desired: Json; deadline: number } | null
  undo: Readonly<Record<string, Json>> | null
  /** What a write would do, found out while it may not be done yet. */
  would: string | null
  result: { outcome: Outcome; changed: boolean; summary: string; at: number } | null
}

export interface Run {
  readonly request: RunRequested
  /** How many records have counted for it. */
  version: number
  state: RunState
  /** When the state was entered. */
  since: number
  /** Why, in one word of a closed list and for people. */
  reason: string
  summary: string
  startedAt: number | null
  plan: RunPlan | null
  approvedBy: string | null
  undoing: boolean
  /** Why effects are being undone. */
  undoReason: string
  steps: StepLife[]
  undo: StepLife[]
}

/** A run that is over: enough to count it and to know it again. */
export interface Finished {
  readonly run: string
  readonly runbook: string
  readonly state: RunState
  readonly startedAt: number | null
  readonly endedAt: number
}

/** All runs of one target. */
export interface Ledger {
  /** Not over, in the order they were asked for. */
  open: Run[]
  /** Oldest first, bounded. */
  finished: Finished[]
}

export const emptyLedger = (): Ledger => ({ open: [], finished: [] })

/** So many finished runs of a target are known again when they are asked for twice. */
const remembered = 200

/** States in which a run occupies its target. */
export const isActive = (run: Run) =>
  run.state === 'running' || run.state === 'awaiting_approval' || run.state === 'verifying'

const isOver = (state: RunState) => !['queued', 'running', 'awaiting_approval', 'verifying'].includes(state)

/** What a record did. `accepted` false: it was a repeat, came too late, or lost against another one. */
export interface Change {
  readonly accepted: boolean
  readonly run: Run | undefined
  readonly from: RunState | undefined
  readonly summary: string
}

/** Takes in the next record of the target; changes the ledger. */
export function apply(ledger: Ledger, record: RunRecord): Change {
  if (record.type === 'requested') return request(ledger, record)
  const run = ledger.open.find(open => open.request.run === record.run)
  if (!run) return { accepted: false, run, from: undefined, summary: '' }
  const from = run.state
  const summary = take(ledger, run, record)
  if (summary !== undefined) run.version++
  if (isOver(run.state)) finish(ledger, run, record.at)
  return { accepted: summary !== undefined, run, from, summary: summary ?? '' }
}

function request(ledger: Ledger, record: RunRequested): Change {
  const known =
    ledger.open.some(run => run.request.run === record.run) || ledger.finished.some(({ run }) => run === record.run)
  if (known) return { accepted: false, run: undefined, from: undefined, summary: '' }
  const run: Run = {
    request: record,
    version: 1,
    state: 'queued',
    since: record.at,
    reason: '',
    summary: record.because,
    startedAt: null,
    plan: null,
    approvedBy: null,
    undoing: false,
    undoReason: '',
    steps: [],
    undo: [],
  }
  ledger.open.push(run)
  return { accepted: true, run, from: undefined, summary: record.because }
}

function finish(ledger: Ledger, run: Run, endedAt: number): void {
  ledger.open.splice(ledger.open.indexOf(run), 1)
  const { run: id, runbook } = run.request
  ledger.finished.push({ run: id, runbook, state: run.state, startedAt: run.startedAt, endedAt })
  if (ledger.finished.length > remembered) ledger.finished.shift()
}

/** What people read about the change; undefined: the record does not count. */
function take(ledger: Ledger, run: Run, record: Exclude<RunRecord, RunRequested>): string | undefined {
  switch (record.type) {
    case 'approved':
    case 'rejected':
      return decide(run, record)
    case 'intent':
      return intend(run, record)
    case 'result':
      return answer(run, record)
    case 'state':
      return move(ledger, run, record)
    case 'verdict':
      if (run.state !== 'verifying') return undefined
      if (record.verdict === 'verified') return enter(run, 'succeeded', record.at, `verified: ${record.why}`)
      if (record.verdict === 'failed' && undoable(run).length > 0)
        return startUndo(run, record.at, `the fix did not hold: ${record.why}`)
      return enter(run, 'failed', record.at, `${record.verdict}: ${record.why}`)
  }
}

function decide(run: Run, record: Decision): string | undefined {
  if (run.state !== 'awaiting_approval' || !run.plan) return undefined
  const summary = `${record.type} by ${record.by}${record.reason === '' ? '' : `: ${record.reason}`}`
  if (record.type === 'rejected') return enter(run, 'rejected', record.at, summary)
  // The time people took is not the run's.
  run.plan.deadline += Math.max(0, record.at - run.since)
  run.approvedBy = record.by
  return enter(run, 'running', record.at, summary)
}

function enter(run: Run, state: RunState, at: number, summary: string, reason = ''): string {
  run.state = state
  run.since = at
  run.summary = summary
  run.reason = reason
  return summary
}

function startUndo(run: Run, at: number, why: string): string {
  run.undoing = true
  run.undoReason = why
  run.undo = run.steps.map(fresh)
  return enter(run, 'running', at, `undoing: ${why}`)
}

const fresh = (): StepLife => ({ intent: null, undo: null, would: null, result: null })

const lifeOf = (run: Run, phase: Phase, step: number) => (phase === 'undo' ? run.undo : run.steps)[step]

/** The first intent for a step counts; a further one only where the step may be repeated and has no answer yet. */
function intend(run: Run, record: Intent): string | undefined {
  const life = lifeOf(run, record.phase, record.step)
  const planned = run.plan?.steps[record.step]
  if (!life || !planned || run.state !== 'running' || isFinal(life) || run.undoing !== (record.phase === 'undo'))
    return undefined
  const write = record.phase === 'undo' || planned.kind === 'write'
  if (write && record.phase === 'do' && !mayWrite(run)) return undefined
  if (life.intent && (write || !planned.repeatable)) return undefined
  if (record.attempt !== (life.intent?.attempt ?? 0) + 1) return undefined
  const { nonce, attempt, at, before, desired, deadline } = record
  life.intent = { nonce, attempt, at, before, desired, deadline }
  life.undo = record.undo
  return record.summary
}

/** The first answer to a step counts, if it answers the intent that counts. */
function answer(run: Run, record: Result): string | undefined {
  const life = lifeOf(run, record.phase, record.step)
  if (!life || isFinal(life) || run.state !== 'running' || run.undoing !== (record.phase === 'undo')) return undefined
  if ((life.intent?.nonce ?? null) !== record.intent) return undefined
  if (record.outcome === 'would_do') {
    if (life.would !== null) return undefined
    life.would = record.summary
    return record.summary
  }
  life.result = { outcome: record.outcome, changed: record.changed, summary: record.summary, at: record.at }
  return record.summary
}

const isFinal = (life: StepLife) => life.result !== null

const reachable: Partial<Record<RunState, readonly RunState[]>> = {
  queued: ['running', 'blocked', 'expired', 'cancelled'],
  running: [
    'running',
    'awaiting_approval',
    'verifying',
    'failed',
    'cancelled',
    'blocked',
    'in_doubt',
    'rolled_back',
    'rollback_failed',
  ],
  awaiting_approval: ['expired', 'cancelled', 'blocked'],
  verifying: ['cancelled'],
}

function move(ledger: Ledger, run: Run, record: StateChange): string | undefined {
  if (record.version !== run.version || !reachable[run.state]?.includes(record.state)) return undefined
  // What was intended must be answered before a run moves on, or its effect would be forgotten.
  if ([...run.steps, ...run.undo].some(life => life.intent && !life.result)) return undefined
  if (record.state !== 'running') return enter(run, record.state, record.at, record.summary, record.reason)
  if (run.state === 'running')
    return record.undoing && !run.undoing ? startUndo(run, record.at, record.summary) : undefined
  if (!record.plan || ledger.open.some(isActive)) return undefined
  run.plan = record.plan
  run.startedAt = record.at
  run.steps = record.plan.steps.map(fresh)
  return enter(run, 'running', record.at, record.summary)
}

/** Whether the run may change the world now. */
export const mayWrite = (run: Run) =>
  run.plan?.mode === 'auto' || (run.plan?.mode === 'approve' && run.approvedBy !== null)

/** Steps whose effect is there and can be taken back, newest first. */
export function undoable(run: Run): number[] {
  return run.steps.flatMap((life, step) => (life.result?.changed && life.undo ? [step] : [])).reverse()
}
