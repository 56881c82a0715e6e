import { z } from 'zod'
import type { Clock } from '../../operators/clock.ts'
import { NothingDone } from './action.ts'

// Render's REST API, as far as the actions need it. Checked against the client that Render generates from its own
// OpenAPI document (github.com/render-oss/cli, pkg/client).

const Service = z.object({
  id: z.string(),
  name: z.string().default(''),
  type: z.string(),
  suspended: z.enum(['suspended', 'not_suspended']).default('not_suspended'),
  serviceDetails: z
    .object({
      /** Holds for manual scaling only. */
      numInstances: z.int().optional(),
      autoscaling: z.object({ enabled: z.boolean(), min: z.int().optional(), max: z.int().optional() }).nullish(),
    })
    .default({}),
})
export type RenderService = z.output<typeof Service>

const Instances = z.array(z.object({ id: z.string(), createdAt: z.string() }))
export type RenderInstance = z.output<typeof Instances>[number]

export interface RenderOptions {
  /** Default `https://api.render.com/v1`. */
  readonly url?: string
  /** Never printed, nor part of any error. */
  readonly apiKey: string
  /** Milliseconds between two looks at whether an effect has arrived; default 5 s. */
  readonly pollEvery?: number
  /** Milliseconds before the first repeat of a read; doubles with each. Default 1 s. */
  readonly retryAfter?: number
  /** Stands before every request: makes it, or throws without making it because Render is being left alone. */
  readonly guard?: <T>(call: () => Promise<T>) => Promise<T>
}

export interface Patience {
  readonly clock: Clock
  readonly deadline: number
  readonly signal: AbortSignal
}

const tries = 5

/**
 * Reads are repeated on 429, 5xx and network errors. A change is sent again only where Render says it refused it
 * (429); whatever else goes wrong on the way leaves open whether it happened, and is an error that is not `NothingDone`.
 */
export class RenderApi {
  readonly #url: string
  readonly #apiKey: string
  readonly #retryAfter: number
  readonly #guard: NonNullable<RenderOptions['guard']>

  constructor({ url = 'https://api.render.com/v1', apiKey, retryAfter = 1_000, guard }: RenderOptions) {
    this.#url = url.replace(/\/+$/, '')
    this.#apiKey = apiKey
    this.#retryAfter = retryAfter
    this.#guard = guard ?? (call => call())
  }

  async service(id: string, patience: Patience): Promise<RenderService> {
    return this.#read(`/services/${encodeURIComponent(id)}`, Service, patience)
  }

  /** Instances as they run now, which is the truth after a scaling or restart. */
  async instances(id: string, patience: Patience): Promise<RenderInstance[]> {
    return this.#read(`/services/${encodeURIComponent(id)}/instances`, Instances, patience)
  }

  async change(id: string, verb: 'scale' | 'restart' | 'suspend' | 'resume', patience: Patience, body?: object) {
    const path = `/services/${encodeURIComponent(id)}/${verb}`
    for (let attempt = 1; ; attempt++) {
      const response = await this.#send('POST', path, patience.signal, body)
      if (response.ok) return void (await response.body?.cancel())
      const problem = `render POST ${path}: ${response.status} ${await messageOf(response)}`
      if (response.status === 429) {
        if (attempt < tries && (await this.#pause(response, attempt, patience))) continue
        throw new NothingDone(`${problem}; over Render's rate limit for longer than the step's timeout allows`)
      }
      if (response.status >= 400 && response.status < 500 && response.status !== 408) throw new NothingDone(problem)
      throw new Error(problem)
    }
  }

  async #read<T>(path: string, schema: z.ZodType<T>, patience: Patience): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#send('GET', path, patience.signal).catch((error: Error) => error)
      const again = outcome instanceof Error || outcome.status === 429 || outcome.status >= 500
      if (again && attempt < tries && !patience.signal.aborted) {
        const response = outcome instanceof Error ? undefined : outcome
        await response?.body?.cancel()
        if (await this.#pause(response, attempt, patience)) continue
      }
      // Not `NothingDone`: a read after a change says nothing about the change.
      if (outcome instanceof Error) throw new Error(outcome.message, { cause: outcome })
      if (!outcome.ok) throw new Error(`render GET ${path}: ${outcome.status} ${await messageOf(outcome)}`)
      const parsed = schema.safeParse(await outcome.json().catch(() => undefined))
      if (parsed.success) return parsed.data
      throw new Error(`render GET ${path}: unexpected answer: ${z.prettifyError(parsed.error)}`)
    }
  }

  async #send(method: string, path: string, signal: AbortSignal, body?: object): Promise<Response> {
    let made = false
    const request = (): Promise<Response> => {
      made = true
      return fetch(`${this.#url}${path}`, {
        method,
        signal,
        redirect: 'error',
        headers: {
          authorization: `Bearer ${this.#apiKey}`,
          accept: 'application/json',
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      })
    }
    try {
      return await this.#guard(request)
    } catch (error) {
      if (!made) throw new NothingDone(`render ${method} ${path}: not sent: ${(error as Error).message}`)
      const code = codeOf(error)
      const problem = `render ${method} ${path}: unreachable (${code ?? causeOf(error)})`
      throw code !== undefined && neverSent.has(code) ? new NothingDone(problem) : new Error(problem)
    }
  }

  /** Waits as long as Render asks, else longer each time. False if that would pass the deadline. */
  async #pause(response: Response | undefined, attempt: number, { clock, deadline, signal }: Patience) {
    const pause = retryAfter(response, clock.now()) ?? this.#retryAfter * 2 ** (attempt - 1)
    if (clock.now() + pause > deadline) return false
    await clock.sleep(pause, signal)
    return !signal.aborted
  }
}

/** The connection was never made, so nothing can have happened. */
const neverSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])

const causeOf = (error: unknown) => ((error as Error).cause as Error | undefined)?.message ?? (error as Error).message

function codeOf(error: unknown): string | undefined {
  const cause = (error as { cause?: { code?: unknown } }).cause
  return typeof cause?.code === 'string' ? cause.code : undefined
}

/** `Retry-After` in milliseconds: seconds, or a date (RFC 9110, 10.2.3). */
function retryAfter(response: Response | undefined, now: number): number | undefined {
  const value = response?.headers.get('retry-after')
  if (!value) return undefined
  if (/^\d+$/.test(value.trim())) return Number(value) * 1_000
  const date = Date.parse(value)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

async function messageOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '')
  try {
    const { message } = JSON.parse(text) as { message?: unknown }
    if (typeof message === 'string') return message.slice(0, 300)
  } catch {
    // Not JSON: a proxy answered, or nobody wrote a body.
  }
  return text.slice(0, 300) || response.statusText
}
