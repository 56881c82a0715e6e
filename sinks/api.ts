import { timingSafeEqual } from 'node:crypto'
import swagger from '@fastify/swagger'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Clock } from '../operators/clock.ts'
import type { Control } from '../operators/control.ts'
import type { ControlDraft } from './control-routes.ts'
import { type DeadReplayed, deadLetterRoutes } from './dead-letter-routes.ts'
import type { DeadFilter } from './dead-letters.ts'
import { ErrorBody, HttpError, requestError } from './http-error.ts'
import { logRoutes } from './log-routes.ts'
import type { Route } from './route.ts'
import { routes } from './routes.ts'
import type { Detect } from './search/detect-anomalies.ts'
import { SearchError } from './search/search.ts'
import { SinkError, type Store } from './store.ts'

/** How a part of the agent is: well, or why not and since when. */
export interface Readiness {
  readonly ok: boolean
  readonly why?: string
  /** Milliseconds since 1970. */
  readonly since?: number
  /** Whether calls are let through to it. */
  readonly breaker?: 'closed' | 'half-open' | 'open'
  /** False: the agent does its work without it. */
  readonly needed?: false
}

/** A person's answer to a run that waits for one. */
export interface RunDecision {
  readonly run: string
  readonly decision: 'approved' | 'rejected'
  readonly by: string
  readonly reason: string
}

/** Which dead letters are to be sent in again, at most `limit` of them; with `dryRun` it is only said what would be. */
export interface DeadReplayRequest {
  readonly filter: DeadFilter
  readonly dryRun: boolean
  readonly limit: number
}

/** What people tell the running agent. */
export interface ApiControls {
  /** As they stand, in the order they were said. */
  list(): Promise<readonly Control[]>
  /** @throws {HttpError} `OPS_REQUEST` if its times, or what it names, cannot be meant */
  say(draft: ControlDraft): Promise<Control>
  /** Ends one now. @throws {HttpError} `OPS_NOT_FOUND` if there is none of this id */
  end(id: string): Promise<void>
}

/** What the API asks the running agent for; without an agent there is none of it. */
export interface ApiHooks {
  /** Each door and each pipeline by name. */
  ready?(): Promise<Readonly<Record<string, Readiness>>>
  /** @throws {HttpError} `OPS_NOT_FOUND` if there is no such run, `OPS_CONFLICT` if it waits for nobody */
  decide?(decision: RunDecision): Promise<void>
  /** @throws {HttpError} `OPS_NOT_FOUND` or `OPS_CONFLICT`, if one is named that is not there or was sent in already */
  replayDead?(request: DeadReplayRequest): Promise<DeadReplayed>
  readonly controls?: ApiControls
  /** Looks at lines that are handed in. */
  readonly detect?: Detect
  /** Told of errors that should not have happened. */
  failed?(error: unknown): void
}

export interface ApiOptions {
  readonly store: Store
  readonly version: string
  /** Absent: the clock of this machine. */
  readonly clock?: Pick<Clock, 'now'>
  /** Gives what `/metrics` answers. */
  readonly registry?: { metrics(): Promise<string> }
  readonly hooks?: ApiHooks
  /** Bearer token that requests to /v1 and /metrics must show. */
  readonly token?: string | undefined
  /** Only names of this machine are accepted as the host of a request, so that no web page can reach us by its own. */
  readonly loopbackOnly?: boolean
  /** Answers are checked against their schemas before they are sent; for tests. */
  readonly checkAnswers?: boolean
}

