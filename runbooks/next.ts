import type { RunState } from '../operators/signal.ts'
import type { Phase, RunPlan } from './record.ts'
import { mayWrite, type Run, type StepLife, undoable } from './run.ts'

/** What has to happen next to a run. Who does it, and whether they may, is decided by reading the ledger again. */
export type Next =
  | { readonly do: 'nothing' }
  /** Decide whether it may start. */
  | { readonly do: 'admit' }
  /** Say what a write would do. */
  | { readonly do: 'preview'; readonly step: number }
  /** Plan the step and append an intent. */
  | { readonly do: 'intend'; readonly phase: Phase; readonly step: number; readonly attempt: number }
  /** An intent has no answer: its writer acts, everybody else finds out what became of it. */
  | {
      readonly do: 'act'
      readonly phase: Phase
      readonly step: number
      readonly intent: NonNullable<StepLife['intent']>
    }
  | {
      readonly do: 'enter'
      readonly state: RunState
      readonly undoing?: boolean
      readonly reason?: string
      readonly summary: string
    }
  | { readonly do: 'await'; readonly what: 'approval' | 'verdict'; readonly until: number }

export function next(run: Run, now: number): Next {
  const { plan } = run
  if (run.state === 'queued') return { do: 'admit' }
  if (run.state === 'awaiting_approval' && plan)
    return { do: 'await', what: 'approval', until: run.since + plan.approvalTimeout }
  if (run.state === 'verifying' && plan) return { do: 'await', what: 'verdict', until: run.since + plan.verifyTimeout }
  if (run.state !== 'running' || !plan) return { do: 'nothing' }
  return run.undoing ? nextUndo(run) : nextStep(run, plan, now)
}

function nextStep(run: Run, plan: RunPlan, now: number): Next {
  const onlySays = plan.mode === 'observe' || plan.mode === 'suggest'
  for (const [step, life] of run.steps.entries()) {
    const { name, kind, onFailure } = plan.steps[step]!
    if (life.result?.outcome === 'in_doubt') return enterNext('in_doubt', `step "${name}": ${life.result.summary}`)
    if (life.result?.outcome === 'failed' && onFailure !== 'continue')
      return stop(run, onFailure === 'rollback', 'StepFailed', `step "${name}" failed: ${life.result.summary}`)
    if (life.result) continue
    if (life.intent) return { do: 'act', phase: 'do', step, intent: life.intent }
    if (now > plan.deadline) return stop(run, true, 'RunTimeout', `timed out before step "${name}"`)
    if (kind === 'read' || mayWrite(run)) return { do: 'intend', phase: 'do', step, attempt: 1 }
    if (life.would === null) return { do: 'preview', step }
    if (!onlySays) return nextPreview(run, plan) ?? enterNext('awaiting_approval', wouldDo(run))
  }
  if (onlySays) return enterNext('cancelled', `mode ${plan.mode}: nothing was changed; ${wouldDo(run)}`, 'OnlySays')
  return enterNext('verifying', `${run.steps.length} steps done`)
}

/** A person is asked once, about all writes that are still to come. */
function nextPreview(run: Run, plan: RunPlan): Next | undefined {
  const step = run.steps.findIndex(
    (life, index) => plan.steps[index]?.kind === 'write' && !life.result && life.would === null,
  )
  return step < 0 ? undefined : { do: 'preview', step }
}

function wouldDo(run: Run): string {
  const would = run.steps.flatMap(life => (life.would === null ? [] : [life.would]))
  return would.length === 0 ? 'no step would change anything' : `would: ${would.join('; ')}`
}

function nextUndo(run: Run): Next {
  for (const step of undoable(run)) {
    const life = run.undo[step]!
    const name = run.plan?.steps[step]?.name ?? ''
    if (life.result?.outcome === 'failed' || life.result?.outcome === 'in_doubt')
      return enterNext('rollback_failed', `undoing "${name}" ${life.result.outcome}: ${life.result.summary}`)
    if (life.result) continue
    if (life.intent) return { do: 'act', phase: 'undo', step, intent: life.intent }
    return { do: 'intend', phase: 'undo', step, attempt: 1 }
  }
  return enterNext('rolled_back', run.undoReason)
}

const enterNext = (state: RunState, summary: string, reason = ''): Next => ({ do: 'enter', state, reason, summary })

function stop(run: Run, rollback: boolean, reason: string, summary: string): Next {
  if (rollback && undoable(run).length > 0) return { do: 'enter', state: 'running', undoing: true, reason, summary }
  return enterNext('failed', summary, reason)
}
