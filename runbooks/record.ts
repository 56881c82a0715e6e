import { z } from 'zod'
import { RunRequested, RunState, RunVerdict } from '../operators/signal.ts'
import { Mode } from './runbook.ts'

// The records of `ops.runs`, the ledger of everything asked for, intended and done. Its key is the target, so that the
// records of a target have one order; what is true of a run is a function of them in that order (run.ts).

/** Raised when a record changes its shape; readers take this version and the one before. */
export const recordVersion = 1

const stamp = {
  run: z.string(),
  /** `environment/service`: key of the topic. */
  target: z.string(),
  /** Milliseconds, by the clock of who wrote it. */
  at: z.number(),
}
/** Names the record itself, so that its writer recognises it when reading it back. */
const nonce = z.string().min(1)

/** A person agreed to, or refused, what a run in `awaiting_approval` would do. */
export const Decision = z.object({
  type: z.enum(['approved', 'rejected']),
  ...stamp,
  by: z.string().min(1),
  reason: z.string().default(''),
})
export type Decision = z.output<typeof Decision>

/** `do`: the steps of the runbook. `undo`: taking their effects back, newest first. */
export const Phase = z.enum(['do', 'undo'])
export type Phase = z.output<typeof Phase>

/**
 * Somebody is about to run a step. Of all intents for one (run, phase, step, attempt) the first in offset order counts,
 * and only its writer may act, once.
 */
export const Intent = z.object({
  type: z.literal('intent'),
  ...stamp,
  nonce,
  phase: Phase,
  step: z.int().nonnegative(),
  attempt: z.int().positive(),
  summary: z.string(),
  before: z.json(),
  desired: z.json(),
  /** Fields of the step that would undo this one. */
  undo: z.record(z.string(), z.json()).nullable(),
  /** When the step must have answered. */
  deadline: z.number(),
})
export type Intent = z.output<typeof Intent>

export const Outcome = z.enum(['succeeded', 'failed', 'skipped', 'in_doubt', 'would_do'])
export type Outcome = z.output<typeof Outcome>

export const Result = z.object({
  type: z.literal('result'),
  ...stamp,
  nonce,
  phase: Phase,
  step: z.int().nonnegative(),
  /** Nonce of the intent it answers; null: nothing had to be, or could be, intended. */
  intent: z.string().nullable(),
  outcome: Outcome,
  /** Whether the world is not as it was. */
  changed: z.boolean(),
  summary: z.string(),
  /** Masked, and bounded. */
  output: z.string(),
  before: z.json(),
  after: z.json(),
})
export type Result = z.output<typeof Result>

/** What a run is going to do, frozen when it starts. */
export const RunPlan = z.object({
  /** Content hash of the runbook. */
  hash: z.string(),
  mode: Mode,
  steps: z.array(
    z.object({
      name: z.string(),
      tool: z.string(),
      kind: z.enum(['read', 'write']),
      repeatable: z.boolean(),
      onFailure: z.enum(['rollback', 'abort', 'continue']),
    }),
  ),
  /** No step begins after it. */
  deadline: z.number(),
  approvalTimeout: z.number(),
  verifyTimeout: z.number(),
})
export type RunPlan = z.output<typeof RunPlan>

export const StateChange = z.object({
  type: z.literal('state'),
  ...stamp,
  nonce,
  /** What it was concluded from: the run as of this version. It counts for that version only. */
  version: z.int().nonnegative(),
  state: RunState,
  /** With state `running`: from now on, effects are undone. */
  undoing: z.boolean().default(false),
  /** One word of a closed list for `blocked` and `failed`, for example UnmanagedResource. */
  reason: z.string().default(''),
  summary: z.string(),
  /** With the first `running`. */
  plan: RunPlan.nullable().default(null),
})
export type StateChange = z.output<typeof StateChange>

const Verdict = RunVerdict.extend({ nonce: nonce.optional() })

export const RunRecord = z.discriminatedUnion('type', [RunRequested, Decision, Intent, Result, StateChange, Verdict])
export type RunRecord = z.output<typeof RunRecord>

/** A record as it is written: key, JSON, and the header with its version. */
export function encodeRecord(record: RunRecord): { key: string; value: string; headers: Record<string, string> } {
  return { key: record.target, value: JSON.stringify(record), headers: { 'ops-v': String(recordVersion) } }
}

/**
 * Reads a record back. A record without a version header is of version 1.
 * @throws {Error} saying what does not fit; such a record belongs to the dead letters
 */
export function decodeRecord(value: Buffer | string | null, headers: Readonly<Record<string, string>> = {}): RunRecord {
  const version = Number(headers['ops-v'] ?? recordVersion)
  if (!(version === recordVersion || version === recordVersion - 1))
    throw new Error(
      `run record of version ${headers['ops-v']}: this ops-agent reads ${recordVersion} and ${recordVersion - 1}; upgrade it`,
    )
  const parsed = RunRecord.safeParse(JSON.parse(String(value)))
  if (!parsed.success) throw new Error(`run record: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}
