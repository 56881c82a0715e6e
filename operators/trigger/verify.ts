import { signalKey } from '../group/tracked.ts'
import type { EventTime } from '../operator.ts'
import { type Incident, type IncidentSignal, type RunState, type RunVerdict, serviceKey } from '../signal.ts'
import { type RunbookTriggers, runTimeoutOf } from './runbook-triggers.ts'
import { fires } from './watch.ts'

/** A run that was asked for and is not known to be over; JSON-safe. */
export interface OpenRun {
  readonly run: string
  readonly runbook: string
  incident: string
  readonly target: string
  /** The signals that asked, by `signalKey`. */
  readonly asked: readonly string[]
  /** Signals of the incident that fired when the run was asked for, by `signalKey`. */
  readonly firing: readonly string[]
  /** As the runbook had it when the run was asked for. */
  readonly verify: RunbookTriggers['verify']
  readonly timeout: number
  /** When it was last heard of. */
  heardAt: EventTime
  runningAt: EventTime | null
  verifyingAt: EventTime | null
  /** Since when all is clear, or null. */
  clearSince: EventTime | null
  /** Signals that were clear while it was being verified, by `signalKey`. */
  cleared: string[]
  verdict: RunVerdict['verdict'] | null
}

export function openRun(
  ids: Pick<OpenRun, 'run' | 'incident' | 'target' | 'asked' | 'firing'>,
  runbook: RunbookTriggers,
  now: EventTime,
): OpenRun {
  return {
    ...ids,
    ...{ runbook: runbook.name, verify: runbook.verify, timeout: runTimeoutOf(runbook), heardAt: now },
    ...{ runningAt: null, verifyingAt: null, clearSince: null, cleared: [], verdict: null },
  }
}

/** Takes in where a run has got to. */
export function follow(run: OpenRun, state: string, at: EventTime): void {
  run.heardAt = Math.max(run.heardAt, at)
  if (state === 'running' || state === 'verifying') run.runningAt ??= at
  if (state === 'verifying') run.verifyingAt ??= at
}

const stops: readonly RunState[] = ['rejected', 'expired', 'cancelled', 'rollback_failed', 'in_doubt']
const ends: readonly RunState[] = ['succeeded', 'failed', 'rolled_back', 'blocked', ...stops]

/** Whether a run in this state is over, and if so whether anything else may be tried on its target. */
export function endOf(state: string): 'goes on' | 'over' | 'stop' {
  if ((stops as readonly string[]).includes(state)) return 'stop'
  return (ends as readonly string[]).includes(state) ? 'over' : 'goes on'
}

type Judgement = Pick<RunVerdict, 'verdict' | 'why'>

/**
 * Whether a run has helped, once that can be said. Verified: its signals are clear by reports from after it began, and
 * stayed clear for `verify.window`. Failed: one fires still at the end of `verify.timeout`, or again after it was clear.
 * Inconclusive: nothing is heard of them, which is no success.
 */
export function judge(run: OpenRun, incident: Incident | undefined, now: EventTime): Judgement | undefined {
  if (run.verifyingAt === null || run.verdict !== null) return undefined
  const { initialDelay, window, timeout } = run.verify
  const lookFrom = run.verifyingAt + initialDelay
  if (now < lookFrom) return undefined
  const atEnd = now >= run.verifyingAt + timeout
  if (!incident) return atEnd ? inconclusive('its incident is no longer known') : undefined
  const signals = relevant(run, incident)
  const again = signals.find(signal => fires(signal) && run.cleared.includes(signalKey(signal)))
  if (again) return { verdict: 'failed', why: `${name(again)} fires again after it was clear` }
  run.cleared = signals.filter(signal => !signal.firing).map(signalKey)
  const unheard = signals.filter(signal => !isHeard(signal, run))
  const isClear = run.cleared.length === signals.length && unheard.length === 0
  run.clearSince = isClear ? (run.clearSince ?? now) : null
  if (run.clearSince !== null && now >= run.clearSince + window)
    return { verdict: 'verified', why: `${signals.map(name).join(', ')} clear for ${window / 1_000} s` }
  if (incident.closedAt !== null && incident.resolvedAt === null) return inconclusive('its signals fell silent')
  if (!atEnd) return undefined
  const firing = signals.find(fires)
  if (firing) return { verdict: 'failed', why: `${name(firing)} still fires` }
  const silent = unheard[0]
  return inconclusive(silent ? `no report of ${name(silent)} since the run began` : 'clear, but not for long enough')
}

/** The next time at which `judge` may say something else though nothing is heard, or null; later than `now`. */
export function judgeAt(run: OpenRun, now: EventTime): EventTime | null {
  if (run.verifyingAt === null || run.verdict !== null) return null
  const { initialDelay, window, timeout } = run.verify
  const times = [run.verifyingAt + initialDelay, run.verifyingAt + timeout]
  if (run.clearSince !== null) times.push(run.clearSince + window)
  const later = times.filter(time => time > now)
  return later.length === 0 ? null : Math.min(...later)
}

const inconclusive = (why: string): Judgement => ({ verdict: 'inconclusive', why })
const name = (signal: IncidentSignal) =>
  signal.kind === 'log' ? `a log pattern of ${signal.service}` : `${signal.subject} of ${signal.service}`

/**
 * Of what fired when the run was asked for, reports from before it began say nothing about it. What was clear by then is
 * no longer reported and need not be.
 */
function isHeard(signal: IncidentSignal, run: OpenRun): boolean {
  if (signal.absent) return false
  return !run.firing.includes(signalKey(signal)) || signal.lastAt > (run.runningAt ?? run.verifyingAt ?? 0)
}

function relevant(run: OpenRun, { environment, signals }: Incident): IncidentSignal[] {
  if (run.verify.signals === 'all') return signals
  return signals.filter(
    signal =>
      run.asked.includes(signalKey(signal)) || serviceKey({ environment, service: signal.service }) === run.target,
  )
}
