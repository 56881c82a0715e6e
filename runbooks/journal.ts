import type { RunRecord } from './record.ts'
import type { Change, Run } from './run.ts'

/** What was asked for, intended and done, one row a record, for the table of the same name. Identity: partition, offset. */
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
    at: record.at,
  }
}
