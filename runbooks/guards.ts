import { modes } from '../operators/control.ts'
import { type ServiceCatalogue, type Target, targetOf } from '../operators/services.ts'
import type { RunRequested } from '../operators/signal.ts'
import { serviceKey } from '../operators/signal.ts'
import { duration } from '../operators/window.ts'
import type { Action } from './actions/action.ts'
import type { RunPlan } from './record.ts'
import { isActive, type Ledger, type Run } from './run.ts'
import { contentHash, type Runbook, type Step } from './runbook.ts'

export type ActionOf = (step: Step) => Action<Step>

export interface Limit {
  readonly count: number
  /** Milliseconds. */
  readonly per: number
}

/** What people told the system about actions, as it is known here. */
export interface Controls {
  /** Resolves when all that was told before is known. A rejection: nobody knows, so nothing may be begun. */
  refresh(): Promise<void>
  /** The kill switch: why nothing may be changed here now, or undefined. */
  paused(place: Place): string | undefined
  /** The most a runbook may do here now, where somebody has lowered it, and why. */
  trust(runbook: string, place: Place): { readonly mode: Runbook['mode']; readonly why: string } | undefined
}

export interface Guards {
  readonly runbooks: ReadonlyMap<string, Runbook>
  readonly actionOf: ActionOf
  readonly catalogue: ServiceCatalogue
  readonly maxRunsPerTarget: readonly Limit[]
  /** A request older than this is not started any more: what it was for may be over. */
  readonly maxRequestAge: number
  readonly controls: Controls
}

export interface Place {
  readonly environment: string
  readonly service: string
}

export type Inputs = RunRequested['inputs']

export type Admission =
  | { readonly plan: RunPlan; readonly summary: string }
  | { readonly state: 'blocked' | 'expired'; readonly reason: string; readonly summary: string }

const blocked = (reason: string, summary: string): Admission => ({ state: 'blocked', reason, summary })

/** What a run acts on: its target and nothing else, whatever place the request names. */
export function placeOf(target: string): Place {
  const slash = target.indexOf('/')
  return { environment: target.slice(0, slash).replaceAll('%2F', '/'), service: target.slice(slash + 1) }
}

/**
 * Decides whether a run may start. It fails closed: a target that the catalogue does not name, a runbook that is not
 * there or an input that does not fit is a block, never a guess. Limits are counted from the ledger itself.
 */
export function admit(guards: Guards, ledger: Ledger, run: Run, now: number): Admission {
  const { request } = run
  const runbook = guards.runbooks.get(request.runbook)
  const place = placeOf(request.target)
  if (!runbook) return blocked('UnknownRunbook', `no runbook "${request.runbook}" is loaded here`)
  const target = targetOf(guards.catalogue, place)
  if (!target || place.environment !== request.environment || serviceKey(place) !== request.target)
    return blocked('UnmanagedResource', `services.yaml names no target for ${request.target}; add it to act there`)
  const unmanaged = missingTarget(runbook, target)
  if (unmanaged) return blocked('UnmanagedResource', `${request.target} has no ${unmanaged} in services.yaml`)
  const inputs = inputsOf(runbook, request.inputs)
  if (typeof inputs === 'string') return blocked('InvalidInputs', inputs)
  const paused = guards.controls.paused(place)
  if (paused !== undefined) return blocked('KillSwitch', paused)
  const age = now - request.at
  if (age > guards.maxRequestAge)
    return { state: 'expired', reason: 'Stale', summary: `asked for ${duration(age)} ago; it is not started that late` }
  const { mode, why } = modeOf(guards.controls, runbook.name, runbook.mode, place)
  const plan = planOf({ ...runbook, mode }, contentHash(runbook), guards.actionOf, now)
  return crowded(guards, ledger, run, now) ?? { plan, summary: `mode ${mode}${why ? `, ${why}` : ''}` }
}

/** What a runbook may do here now: as the configuration says, or less where somebody has lowered it. Never more. */
export function modeOf(
  controls: Controls,
  runbook: string,
  configured: Runbook['mode'],
  place: Place,
): { mode: Runbook['mode']; why: string } {
  const trust = controls.trust(runbook, place)
  if (!trust || modes.indexOf(trust.mode) >= modes.indexOf(configured)) return { mode: configured, why: '' }
  return trust
}

function missingTarget(runbook: Runbook, target: Target): string | undefined {
  return runbook.steps.some(step => step.tool === 'render') && !target.render ? 'render.serviceId' : undefined
}

/** Another run has the target, or it had too many. */
function crowded({ maxRunsPerTarget }: Guards, ledger: Ledger, run: Run, now: number): Admission | undefined {
  const busy = ledger.open.find(isActive)
  if (busy) {
    const reason = busy.request.runbook === run.request.runbook ? 'DuplicateInProgress' : 'ResourceBusy'
    return blocked(reason, `run ${busy.request.run} of "${busy.request.runbook}" is ${busy.state} on the same target`)
  }
  const starts = ledger.finished.flatMap(({ startedAt }) => (startedAt === null ? [] : [startedAt]))
  for (const { count, per } of maxRunsPerTarget) {
    const recent = starts.filter(at => at > now - per).length
    if (recent >= count)
      return blocked(
        'RunLimit',
        `${recent} runs on ${run.request.target} within ${duration(per)}, allowed are ${count}`,
      )
  }
  return undefined
}

function planOf(runbook: Runbook, hash: string, actionOf: ActionOf, now: number): RunPlan {
  return {
    hash,
    mode: runbook.mode,
    steps: runbook.steps.map(step => {
      const action = actionOf(step)
      const kind = action.kind(step)
      const repeatable = kind === 'read' && action.repeatable(step)
      return { name: step.name, tool: step.tool, kind, repeatable, onFailure: step.onFailure }
    }),
    deadline: now + runbook.timeout,
    approvalTimeout: runbook.approval.timeout,
    // The verdict is due at `verify.timeout` in event time; this is for the case that none ever comes.
    verifyTimeout: 2 * runbook.verify.timeout,
  }
}

/** The declared inputs with their values; text says why one does not fit. What is not declared does not get through. */
export function inputsOf(runbook: Runbook, given: Inputs): Inputs | string {
  const values: Inputs = {}
  for (const [name, { type, required, default: byDefault, pattern, minimum, maximum }] of Object.entries(
    runbook.inputs,
  )) {
    const value = Object.hasOwn(given, name) ? given[name] : byDefault
    if (value === undefined && required) return `input "${name}" is required`
    if (value === undefined) continue
    if (typeof value !== type) return `input "${name}" is not a ${type}`
    if (typeof value === 'string' && pattern !== undefined && !new RegExp(`^(?:${pattern})$`, 'u').test(value))
      return `input "${name}" does not match ${pattern}`
    if (typeof value === 'number' && (value < (minimum ?? value) || value > (maximum ?? value)))
      return `input "${name}" is outside ${minimum ?? '…'} to ${maximum ?? '…'}`
    values[name] = value
  }
  return values
}
