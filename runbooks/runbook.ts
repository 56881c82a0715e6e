import { z } from 'zod'
import { identify } from '../operators/identity.ts'
import { CauseTrigger, MetricTrigger, RunbookTriggers, ruleNameOf } from '../operators/trigger/runbook-triggers.ts'
import { Duration, duration } from '../operators/window.ts'
import { LogAnalysisStep } from './actions/log-analysis.ts'
import { RenderStep } from './actions/render.ts'
import { ShellStep } from './actions/shell.ts'
import { WaitStep } from './actions/wait.ts'

export const Mode = z
  .enum(['observe', 'suggest', 'approve', 'auto'])
  .describe('observe, suggest: only say what would be done. approve: a person must agree. auto: act.')
export type Mode = z.output<typeof Mode>

export const Trigger = z.union([MetricTrigger, CauseTrigger])
export type Trigger = z.output<typeof Trigger>

export const Step = z.discriminatedUnion('tool', [ShellStep, LogAnalysisStep, RenderStep, WaitStep])
export type Step = z.output<typeof Step>

function isPattern(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp
  } catch {
    return false
  }
}

const Input = z.strictObject({
  type: z.enum(['string', 'number', 'boolean']).default('string'),
  required: z.boolean().default(false),
  default: z.union([z.string(), z.number(), z.boolean()]).optional(),
  pattern: z
    .string()
    .refine(isPattern, 'not a regular expression')
    .optional()
    .describe('What a string must match, whole.'),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
})

/** One runbook, as its YAML file has it. Durations are text there and milliseconds here. */
export const Runbook = z
  .strictObject({
    name: z.string().min(1).describe('Unique among all runbooks.'),
    description: z.string().default(''),
    mode: Mode.default('approve'),
    triggers: z.array(Trigger).default([]).describe('When it is asked for; any one of them is enough.'),
    inputs: z.record(z.string().regex(/^[a-z][A-Za-z0-9_]*$/, 'not a name for an input'), Input).default({}),
    steps: z.array(Step).min(1).describe('Run one after the other.'),
    verify: RunbookTriggers.shape.verify.describe('How it is found out whether the run has helped.'),
    maxAttempts: RunbookTriggers.shape.maxAttempts,
    cooldown: RunbookTriggers.shape.cooldown,
    approval: z
      .strictObject({ timeout: Duration.prefault('15m').describe('Not approved by then: the run expires.') })
      .prefault({}),
    timeout: Duration.prefault('1h').describe('Most time of all steps together; no step begins after it.'),
  })
  .check(({ value, issues }) => {
    const twice = value.steps.findIndex(
      ({ id }, at) => id !== undefined && value.steps.findIndex(s => s.id === id) < at,
    )
    if (twice >= 0) {
      const id = value.steps[twice]?.id
      const message = `"${id}" is the id of an earlier step; rename one of them`
      issues.push({ code: 'custom', input: id, path: ['steps', twice, 'id'], message })
    }
    const { initialDelay, window, timeout } = value.verify
    if (timeout <= initialDelay + window) {
      const message = `${duration(timeout)} is not longer than initialDelay ${duration(initialDelay)} and window ${duration(window)} together, so nothing could ever be verified; make it longer`
      issues.push({ code: 'custom', input: timeout, path: ['verify', 'timeout'], message })
    }
  })
export type Runbook = z.output<typeof Runbook>

/** For editors: `deploy/runbook.schema.json`. */
export function runbookJsonSchema(): object {
  return z.toJSONSchema(Runbook, { io: 'input' })
}

/** What the configuration of a process decides about runbooks, whatever their files say. */
export interface Adaptation {
  /** Divides every duration of every runbook. */
  readonly timeScale?: number
  /** The mode of all of them, */
  readonly mode?: Mode | undefined
  /** and of single ones by name. */
  readonly modes?: Readonly<Record<string, Mode>>
}

/**
 * Runbooks as this process runs them.
 * @throws {Error} if `modes` names a runbook that does not exist
 */
export function adapt(runbooks: readonly Runbook[], { timeScale = 1, mode, modes = {} }: Adaptation): Runbook[] {
  const names = runbooks.map(runbook => runbook.name)
  for (const name of Object.keys(modes))
    if (!names.includes(name))
      throw new Error(`modes: no runbook "${name}"; there are ${names.map(known => `"${known}"`).join(', ')}`)
  return runbooks.map(runbook => ({
    ...faster(runbook, timeScale),
    mode: modes[runbook.name] ?? mode ?? runbook.mode,
  }))
}

function faster(runbook: Runbook, scale: number): Runbook {
  const { verify, approval, cooldown } = runbook
  return {
    ...runbook,
    timeout: runbook.timeout / scale,
    approval: { timeout: approval.timeout / scale },
    ...(cooldown !== undefined && { cooldown: cooldown / scale }),
    verify: {
      ...verify,
      initialDelay: verify.initialDelay / scale,
      window: verify.window / scale,
      timeout: verify.timeout / scale,
    },
    triggers: runbook.triggers.map(trigger =>
      'metric' in trigger ? { ...trigger, duration: trigger.duration / scale } : trigger,
    ),
    steps: runbook.steps.map(step =>
      step.tool === 'wait' ? { ...step, for: step.for / scale } : { ...step, timeout: step.timeout / scale },
    ),
  }
}

/** Changes whenever what a run would do changes: a run is carried on only by the runbook it was planned with. */
export function contentHash(runbook: Runbook): string {
  return identify(JSON.stringify([runbook.inputs, runbook.steps]))
}

/** A static rule: what the detection must watch, beside its own models, for a metric trigger. */
export interface Rule {
  readonly name: string
  readonly metric: string
  readonly threshold: number
  readonly comparison: 'above' | 'below'
  readonly service?: string
  readonly environment?: string
}

/** The rules that runbooks need watched. `duration` is not part of one: it gates the runbook, not the detection. */
export function rulesOf(runbooks: readonly Runbook[]): Rule[] {
  return runbooks.flatMap(runbook =>
    runbook.triggers.flatMap((trigger, index) => {
      if (!('metric' in trigger)) return []
      const { duration: _gate, ...rule } = trigger
      return [{ name: ruleNameOf(runbook, index), ...rule } as Rule]
    }),
  )
}

/** What the decision whether to ask for a runbook needs to know of each. */
export function triggersOf(runbooks: readonly Runbook[]): RunbookTriggers[] {
  return runbooks.map(({ name, mode, triggers, verify, maxAttempts, cooldown, timeout, approval }) => ({
    name,
    mode,
    triggers,
    verify,
    maxAttempts,
    cooldown,
    // A run is silent while a step runs or people think, at most that long.
    runTimeout: Math.max(4 * verify.timeout, timeout + approval.timeout),
  }))
}
