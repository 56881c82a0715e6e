import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Application, HttpError, type Reply, type Request, type Route } from './application.ts'
import { newSpanId, newTrace, parse } from './client.ts'
import type { TraceContext } from './otlp.ts'
import type { Recent } from './recent.ts'
import type { Telemetry } from './telemetry.ts'

// The HTTP side of a service: routing, trace context, durations, one log record a request, and the control endpoint.

export interface ServerParts {
  name: string
  application: Application
  telemetry: Telemetry
  recent: Recent
  /** What `/control/status` answers. */
  status(): unknown
}

/** The server, listening nowhere yet. */
export function createShopServer(parts: ServerParts): Server {
  const { telemetry } = parts
  const duration = telemetry.histogram('http.server.request.duration')
  const errors = telemetry.counter('http.server.request.errors', '{request}')
  let active = 0
  telemetry.observe('http.server.active_requests', '{request}', 'up-down', () => active)
  for (const route of parts.application.routes) errors.add(0, { 'http.route': route.path })

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const path = incoming.url ?? '/'
    if (path === '/healthz') return answer(outgoing, { status: 200, body: { status: 'ok' } })
    if (path.startsWith('/control/')) return answer(outgoing, control(parts, incoming.method ?? 'GET', path))
    const found = match(parts.application.routes, incoming.method ?? 'GET', path)
    if (found === undefined) return answer(outgoing, { status: 404, body: { error: `no route for ${path}` } })
    const started = performance.now()
    active += 1
    const trace = traceOf(incoming)
    const reply = await run(parts, found, await bodyOf(incoming), trace)
    active -= 1
    const seconds = (performance.now() - started) / 1_000
    const failed = reply.status >= 500
    const attributes = { 'http.request.method': found.route.method, 'http.route': found.route.path }
    duration.record(seconds, { ...attributes, 'http.response.status_code': reply.status })
    if (failed) errors.add(1, { 'http.route': found.route.path })
    parts.recent.add(seconds, failed)
    answer(outgoing, reply)
  }
  return createServer((incoming, outgoing) => void serve(incoming, outgoing).catch(() => outgoing.destroy()))
}

interface Found {
  route: Route
  parameters: Record<string, string>
}

function match(routes: readonly Route[], method: string, path: string): Found | undefined {
  const given = path.split('/')
  for (const route of routes) {
    const wanted = route.path.split('/')
    if (route.method !== method || wanted.length !== given.length) continue
    if (!wanted.every((part, index) => part.startsWith(':') || part === given[index])) continue
    const names = wanted.flatMap((part, index) => (part.startsWith(':') ? [[part.slice(1), given[index] ?? '']] : []))
    return { route, parameters: Object.fromEntries(names) }
  }
  return undefined
}

async function run(parts: ServerParts, found: Found, body: unknown, trace: TraceContext): Promise<Reply> {
  const log: Request['log'] = (severity, text) =>
    parts.telemetry.log(severity, text, { 'http.route': found.route.path }, trace)
  try {
    return await found.route.handle({ parameters: found.parameters, body, trace, log })
  } catch (error) {
    const status = error instanceof HttpError ? error.status : 500
    const message = error instanceof Error ? error.message : String(error)
    log('error', `${found.route.method} ${found.route.path} failed with ${status}: ${message}`)
    return { status, body: { error: message } }
  }
}

function control({ application, telemetry, status }: ServerParts, method: string, path: string): Reply {
  if (method === 'GET' && path === '/control/status') return { status: 200, body: status() }
  const name = /^\/control\/faults\/([a-z-]+)$/.exec(path)?.[1]
  const inject = name === undefined ? undefined : application.faults[name]
  if (method !== 'POST' || inject === undefined) {
    const known = Object.keys(application.faults).join(', ') || 'none'
    return { status: 404, body: { error: `no such control; faults of this service: ${known}` } }
  }
  inject()
  void telemetry.flush()
  return { status: 202, body: { fault: name } }
}

/** The caller's trace, continued in a span of our own; a new one if there is none. */
function traceOf(incoming: IncomingMessage): TraceContext {
  const [, traceId] = /^00-([0-9a-f]{32})-[0-9a-f]{16}-/.exec(String(incoming.headers.traceparent)) ?? []
  return traceId === undefined ? newTrace() : { traceId, spanId: newSpanId() }
}

async function bodyOf(incoming: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of incoming.setEncoding('utf8')) text += chunk
  return text === '' ? undefined : parse(text)
}

function answer(outgoing: ServerResponse, { status, body }: Reply): void {
  outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
