import { z } from 'zod'
import { duration } from '../../operators/window.ts'
import {
  type Act,
  type Action,
  type ActionContext,
  type Effect,
  type Observation,
  type Plan,
  stepFields,
  stepTimeout,
} from './action.ts'
import { RenderApi, type RenderOptions, type RenderService } from './render-api.ts'

const renderFields = { ...stepFields, tool: z.literal('render'), timeout: stepTimeout('5m') }
const None = z.strictObject({}).default({})

export const RenderStep = z.discriminatedUnion('action', [
  z.strictObject({
    ...renderFields,
    action: z.literal('scale_service'),
    params: z.strictObject({
      instances: z.int().min(1).max(100).describe('How many there shall be; never how many more.'),
      direction: z
        .enum(['up', 'down', 'any'])
        .default('up')
        .describe('up: never take instances away, down: never add any.'),
    }),
  }),
  z.strictObject({ ...renderFields, action: z.literal('restart_service'), params: None }),
  z.strictObject({ ...renderFields, action: z.literal('suspend_service'), params: None }),
  z.strictObject({ ...renderFields, action: z.literal('resume_service'), params: None }),
])
export type RenderStep = z.output<typeof RenderStep>

/** The verb of a `scale_service` step and the like, on one service. */
interface Verb<Step> {
  plan(step: Step, service: RenderService, look: Look): Promise<Plan>
  change(step: Step, look: Look): Promise<void>
  holds(plan: Pick<Act, 'before' | 'desired'>, look: Look): Promise<Observation>
}

/** One service of Render, seen during one step. */
interface Look {
  readonly api: RenderApi
  readonly id: string
  readonly context: ActionContext
}

const Scaled = z.object({ instances: z.int() })
const Running = z.object({ instances: z.array(z.object({ id: z.string(), createdAt: z.string() })) })
const Suspended = z.object({ suspended: z.boolean() })

type StepOf<Name> = Extract<RenderStep, { action: Name }>

const scale: Verb<StepOf<'scale_service'>> = {
  async plan({ params: { instances, direction } }, service, look) {
    const autoscaling = service.serviceDetails.autoscaling
    if (autoscaling?.enabled)
      // Render answers 202 to a scale request then, and ignores it.
      return refuse(
        `${look.id}: autoscaling is on (${autoscaling.min ?? '?'} to ${autoscaling.max ?? '?'} instances) and Render ignores scaling by hand; disable autoscaling or change its range`,
      )
    const now = service.serviceDetails.numInstances ?? (await look.api.instances(look.id, look.context)).length
    const before = { instances: now }
    const keeps =
      now === instances || (direction === 'up' && now > instances) || (direction === 'down' && now < instances)
    if (keeps) return { verdict: 'already', before, summary: `${look.id} has ${count(now)}, ${instances} wanted` }
    return {
      verdict: 'act',
      summary: `scales ${look.id} from ${count(now)} to ${instances}`,
      before,
      desired: { instances },
      undo: { action: 'scale_service', params: { instances: now, direction: 'any' } },
    }
  },
  change: ({ params }, { api, id, context }) => api.change(id, 'scale', context, { numInstances: params.instances }),
  async holds(plan, { api, id, context }) {
    const wanted = Scaled.parse(plan.desired).instances
    const instances = (await api.instances(id, context)).length
    return { holds: instances === wanted, summary: `${id} runs ${count(instances)}`, after: { instances } }
  },
}

const restart: Verb<StepOf<'restart_service'>> = {
  async plan(_step, service, { api, id, context }) {
    const instances = await api.instances(id, context)
    const summary = `restarts ${id} (${service.name || service.type}, ${count(instances.length)})`
    return { verdict: 'act', summary, before: { instances }, desired: { restarted: true }, undo: null }
  },
  change: (_step, { api, id, context }) => api.change(id, 'restart', context),
  async holds(plan, { api, id, context }) {
    const old = new Map(Running.parse(plan.before).instances.map(instance => [instance.id, instance.createdAt]))
    const instances = await api.instances(id, context)
    const renewed = instances.filter(instance => old.get(instance.id) !== instance.createdAt).length
    return {
      holds: renewed > 0 && renewed === instances.length,
      summary: `${renewed} of ${count(instances.length)} of ${id} are new`,
      after: { instances },
    }
  },
}

