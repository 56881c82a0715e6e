import { z } from 'zod'
import { identify } from '../operators/identity.ts'
import { Duration } from '../operators/window.ts'
import { LogAnalysisStep } from './actions/log-analysis.ts'
import { RenderStep } from './actions/render.ts'
import { ShellStep } from './actions/shell.ts'
import { WaitStep } from './actions/wait.ts'

export const Mode = z
  .enum(['observe', 'suggest', 'approve', 'auto'])
  .describe('observe, suggest: only say what would be done. approve: a person must agree. auto: act.')
export type Mode = z.output<typeof Mode>

/** A metric stays beyond a threshold. */
export const MetricTrigger = z.strictObject({
  metric: z.string().min(1).describe('Name of the metric; aliases of other collectors count too.'),
  threshold: z.number(),
  comparison: z.enum(['above', 'below']).default('above'),
  duration: Duration.default(0).describe('How long beyond the threshold before the runbook is asked for.'),
  service: z.string().min(1).optional().describe('Only this service.'),
  environment: z.string().min(1).optional().describe('Only this environment.'),
})
export type MetricTrigger = z.output<typeof MetricTrigger>

/** An incident whose first cause fits; the run is for the service of the cause. */
export const CauseTrigger = z.strictObject({
  cause: z.strictObject({
    metric: z.string().min(1).optional().describe('Metric of the cause.'),
    service: z.string().min(1).optional().describe('Service of the cause.'),
  }),
  minConfidence: z.number().min(0).max(1).optional().describe('Least confidence of the cause, 0 to 1.'),
})
export type CauseTrigger = z.output<typeof CauseTrigger>

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

const Verify = z
  .strictObject({
    initialDelay: Duration.prefault('30s').describe('How long after the last step before the signal is looked at.'),
    window: Duration.prefault('5m').describe('How long the signal must stay clear.'),
    timeout: Duration.prefault('30m').describe(
      'Without an answer by then the fix is inconclusive, which is no success.',
    ),
  })
  .prefault({})
  .check(({ value, issues }) => {
    if (value.timeout > value.initialDelay + value.window) return
    issues.push({
      code: 'custom',
      input: value.timeout,
      path: ['timeout'],
      message: `timeout ${value.timeout} ms is not longer than initialDelay ${value.initialDelay} ms and window ${value.window} ms together, so nothing could ever be verified; make it longer`,
    })
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
    verify: Verify,
    approval: z
      .strictObject({ timeout: Duration.prefault('15m').describe('Not approved by then: the run expires.') })
      .prefault({}),
    timeout: Duration.prefault('1h').describe('Most time of all steps together; no step begins after it.'),
  })
  .check(({ value, issues }) => {
    const seen = new Set<string>()
    value.steps.forEach(({ id }, index) => {
      if (id !== undefined && seen.has(id))
        issues.push({
          code: 'custom',
          input: id,
          path: ['steps', index, 'id'],
          message: `"${id}" is the id of an earlier step; rename one of them`,
        })
      if (id !== undefined) seen.add(id)
    })
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
  const { verify, approval } = runbook
  return {
    ...runbook,
    timeout: runbook.timeout / scale,
    approval: { timeout: approval.timeout / scale },
    verify: {
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
      const { duration: _, ...rule } = trigger
      return [{ name: ruleName(runbook, index), ...rule } as Rule]
    }),
  )
}

/** Name of the rule behind the metric trigger at `index` of a runbook. */
export function ruleName(runbook: Runbook, index: number): string {
  const first = runbook.triggers.findIndex(trigger => 'metric' in trigger)
  return index === first ? runbook.name : `${runbook.name} (${index + 1})`
}

/** What the decision whether to ask for a runbook needs to know of each. */
export interface TriggerConfig {
  readonly name: string
  readonly mode: Mode
  readonly triggers: readonly Trigger[]
  readonly verify: { readonly initialDelay: number; readonly window: number; readonly timeout: number }
}

export function triggersOf(runbooks: readonly Runbook[]): TriggerConfig[] {
  return runbooks.map(({ name, mode, triggers, verify }) => ({ name, mode, triggers, verify }))
}