/** The query API, not listening yet: `listen` it, or `inject` requests. */
export async function buildApi(options: ApiOptions): Promise<FastifyInstance> {
  const app = fastify({ logger: false, bodyLimit: 64 * 1024, return503OnClosing: false })
  // With this parser left in, a form on a web page could post here without the browser asking first.
  app.removeContentTypeParser('text/plain')
  app.setValidatorCompiler<z.ZodType>(({ schema }) => data => {
    const parsed = schema.safeParse(data ?? {})
    return parsed.success ? { value: parsed.data } : { error: requestError(parsed.error) }
  })
  app.setSerializerCompiler<z.ZodType>(
    ({ schema }) =>
      data =>
        JSON.stringify(options.checkAnswers ? schema.parse(data) : data),
  )
  app.setErrorHandler((error, _request, reply) => refuse(reply, error, options.hooks))
  app.setNotFoundHandler((request, reply) =>
    refuse(
      reply,
      new HttpError('OPS_NOT_FOUND', `no ${request.method} ${request.url.split('?')[0]}; see /openapi.json`),
      {},
    ),
  )
  app.addHook('onRequest', async request => admit(request, options))
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'ops-agent', version: options.version, description: 'Times are milliseconds since 1970 UTC.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    },
    transform: ({ schema, url }) => ({ schema: document((schema ?? {}) as Described), url }),
  })
  for (const route of [...routes, ...deadLetterRoutes, ...logRoutes]) add(app, route, options)
  app.get(
    '/metrics',
    { schema: { summary: 'Prometheus metrics.', response: { 200: z.string() } } },
    async (_request, reply) => {
      reply.type('text/plain; version=0.0.4; charset=utf-8').serializer((text: string) => text)
      return options.registry ? options.registry.metrics() : ''
    },
  )
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  await app.ready()
  return app
}

function add(app: FastifyInstance, route: Route, options: ApiOptions): void {
  const { method, url, summary, params, querystring, body, largest, answers, answer } = route
  const errors = Object.fromEntries(route.refuses.map(status => [status, ErrorBody]))
  app.route({
    method,
    url,
    ...(largest === undefined ? {} : { bodyLimit: largest }),
    schema: {
      summary,
      ...(params ? { params } : {}),
      ...(querystring ? { querystring } : {}),
      ...(body ? { body } : {}),
      response: { ...errors, ...answers },
    },
    handler: async (request, reply) => {
      const asked = { ...(request.params as object), ...(request.query as object), ...((request.body as object) ?? {}) }
      const { status, value } = await answer(asked as never, options)
      return reply.code(status).send(value)
    },
  })
}

/** Who may ask: whoever shows the token, and no web page that has talked its way to this machine. */
function admit(request: FastifyRequest, { token, loopbackOnly }: ApiOptions): void {
  if (loopbackOnly && !/^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/.test(request.headers.host ?? ''))
    throw new HttpError('OPS_FORBIDDEN', `host '${request.headers.host}' is not this machine; ask localhost`)
  if (!token || !/^\/(v1\/|metrics)/.test(request.url)) return
  const shown = Buffer.from(request.headers.authorization ?? '')
  const wanted = Buffer.from(`Bearer ${token}`)
  if (shown.length !== wanted.length || !timingSafeEqual(shown, wanted))
    throw new HttpError(
      'OPS_UNAUTHORIZED',
      'the token is missing or wrong; send authorization: Bearer TOKEN (http.token)',
    )
}

function refuse(reply: FastifyReply, error: unknown, hooks: ApiHooks = {}): FastifyReply {
  const refusal = asHttpError(error)
  if (refusal.code === 'OPS_INTERNAL') hooks.failed?.(error)
  if (refusal.code === 'OPS_UNAUTHORIZED') reply.header('www-authenticate', 'Bearer')
  return reply.code(refusal.status).serializer(JSON.stringify).send(refusal.body)
}

function asHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error
  if (error instanceof SearchError) return new HttpError('OPS_REQUEST', error.message)
  if (error instanceof SinkError && error.retryable) return new HttpError('OPS_UNAVAILABLE', error.message)
  const { statusCode, message } = error as { statusCode?: number; message: string }
  if (statusCode !== undefined && statusCode < 500) return new HttpError('OPS_REQUEST', lowerFirst(message))
  // What went wrong inside is told to the log, and may hold what callers should not see.
  return new HttpError('OPS_INTERNAL', 'internal error; see the log of the agent')
}

const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

type Described = Record<string, unknown> & { response?: Record<string, z.ZodType> }

/** A route's zod schemas as JSON Schema, which is what OpenAPI 3.1 takes. */
function document(schema: Described): Record<string, unknown> {
  const shown: Record<string, unknown> = { ...schema }
  for (const part of ['params', 'querystring', 'body'])
    if (schema[part]) shown[part] = jsonSchema(schema[part] as z.ZodType, 'input')
  if (schema.response)
    shown.response = Object.fromEntries(
      Object.entries(schema.response).map(([status, body]) => [status, jsonSchema(body, 'output')]),
    )
  return shown
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): object {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io })
  return rest
}
