import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type Answer, failure } from './answer.ts'
import type { Fleet } from './fleet.ts'
import { listen } from './listen.ts'
import { limiter, type RateLimit } from './rate-limit.ts'
import { findRoute } from './routes.ts'

export interface RenderApiOptions {
  fleet: Fleet
  /** The key that callers must show as `Authorization: Bearer …`. */
  apiKey: string
  /** Answered with 429 beyond it; undefined: never. */
  rateLimit?: RateLimit
}

const bodyLimit = 100_000

/**
 * The part of Render's public API (https://api-docs.render.com) that acts on services, over real processes. As with
 * Render, a change is accepted first and happens then; `GET …/instances` is the truth.
 */
export class RenderApiServer {
  readonly #fleet: Fleet
  readonly #apiKey: string
  readonly #limit: ReturnType<typeof limiter>
  readonly #server: Server
  #url = ''

  constructor({ fleet, apiKey, rateLimit }: RenderApiOptions) {
    this.#fleet = fleet
    this.#apiKey = apiKey
    this.#limit = limiter(rateLimit)
    this.#server = createServer((incoming, outgoing) => {
      this.#serve(incoming, outgoing).catch((error: Error) => send(outgoing, failure(500, error.message)))
    })
  }

  /** Base address, `/v1` included; known once `listen` has resolved. */
  get url(): string {
    return this.#url
  }

  async listen(port: number): Promise<void> {
    this.#url = `http://127.0.0.1:${await listen(this.#server, port)}/v1`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const url = new URL(incoming.url ?? '/', 'http://render')
    if (incoming.headers.authorization !== `Bearer ${this.#apiKey}`) return send(outgoing, failure(401, 'unauthorized'))
    const { allowed, headers } = this.#limit(Date.now())
    for (const [name, value] of Object.entries(headers)) outgoing.setHeader(name, value)
    if (!allowed) return send(outgoing, failure(429, 'rate limit exceeded'))
    const route = findRoute(incoming.method ?? 'GET', url.pathname)
    if (route === undefined) return send(outgoing, failure(404, `not found: ${incoming.method} ${url.pathname}`))
    const body = await bodyOf(incoming)
    if (body === malformed) return send(outgoing, failure(400, 'the body is not JSON'))
    send(outgoing, await route({ fleet: this.#fleet, body, query: url.searchParams }))
  }
}

const malformed = Symbol('malformed')

async function bodyOf(incoming: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of incoming.setEncoding('utf8')) {
    text += chunk
    if (text.length > bodyLimit) return malformed
  }
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return malformed
  }
}

function send(outgoing: ServerResponse, { status, body }: Answer): void {
  if (outgoing.headersSent) return
  if (body === undefined) outgoing.writeHead(status).end()
  else outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
