import { z } from 'zod'
import { Duration } from '../window.ts'

// What the decision whether to ask for a runbook needs to know of each: its triggers, as data.

const name = z.string().min(1)

export const MetricTrigger = z.strictObject({
  metric: name.describe('Metric that a static rule watches.'),
  threshold: z.number(),
  comparison: z.enum(['above', 'below']).default('above'),
  duration: Duration.default(0).describe('How long the rule must have fired. It gates the runbook, not the incident.'),
  service: name.optional().describe('Only this service; * stands for anything.'),
  environment: name.optional().describe('Only this environment; * stands for anything.'),
})
export type MetricTrigger = z.output<typeof MetricTrigger>

export const CauseTrigger = z.strictObject({
  cause: z
    .strictObject({
      metric: name.optional().describe('Metric of the first cause; * stands for anything.'),
      subject: name.optional().describe('Metric or text of the log pattern of the first cause.'),
      service: name.optional().describe('Service of the first cause.'),
    })
    .check(({ value, issues }) => {
      if (value.metric ?? value.subject ?? value.service) return
      issues.push({ code: 'custom', input: value, message: 'names nothing; give it a metric, a subject or a service' })
    }),
  minConfidence: z.number().min(0).max(1).default(0.5).describe('Least confidence of the cause.'),
})
export type CauseTrigger = z.output<typeof CauseTrigger>

export const RunbookTriggers = z.strictObject({
  name,
  mode: z
    .enum(['observe', 'suggest', 'approve', 'auto'])
    .default('approve')
    .describe(
      'observe, suggest: asked for once an incident, to show what it would do; neither waited for nor verified.',
    ),
  triggers: z.array(z.union([MetricTrigger, CauseTrigger])).readonly(),
  verify: z
    .strictObject({
      initialDelay: Duration.default(0).describe('How long after the last step before the signals are looked at.'),
      window: Duration.prefault('10m').describe('How long the signals must stay clear.'),
      timeout: Duration.prefault('30m').describe('When there must be a verdict.'),
      signals: z
        .enum(['all', 'target'])
        .default('all')
        .describe('Which must be clear: those that asked and all of the incident, or only those of the target.'),
    })
    .prefault({}),
  maxAttempts: z.int().min(1).default(3).describe('Runs for one incident and target.'),
  cooldown: Duration.optional().describe('From the end of a run to the next on its target. Default: verify.window.'),
  runTimeout: Duration.optional().describe(
    'Silence of a run after which its target is given up on. Default: four times verify.timeout.',
  ),
})
export type RunbookTriggers = z.output<typeof RunbookTriggers>

export const TriggerConfig = z.strictObject({
  runbooks: z
    .array(RunbookTriggers)
    .readonly()
    .default([])
    .describe('In the order in which they are tried.')
    .check(({ value, issues }) => {
      const names = value.map(runbook => runbook.name)
      const twice = names.find((one, index) => names.indexOf(one) !== index)
      if (twice !== undefined)
        issues.push({ code: 'custom', input: twice, message: `runbook '${twice}' is there twice; rename one of them` })
    }),
  maxIncidents: z.int().min(1).default(1000).describe('Incidents of an environment remembered.'),
})
export type TriggerConfig = z.output<typeof TriggerConfig>

export const cooldownOf = (runbook: RunbookTriggers): number => runbook.cooldown ?? runbook.verify.window
export const runTimeoutOf = (runbook: RunbookTriggers): number => runbook.runTimeout ?? 4 * runbook.verify.timeout

/**
 * Name of the static rule behind the metric trigger at `index`: that of the runbook for the first, numbered for others.
 * The detection names its rules likewise.
 */
export function ruleNameOf(runbook: Pick<RunbookTriggers, 'name' | 'triggers'>, index: number): string {
  const first = runbook.triggers.findIndex(trigger => 'metric' in trigger)
  return index === first ? runbook.name : `${runbook.name} (${index + 1})`
}
