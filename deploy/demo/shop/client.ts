import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { HttpError } from './application.ts'
import type { Histogram } from './instruments.ts'
import type { TraceContext } from './otlp.ts'

export interface Target {
  method: 'GET' | 'POST'
  /** A service of the shop by name. */
  service: string
  path: string
  body?: unknown
  trace: TraceContext
  /** Milliseconds after which the call is given up. */
  timeout: number
}

/** Calls another service. Resolves with the body of a 2xx or 4xx answer, rejects with HttpError 502 or 504. */
export type Call = (target: Target) => Promise<{ status: number; body: unknown }>

/** `addressOf`: the base URL of a service, as the fleet put it in the environment. */
export function createCall(duration: Histogram, addressOf: (service: string) => string): Call {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  return async target => {
    const started = performance.now()
    const attributes = { 'http.request.method': target.method, 'server.address': target.service }
    const record = (outcome: Record<string, string | number>): void =>
      duration.record((performance.now() - started) / 1_000, { ...attributes, ...outcome })
    try {
      const answer = await send(agent, new URL(target.path, addressOf(target.service)), target)
      record({ 'http.response.status_code': answer.status })
      if (answer.status < 500) return answer
      throw new HttpError(502, `${target.service} answered ${answer.status}: ${reasonOf(answer.body)}`)
    } catch (error) {
      if (error instanceof HttpError) throw error
      const timedOut = error instanceof Error && error.name === 'TimeoutError'
      record({ 'error.type': timedOut ? 'timeout' : 'connection' })
      if (timedOut) throw new HttpError(504, `${target.service} did not answer within ${target.timeout} ms`)
      throw new HttpError(502, `${target.service} is unreachable`)
    }
  }
}

function send(agent: Agent, url: URL, target: Target): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(target.timeout)
    // An aborted request reports AbortError; the reason of the signal says that it was the timeout.
    const fail = (error: Error): void => reject(signal.aborted ? signal.reason : error)
    const headers = {
      'content-type': 'application/json',
      traceparent: `00-${target.trace.traceId}-${target.trace.spanId}-01`,
    }
    const outgoing = request(url, { method: target.method, agent, headers, signal }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', fail)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: parse(text) }))
    })
    outgoing.on('error', fail)
    outgoing.end(target.body === undefined ? undefined : JSON.stringify(target.body))
  })
}

/** JSON as a value, anything else as its text. */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function reasonOf(body: unknown): string {
  return typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : 'no reason given'
}

export const newSpanId = (): string => randomBytes(8).toString('hex')

export const newTrace = (): TraceContext => ({ traceId: randomBytes(16).toString('hex'), spanId: newSpanId() })
