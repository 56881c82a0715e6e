import * as Sentry from '@sentry/node'

export interface ErrorReports {
  /** Reports an error that should not have happened. */
  report(error: unknown, about?: Readonly<Record<string, string>>): void
  /** Sends what is under way, for at most two seconds. */
  close(): Promise<void>
}

export interface SentryOptions {
  readonly dsn: string
  readonly environment: string
  readonly release: string
  /** Hides secrets; applied to every text of a report. */
  readonly mask: (text: string) => string
  /** Takes the place of the network in tests. */
  readonly transport?: NonNullable<Parameters<typeof Sentry.init>[0]>['transport']
}

/**
 * Reports our own errors to Sentry. Nothing else is sent: no requests, no host name, no breadcrumbs of what was
 * logged, since those may hold telemetry.
 */
export function openSentry({ dsn, environment, release, mask, transport }: SentryOptions): ErrorReports {
  const client = Sentry.init({
    dsn,
    environment,
    release,
    serverName: 'ops-agent',
    dataCollection: { userInfo: false, cookies: false, httpHeaders: false, httpBodies: [], urlQueryParams: false },
    maxBreadcrumbs: 0,
    // Its own instrumentation patches http, fastify, kafkajs and ioredis, which we do not want changed under us.
    defaultIntegrations: false,
    integrations: [Sentry.linkedErrorsIntegration()],
    beforeSend: event => maskTexts(event, mask),
    ...(transport === undefined ? {} : { transport }),
  })
  return {
    report: (error, about = {}) => void Sentry.captureException(error, { tags: { ...about } }),
    close: async () => void (await client?.close(2_000)),
  }
}

/** The same value with every text in it masked, names of fields included. */
function maskTexts<T>(value: T, mask: (text: string) => string, seen = new WeakMap<object, unknown>()): T {
  if (typeof value === 'string') return mask(value) as T
  if (value === null || typeof value !== 'object') return value
  const known = seen.get(value)
  if (known !== undefined) return known as T
  const copy: unknown[] | Record<string, unknown> = Array.isArray(value) ? [] : {}
  seen.set(value, copy)
  for (const [name, item] of Object.entries(value))
    (copy as Record<string, unknown>)[mask(name)] = maskTexts(item, mask, seen)
  return copy as T
}
