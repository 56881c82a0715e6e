import { z } from 'zod'
import { Duration, duration } from '../../operators/window.ts'
import { type Action, readPlan, stepFields } from './action.ts'

export const WaitStep = z.strictObject({
  ...stepFields,
  tool: z.literal('wait'),
  for: Duration.describe('How long to do nothing, for example 30s.'),
})
export type WaitStep = z.output<typeof WaitStep>

/** Lets time pass, so that what a step before has changed can take effect. */
export const wait: Action<WaitStep> = {
  tool: 'wait',
  summary: 'Waits for a time.',
  kind: () => 'read',
  repeatable: () => true,
  timeout: step => step.for + 10_000,
  plan: async step => readPlan(`waits ${duration(step.for)}`),
  async run(step, _plan, context) {
    await context.clock.sleep(step.for, context.signal)
    if (context.signal.aborted) throw new Error('wait: interrupted')
    return { succeeded: true, changed: false, summary: `waited ${duration(step.for)}`, output: '', after: null }
  },
}
