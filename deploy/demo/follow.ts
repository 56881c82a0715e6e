import type { Cause, Incident } from '../../operators/signal.ts'
import type { Fault } from './faults.ts'

/** What the agent has made of one fault so far. Times are this machine's clock in ms: when the API first said so. */
export interface Progress {
  readonly fault: Fault
  readonly injectedAt: number
  /** The incident as it was last seen. */
  readonly incident?: Incident
  readonly detectedAt?: number
  /** The first cause that was named, as it stood when the runbook was asked for: what was acted upon. */
  readonly cause?: Cause
  readonly identifiedAt?: number
  readonly run?: Incident['runs'][number]
  readonly actedAt?: number
  readonly verifiedAt?: number
  readonly resolvedAt?: number
}

/** Clocks of two processes, and a window that began before the fault, may put a sign before its fault. */
const tolerance = 5_000

/**
 * Progress after a look at the agent's incidents. A fault's incident is one with a signal, in the broken service or in
 * one that feels it, that began after the injection. Once found, it is kept, through merges.
 */
export function follow(progress: Progress, incidents: readonly Incident[], now: number): Progress {
  const found = incidents.find(({ id }) => id === progress.incident?.id) ?? incidents.find(about(progress))
  if (found === undefined) return progress
  const incident = survivor(found, incidents)
  const [cause] = incident.causes
  const run = incident.runs.findLast(({ at }) => at >= progress.injectedAt - tolerance)
  // A closed incident may have been given up on, which is no success; only its time of resolution tells.
  const resolved = (incident.state === 'resolved' || incident.state === 'closed') && incident.resolvedAt !== null
  return {
    ...progress,
    incident,
    detectedAt: progress.detectedAt ?? now,
    ...(cause && { identifiedAt: progress.identifiedAt ?? now }),
    ...(cause && { cause: progress.run ? (progress.cause ?? cause) : cause }),
    ...(run && { run, actedAt: progress.actedAt ?? now }),
    ...(run?.state === 'succeeded' && { verifiedAt: progress.verifiedAt ?? now }),
    ...(resolved && { resolvedAt: progress.resolvedAt ?? now }),
  }
}

/** The incident itself, or the one that it has become a part of. */
function survivor(incident: Incident, incidents: readonly Incident[]): Incident {
  const into = incident.state === 'merged' && incidents.find(({ id }) => id === incident.mergedInto)
  return into ? survivor(into, incidents) : incident
}

function about({ fault, injectedAt }: Progress): (incident: Incident) => boolean {
  const concerned = new Set<string>([fault.service, ...fault.felt])
  return incident =>
    incident.signals.some(({ service, since }) => concerned.has(service) && since >= injectedAt - tolerance)
}

export function causeIsRight({ fault, cause }: Progress): boolean {
  return cause !== undefined && cause.service === fault.service && fault.expected.cause.test(cause.subject)
}

/** What keeps a fault from being healed, in words; empty when it is. */
export function missing(progress: Progress): string[] {
  const { fault, incident, cause, run, verifiedAt, resolvedAt } = progress
  if (incident === undefined) return ['was not detected']
  const problems: string[] = []
  if (cause === undefined) problems.push('no cause was named')
  else if (!causeIsRight(progress))
    problems.push(`the cause named was ${cause.service} ${cause.subject}, not ${fault.service}`)
  const wanted = fault.expected.runbooks.map(name => `'${name}'`).join(' or ')
  if (run === undefined) problems.push(`no runbook was asked for; expected ${wanted}`)
  else if (!fault.expected.runbooks.includes(run.runbook))
    problems.push(`runbook '${run.runbook}' ran; expected ${wanted}`)
  if (run !== undefined && verifiedAt === undefined) problems.push(`the run is '${run.state}', not verified`)
  if (resolvedAt === undefined) problems.push(`incident ${incident.id} is '${incident.state}', not resolved`)
  return problems
}

export const healed = (progress: Progress): boolean => missing(progress).length === 0

const ongoing: readonly string[] = ['queued', 'blocked', 'awaiting_approval', 'running', 'verifying', 'in_doubt']

/** Whether nothing more is to be expected: healed, or the agent is done with the incident all the same. */
export function isOver({ incident, run }: Progress): boolean {
  const done = incident?.state === 'resolved' || incident?.state === 'closed'
  return done && (run === undefined || !ongoing.includes(run.state))
}
