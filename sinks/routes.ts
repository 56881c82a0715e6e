import { z } from 'zod'
import { Incident, IncidentState, RunState, Severity } from '../operators/signal.ts'
import type { Readiness } from './api.ts'
import { controlRoutes } from './control-routes.ts'
import { HttpError } from './http-error.ts'
import * as queries from './queries.ts'
import { ask } from './query.ts'
import { Cursor, cursorOf, environment, limit, Moment, ok, type Route, route, service } from './route.ts'

const incidents = route({
  method: 'GET',
  url: '/v1/incidents',
  summary: 'Incidents as they stand, newest first, each with its signals, causes and runs.',
  querystring: z.strictObject({
    environment,
    service,
    state: IncidentState.optional().describe('Only in this state.'),
    severity: Severity.optional().describe('Only of this severity.'),
    since: Moment.optional().describe('Only detected at or after this time.'),
    cursor: Cursor.optional().describe('`next` of the answer before.'),
    limit,
  }),
  answers: {
    200: z.strictObject({
      incidents: z.array(Incident),
      next: z.string().nullable().describe('Cursor of the next page; null: this is the last.'),
    }),
  },
  refuses: [400, 401, 503],
  async answer({ cursor, ...asked }, { store }) {
    // One more than asked for tells whether there is a next page.
    const after = cursor && { time: cursor.number, id: cursor.id }
    const found = await ask(store, queries.incidents, { ...asked, cursor: after, limit: asked.limit + 1 })
    const page = found.slice(0, asked.limit)
    const last = page.at(-1)
    return ok({ incidents: page, next: found.length > page.length && last ? cursorOf(last.detectedAt, last.id) : null })
  },
})

const incident = route({
  method: 'GET',
  url: '/v1/incidents/:id',
  summary: 'One incident, whole: its causes, its timeline, its anomalies and its runs.',
  params: z.strictObject({ id: z.string().min(1).describe('Id of the incident.') }),
  answers: { 200: queries.WholeIncident },
  refuses: [401, 404, 503],
  async answer({ id }, { store }) {
    const [incident] = await ask(store, queries.incident, { id })
    if (!incident) throw new HttpError('OPS_NOT_FOUND', `no incident '${id}'; GET /v1/incidents lists them`)
    const { environment, signals, updatedAt } = incident
    const span = {
      from: Math.min(incident.faultAt ?? incident.detectedAt, ...signals.map(({ since }) => since)),
      to: Math.max(updatedAt, ...signals.map(({ lastAnomalousAt }) => lastAnomalousAt)),
    }
    const ids = [...new Set(signals.map(({ signal }) => signal))]
    const [timeline, anomalies, runs] = await Promise.all([
      ask(store, queries.timeline, { environment, incident: id }),
      ask(store, queries.anomaliesOf, { environment, signals: ids, ...span }),
      ask(store, queries.runs, { incident: id, limit: 100 }),
    ])
    return ok({ incident, timeline, anomalies, runs })
  },
})

const runs = route({
  method: 'GET',
  url: '/v1/runs',
  summary: 'Runs of runbooks as they stand, newest first.',
  querystring: z.strictObject({
    environment,
    service,
    incident: z.string().min(1).optional().describe('Only for this incident.'),
    state: RunState.optional().describe('Only in this state.'),
    limit,
  }),
  answers: { 200: z.strictObject({ runs: z.array(queries.RunSummary) }) },
  refuses: [400, 401, 503],
  async answer(asked, { store }) {
    return ok({ runs: await ask(store, queries.runs, asked) })
  },
})

const run = route({
  method: 'GET',
  url: '/v1/runs/:run',
  summary: 'One run: what was asked for, intended and done, in order.',
  params: z.strictObject({ run: z.string().min(1).describe('Id of the run.') }),
  answers: { 200: z.strictObject({ run: queries.RunSummary, events: z.array(queries.RunEvent) }) },
  refuses: [401, 404, 503],
  async answer({ run: id }, { store }) {
    const [found] = await ask(store, queries.run, { run: id })
    if (!found) throw new HttpError('OPS_NOT_FOUND', `no run '${id}'; GET /v1/runs lists them`)
    return ok({ run: found, events: await ask(store, queries.runEvents, { run: id }) })
  },
})

const decision = (verb: 'approve' | 'reject', decision: 'approved' | 'rejected') =>
  route({
    method: 'POST',
    url: `/v1/runs/:run/${verb}`,
    summary: `${verb === 'approve' ? 'Approves' : 'Rejects'} a run that waits for an approval.`,
    params: z.strictObject({ run: z.string().min(1).describe('Id of the run.') }),
    body: z.strictObject({
      by: z.string().min(1).max(200).describe('Who decides.'),
      reason: z.string().max(2_000).default('').describe('Why.'),
    }),
    answers: { 202: z.strictObject({ run: z.string(), decision: z.enum(['approved', 'rejected']) }) },
    refuses: [400, 401, 404, 409, 503],
    async answer({ run, by, reason }, { hooks }) {
      if (!hooks?.decide) throw new HttpError('OPS_UNAVAILABLE', 'no agent runs here; ask one that does')
      await hooks.decide({ run, decision, by, reason })
      return ok({ run, decision }, 202)
    },
  })

const healthz = route({
  method: 'GET',
  url: '/healthz',
  summary: 'Whether this process lives.',
  answers: { 200: z.strictObject({ status: z.literal('ok') }) },
  refuses: [],
  answer: async () => ok({ status: 'ok' }),
})

const Ready = z.strictObject({
  ready: z.boolean(),
  parts: z.record(
    z.string(),
    z.strictObject({
      ok: z.boolean(),
      why: z.string().optional(),
      since: z.number().optional().describe('Since when it is not well.'),
      breaker: z.enum(['closed', 'half-open', 'open']).optional().describe('Closed: calls are let through to it.'),
      needed: z.literal(false).optional().describe('The agent does its work without it.'),
    }),
  ),
})

const ready = route({
  method: 'GET',
  url: '/ready',
  summary: 'Whether each door and pipeline is ready, or why not.',
  answers: { 200: Ready, 503: Ready },
  refuses: [],
  async answer(_asked, { hooks, store }) {
    const parts: Readonly<Record<string, Readiness>> = hooks?.ready
      ? await hooks.ready()
      : { store: await readiness(() => store.check()) }
    const all = Object.values(parts).every(part => part.ok || part.needed === false)
    return ok({ ready: all, parts }, all ? 200 : 503)
  },
})

/** A door's check as a readiness. */
export async function readiness(check: () => Promise<void>): Promise<Readiness> {
  try {
    await check()
    return { ok: true }
  } catch (error) {
    return { ok: false, why: (error as Error).message }
  }
}

export const routes: readonly Route[] = [
  incidents,
  incident,
  runs,
  run,
  decision('approve', 'approved'),
  decision('reject', 'rejected'),
  ...controlRoutes,
  healthz,
  ready,
]