const setSuspended = (wanted: boolean): Verb<StepOf<'suspend_service' | 'resume_service'>> => ({
  async plan(_step, service, { id }) {
    const before = { suspended: service.suspended === 'suspended' }
    if (before.suspended === wanted)
      return { verdict: 'already', before, summary: `${id} is ${wanted ? '' : 'not '}suspended` }
    return {
      verdict: 'act',
      summary: `${wanted ? 'suspends' : 'resumes'} ${id}`,
      before,
      desired: { suspended: wanted },
      undo: { action: wanted ? 'resume_service' : 'suspend_service', params: {} },
    }
  },
  change: (_step, { api, id, context }) => api.change(id, wanted ? 'suspend' : 'resume', context),
  async holds(plan, { api, id, context }) {
    const suspended = (await api.service(id, context)).suspended === 'suspended'
    return {
      holds: suspended === Suspended.parse(plan.desired).suspended,
      summary: `${id} is ${suspended ? '' : 'not '}suspended`,
      after: { suspended },
    }
  },
})

const verbs: { [Name in RenderStep['action']]: Verb<StepOf<Name>> } = {
  scale_service: scale,
  restart_service: restart,
  suspend_service: setSuspended(true),
  resume_service: setSuspended(false),
}
const verbOf = (step: RenderStep) => verbs[step.action] as Verb<RenderStep>

/**
 * Acts on a service at Render, which is the one the catalogue names for the service and environment of the run. Every
 * target is absolute, so what is wanted can be read back; an answer of Render is never taken for the effect.
 * Without options (no API key), every step is refused.
 */
export function render(options: RenderOptions | undefined): Action<RenderStep> {
  const api = options && new RenderApi(options)
  const pollEvery = options?.pollEvery ?? 5_000
  const lookOf = (context: ActionContext): Look => {
    const id = context.target.render?.serviceId
    if (!api) throw new Error('render: no API key; set actions.render.apiKey')
    if (!id) throw new Error(`render: ${context.place.service} has no serviceId in ${context.place.environment}`)
    return { api, id, context }
  }
  return {
    tool: 'render',
    summary: 'Scales, restarts, suspends or resumes a service at Render.',
    kind: () => 'write',
    repeatable: () => false,
    timeout: step => step.timeout,
    async plan(step, context) {
      const look = lookOf(context)
      const service = await look.api.service(look.id, context)
      return refusal(step, service) ?? verbOf(step).plan(step, service, look)
    },
    async run(step, plan, context) {
      const look = lookOf(context)
      await verbOf(step).change(step, look)
      return effectOf(step, await until(() => verbOf(step).holds(plan, look), pollEvery, context))
    },
    observe: (step, plan, context) => until(() => verbOf(step).holds(plan, lookOf(context)), pollEvery, context),
  }
}

const refuse = (summary: string): Plan => ({ verdict: 'refuse', summary })
const count = (instances: number) => `${instances} ${instances === 1 ? 'instance' : 'instances'}`

function refusal(step: RenderStep, service: RenderService): Plan | undefined {
  if (service.type === 'cron_job' || service.type === 'static_site')
    return refuse(`${service.id}: a ${service.type} cannot be acted upon; name a running service in services.yaml`)
  const works = step.action === 'suspend_service' || step.action === 'resume_service'
  if (service.suspended === 'suspended' && !works) return refuse(`${service.id}: is suspended; resume it first`)
  return undefined
}

/** Looks until the effect is there, or the deadline. */
async function until(look: () => Promise<Observation>, every: number, context: ActionContext): Promise<Observation> {
  for (;;) {
    const seen = await look()
    if (seen.holds || context.clock.now() + every > context.deadline) return seen
    await context.clock.sleep(every, context.signal)
    if (context.signal.aborted) throw new Error('render: interrupted while waiting for the effect')
  }
}

function effectOf(step: RenderStep, { holds, summary, after }: Observation): Effect {
  const late = `${step.action} was accepted, but after ${duration(step.timeout)} ${summary}`
  return { succeeded: holds, changed: true, summary: holds ? summary : late, output: '', after }
}
