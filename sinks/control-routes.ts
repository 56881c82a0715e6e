import { z } from 'zod'
import { Control } from '../operators/control.ts'
import { ServiceCatalogue } from '../operators/services.ts'
import { Duration } from '../operators/window.ts'
import type { ApiControls, ApiOptions } from './api.ts'
import { HttpError } from './http-error.ts'
import * as queries from './queries.ts'
import { ask } from './query.ts'
import { environment, limit, Moment, ok, type Route, route, service } from './route.ts'

const said = {
  by: z.string().min(1).max(200).describe('Who says so.'),
  reason: z.string().max(2_000).default('').describe('Why.'),
  from: Moment.optional().describe('When it begins; by default now.'),
  to: Moment.optional().describe('When it ends.'),
  for: Duration.optional().describe('How long it holds, instead of `to`: 30m, 2h, 1d.'),
}
const name = z.string().min(1).max(1_000)
const place = {
  environment: name.optional().describe('Only in this environment.'),
  service: name.optional().describe('Only this service.'),
}

/** A control as people ask for it; its id and its times are made by who takes it. */
export const ControlDraft = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('silence'),
    ...said,
    environment: name.describe('Environment of the anomalies.'),
    service: name.optional().describe('Only of this service.'),
    signal: name.optional().describe('Only of this series or pattern, by its id.'),
    subject: name.optional().describe('Only of this metric, or pattern, by its text; * stands for anything.'),
  }),
  z.strictObject({ type: z.literal('pause'), ...said, ...place }),
  z.strictObject({
    type: z.literal('trust'),
    ...said,
    ...place,
    runbook: name.describe('Name of the runbook.'),
    mode: z.enum(['observe', 'suggest', 'approve']).describe('The most it may do; only the configuration gives more.'),
  }),
  z.strictObject({
    type: z.literal('services'),
    by: said.by,
    reason: said.reason,
    catalogue: ServiceCatalogue.describe('What services.yaml would hold.'),
  }),
])
export type ControlDraft = z.output<typeof ControlDraft>

/** Controls can only be given to an agent; what they were can be read from the store as well. */
function agent({ hooks }: ApiOptions): ApiControls {
  if (!hooks?.controls) throw new HttpError('OPS_UNAVAILABLE', 'no agent runs here; ask one that does')
  return hooks.controls
}

const list = route({
  method: 'GET',
  url: '/v1/controls',
  summary: 'What people told the system, in the order it was said: silences, pauses, trust and the service catalogue.',
  querystring: z.strictObject({ type: z.enum(['silence', 'pause', 'trust', 'services']).optional() }),
  answers: { 200: z.strictObject({ controls: z.array(Control) }) },
  refuses: [400, 401, 503],
  async answer({ type }, { hooks, store }) {
    const all = hooks?.controls ? await hooks.controls.list() : await ask(store, queries.controls, { limit: 10_000 })
    return ok({ controls: all.filter(control => type === undefined || control.type === type) })
  },
})

const say = route({
  method: 'POST',
  url: '/v1/controls',
  summary: 'Silences anomalies, pauses actions, lowers what a runbook may do, or gives the service catalogue.',
  body: ControlDraft,
  answers: { 201: z.strictObject({ control: Control }) },
  refuses: [400, 401, 503],
  answer: async (draft, options) => ok({ control: await agent(options).say(draft) }, 201),
})

const end = route({
  method: 'DELETE',
  url: '/v1/controls/:id',
  summary: 'Ends a control now.',
  params: z.strictObject({ id: z.string().min(1).describe('Id of the control.') }),
  answers: { 200: z.strictObject({ id: z.string() }) },
  refuses: [401, 404, 503],
  async answer({ id }, options) {
    await agent(options).end(id)
    return ok({ id })
  },
})

const suppressions = route({
  method: 'GET',
  url: '/v1/suppressions',
  summary: 'Why nobody was told: anomalies that a silence kept from the incidents, newest first.',
  querystring: z.strictObject({
    environment,
    service,
    silence: z.string().min(1).optional().describe('Only by this control.'),
    since: Moment.optional().describe('Only windows that ended at or after this time.'),
    limit,
  }),
  answers: { 200: z.strictObject({ suppressions: z.array(queries.Suppression) }) },
  refuses: [400, 401, 503],
  answer: async (asked, { store }) => ok({ suppressions: await ask(store, queries.suppressions, asked) }),
})

export const controlRoutes: readonly Route[] = [list, say, end, suppressions]
