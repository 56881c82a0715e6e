import type { RunRecord } from './record.ts'
import type { Change, Run } from './run.ts'

/** What was asked for, intended and done, one row a record, for the table `run_events`. Identity: partition, offset. */
export interface JournalRow {
  readonly partition: number
  readonly offset: number
  readonly run: string
  readonly target: string
  readonly environment: string
  readonly service: string
  readonly runbook: string
  readonly incident: string
  readonly type: RunRecord['type']
  /** False: the record did not count, being a repeat or too late. */
  readonly accepted: boolean
  /** State of the run after it. */
  readonly state: string
  readonly phase: string
  /** -1: the record is not about a step. */
  readonly step: number
  readonly step_name: string
  readonly outcome: string
  readonly reason: string
  readonly summary: string
  readonly output: string
  /** JSON. */
  readonly before: string
  readonly after: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** The row of a record; a pure function of the ledger so far, so that a replay writes the same. */
export function journalRow(
  record: RunRecord,
  { accepted, summary }: Change,
  run: Run | undefined,
  at: { partition: number; offset: number },
): JournalRow {
  const step = record.type === 'intent' || record.type === 'result' ? record.step : -1
  const said = 'summary' in record ? record.summary : 'why' in record ? record.why : ''
  return {
    partition: at.partition,
    offset: at.offset,
    run: record.run,
    target: record.target,
    environment: run?.request.environment ?? '',
    service: run?.request.service ?? '',
    runbook: run?.request.runbook ?? '',
    incident: run?.request.incident ?? '',
    type: record.type,
    accepted,
    state: run?.state ?? '',
    phase: 'phase' in record ? record.phase : '',
    step,
    step_name: run?.plan?.steps[step]?.name ?? '',
    outcome: record.type === 'result' ? record.outcome : record.type === 'verdict' ? record.verdict : '',
    reason: 'reason' in record ? record.reason : '',
    summary: summary || said,
    output: record.type === 'result' ? record.output : '',
    before: 'before' in record ? JSON.stringify(record.before) : '',
    after: record.type === 'result' ? JSON.stringify(record.after) : '',
    at: Math.floor(record.at),
  }
}

/** A run as it stands, for the table `runs`. Identity: run; of its versions the highest counts. */
export interface RunRow {
  readonly run: string
  readonly version: number
  readonly environment: string
  readonly service: string
  readonly target: string
  readonly incident: string
  readonly runbook: string
  /** Empty until it is planned. */
  readonly mode: string
  readonly state: string
  readonly reason: string
  readonly summary: string
  /** Milliseconds since 1970. */
  readonly requested_at: number
  /** When it came into its state. */
  readonly at: number
  /** The run whole, as JSON. */
  readonly body: string
}

/** The row of a run; a pure function of the records that count for it. */
export function runRow(run: Run): RunRow {
  const { run: id, environment, service, target, incident, runbook, at } = run.request
  const { version, state, reason, summary } = run
  return {
    ...{ run: id, version, environment, service, target, incident, runbook },
    ...{ mode: run.plan?.mode ?? '', state, reason, summary },
    requested_at: Math.floor(at),
    at: Math.floor(run.since),
    body: JSON.stringify(run),
  }
}
