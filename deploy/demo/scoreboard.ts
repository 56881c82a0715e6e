import { causeIsRight, healed, missing, type Progress } from './follow.ts'

/** The end of the story, for people and, as JSON, for machines. Durations are in seconds from the injection. */
export interface Scoreboard {
  healed: boolean
  timeScale: number
  faults: FaultScore[]
  /** Incidents that belong to no fault. */
  falseAlarms: number
  agentPeakRssBytes: number
  totalSeconds: number
}

export interface FaultScore {
  fault: string
  service: string
  incident: string | null
  detectedAfter: number | null
  cause: { service: string; subject: string; confidence: number } | null
  causeIsRight: boolean
  action: { runbook: string; target: string; state: string } | null
  recoveredAfter: number | null
  healed: boolean
  missing: string[]
}

const seconds = (from: number, to: number | undefined): number | null =>
  to === undefined ? null : Math.round((to - from) / 100) / 10

export function scoreOf(progress: Progress): FaultScore {
  const { fault, injectedAt, incident, detectedAt, cause, run, verifiedAt, resolvedAt } = progress
  const recoveredAt = verifiedAt && resolvedAt && Math.max(verifiedAt, resolvedAt)
  return {
    fault: fault.name,
    service: fault.service,
    incident: incident?.id ?? null,
    detectedAfter: seconds(injectedAt, detectedAt),
    cause: cause ? { service: cause.service, subject: cause.subject, confidence: cause.confidence } : null,
    causeIsRight: causeIsRight(progress),
    action: run ? { runbook: run.runbook, target: run.target, state: run.state } : null,
    recoveredAfter: seconds(injectedAt, recoveredAt),
    healed: healed(progress),
    missing: missing(progress),
  }
}

const row = (cells: readonly string[], widths: readonly number[]): string =>
  cells
    .map((cell, index) => cell.padEnd(widths[index] ?? 0))
    .join('  ')
    .trimEnd()

const after = (value: number | null): string => (value === null ? 'never' : `${value.toFixed(1)} s`)

/** The table that the demo ends with. */
export function print(board: Scoreboard): string[] {
  const heading = ['fault', 'detected', 'named cause', 'right', 'action', 'verified recovery']
  const rows = board.faults.map(score => [
    `${score.fault} in ${score.service}`,
    after(score.detectedAfter),
    score.cause ? `${score.cause.service}: ${shorten(score.cause.subject)}` : 'none',
    score.causeIsRight ? 'yes' : 'no',
    score.action ? `${score.action.runbook} on ${score.action.target}` : 'none',
    after(score.recoveredAfter),
  ])
  const table = [heading, ...rows]
  const widths = heading.map((_, index) => Math.max(...table.map(cells => cells[index]?.length ?? 0)))
  const count = board.faults.filter(score => score.healed).length
  return [
    row(heading, widths),
    ...rows.map(cells => row(cells, widths)),
    '',
    `${count} of ${board.faults.length} faults healed, ${board.falseAlarms} false alarms, ` +
      `agent's peak memory ${Math.round(board.agentPeakRssBytes / 1e6)} MB, ` +
      `${Math.round(board.totalSeconds)} s in all, timeScale ${board.timeScale}`,
    ...board.faults.flatMap(score => score.missing.map(text => `missing: ${score.fault}: ${text}`)),
  ]
}

const subjectLimit = 48

const shorten = (text: string): string => (text.length > subjectLimit ? `${text.slice(0, subjectLimit - 1)}…` : text)
