import type { Call } from './client.ts'
import type { SeverityText, TraceContext } from './otlp.ts'
import type { Recent } from './recent.ts'
import type { Telemetry } from './telemetry.ts'

// What a service of the shop is: routes, faults it can be given, perhaps something it does unasked.

export interface Request {
  /** Values of the `:name` places of the route. */
  parameters: Record<string, string>
  body: unknown
  trace: TraceContext
  /** A log record of this request. */
  log(severity: SeverityText, body: string): void
}

export interface Reply {
  status: number
  body: unknown
}

export interface Route {
  method: 'GET' | 'POST'
  /** As `http.route` reports it, for example `/products/:id`. */
  path: string
  handle(request: Request): Promise<Reply>
}

/** What the process around a service gives it. */
export interface Surroundings {
  telemetry: Telemetry
  call: Call
  recent: Recent
  random: () => number
}

export interface Application {
  routes: readonly Route[]
  /** Each breaks the service until the process ends; a restart heals, as it would in production. */
  faults: Readonly<Record<string, () => void>>
  /** Work that no request asks for; returns how to end it. */
  start?(): () => void
}

export type CreateApplication = (surroundings: Surroundings) => Application

/** Thrown by a handler to answer with a status and a sentence. */
export class HttpError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

export const euros = (cents: number): string => `${(cents / 100).toFixed(2)} EUR`
