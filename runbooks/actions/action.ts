import { z } from 'zod'
import type { Clock } from '../../operators/clock.ts'
import type { Target } from '../../operators/services.ts'
import { Duration } from '../../operators/window.ts'

export type Json = z.output<ReturnType<typeof z.json>>

/** Fields every step has, whatever its tool. */
export const stepFields = {
  name: z.string().min(1).describe('What people read while the step runs.'),
  id: z
    .string()
    .regex(/^[a-z][a-z0-9_-]*$/, 'an id is lower case letters, digits, - and _')
    .optional()
    .describe('Names the step for other steps.'),
  onFailure: z
    .enum(['rollback', 'abort', 'continue'])
    .default('rollback')
    .describe('rollback: stop and undo what the run has changed. abort: stop and leave it. continue: go on.'),
}

export const stepTimeout = (byDefault: string) =>
  Duration.prefault(byDefault).describe(`How long the step may take; default ${byDefault}.`)

/** `read`: changes nothing. `write`: changes the world, so it needs `mode: auto` or an approval. */
export type Kind = 'read' | 'write'

/** What an action is told beside its own fields. Values from telemetry are in `inputs` and nowhere else. */
export interface ActionContext {
  readonly run: string
  readonly runbook: string
  readonly incident: string
  readonly place: { readonly environment: string; readonly service: string }
  /** Where the catalogue says actions on this service go, in this environment. */
  readonly target: Target
  readonly inputs: Readonly<Record<string, string | number | boolean>>
  readonly clock: Clock
  /** Time of `clock` after which the action must have answered. */
  readonly deadline: number
  /** Aborted at shutdown, and a little after the deadline. */
  readonly signal: AbortSignal
}

/** What an action would do now: found out by reading, before anything is intended. */
export type Plan =
  | {
      readonly verdict: 'act'
      readonly summary: string
      /** The state before: enough to tell later whether the effect took place, and to undo it. */
      readonly before: Json
      readonly desired: Json
      /** Fields of the step that would undo this one; null: it cannot be undone. */
      readonly undo: Readonly<Record<string, Json>> | null
    }
  | { readonly verdict: 'already'; readonly summary: string; readonly before: Json }
  | { readonly verdict: 'refuse'; readonly summary: string }

export type Act = Extract<Plan, { verdict: 'act' }>

export interface Effect {
  readonly succeeded: boolean
  /** Whether the world is not as it was; a failed action may have changed it all the same. */
  readonly changed: boolean
  readonly summary: string
  readonly output: string
  readonly after: Json
}

/** Whether the desired state holds, as read from the real system. */
export interface Observation {
  readonly holds: boolean
  readonly summary: string
  readonly after: Json
}

/** Thrown by `run` of a write when it is certain that nothing was changed. Any other error means "unknown". */
export class NothingDone extends Error {
  override readonly name = 'NothingDone'
}

/**
 * A tool of a runbook. `run` of a write is called at most once per step of a run, ever: not again after a crash, and not
 * again after an error. What then is true is found by `observe`, which only reads.
 */
export interface Action<Step> {
  readonly tool: string
  /** One sentence, the first line of its reference entry. */
  readonly summary: string
  kind(step: Step): Kind
  /** Whether a step whose outcome is unknown may simply be run again. */
  repeatable(step: Step): boolean
  /** Most milliseconds the step may take. */
  timeout(step: Step): number
  /** Only reads. A rejection fails the step before anything was done. */
  plan(step: Step, context: ActionContext): Promise<Plan>
  run(step: Step, plan: Pick<Act, 'before' | 'desired'>, context: ActionContext): Promise<Effect>
  /** Only reads; absent: nothing can be known, and an interrupted write stays in doubt. */
  observe?(step: Step, plan: Pick<Act, 'before' | 'desired'>, context: ActionContext): Promise<Observation>
}

/** Steps that only read have nothing to plan. */
export const readPlan = (summary: string): Plan => ({
  verdict: 'act',
  summary,
  before: null,
  desired: null,
  undo: null,
})
