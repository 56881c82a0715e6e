import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { gunzipSync, gzipSync } from 'node:zlib'
import { Session } from 'chdb'

/**
 * What goes wrong with the next statements:
 * - `status`: a proxy's page instead of the server's answer
 * - `exception`: the server's own error
 * - `cut`: the connection is cut before the statement ran, after it ran but before the answer, or in mid-answer
 * - `exception-in-answer`: some rows, then the server's error; since 25.11 marked by a tag, before that bare text
 * - `silent`: no answer, ever
 */
export type Fault =
  | { kind: 'status'; status: number; body: string }
  | { kind: 'exception'; code: number; type: string; message: string; status: number }
  | { kind: 'cut'; when: 'before' | 'after' | 'answering' }
  | { kind: 'exception-in-answer'; code: number; type: string; message: string; tagged: boolean }
  | { kind: 'silent' }

interface Statement {
  readonly sql: string
  readonly database: string
  readonly settings: readonly (readonly [string, string])[]
  readonly params: readonly (readonly [string, string])[]
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface FrontOptions {
  /** Folder of the engine's files. */
  readonly path: string
  /** Accepted users; none given: `default` without a password. */
  readonly users?: Readonly<Record<string, string>>
}

/** Settings of the HTTP interface itself; everything else in the query string is a setting of the engine. */
const INTERFACE = new Set(['query', 'query_id', 'database', 'default_format', 'wait_end_of_query'])
INTERFACE.add('enable_http_compression').add('session_id').add('role')

/**
 * A thin HTTP front over ClickHouse in this process, which behaves as a server's HTTP interface does as far as the
 * official client uses it: statements in the query string or the body, parameters, settings, the database, gzip both
 * ways, exception codes and statuses. It exists because no ClickHouse server is to be had on every test machine.
 */
export class ClickhouseFront {
  /** SQL of each statement that arrived, without the rows of an INSERT. */
  readonly statements: string[] = []
  /** How many of them were left without an answer. */
  unanswered = 0
  readonly #options: FrontOptions
  /** Keeps the engine open between requests, each of which has a connection, and so settings, of its own. */
  readonly #keeper: Session
  readonly #server: Server
  #port = 0
  #faults: Fault[] = []

  constructor(options: FrontOptions) {
    this.#options = options
    this.#keeper = new Session(options.path)
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(error => response.destroy(error as Error))
    })
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Listens, unless it does; again on the same port after `refuse`. */
  async start(): Promise<this> {
    if (this.#server.listening) return this
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.#port, '127.0.0.1', () => resolve())
    })
    this.#port = (this.#server.address() as AddressInfo).port
    return this
  }

  /** Refuses connections until `start` is called. */
  async refuse(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise<void>(resolve => this.#server.close(() => resolve()))
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.refuse()
    this.#keeper.close()
  }

  /** Has the next statements, in order, go wrong. */
  fail(...faults: readonly Fault[]): void {
    this.#faults.push(...faults)
  }

  /** Has none of the next statements go wrong. */
  heal(): void {
    this.#faults = []
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const body = await bodyOf(request)
    if (url.pathname === '/ping') return send(response, { status: 200, headers: {}, body: Buffer.from('Ok.\n') })
    const fault = this.#faults.shift()
    if (fault?.kind === 'silent') return void this.unanswered++
    if (fault?.kind === 'cut' && fault.when === 'before') return cut(response)
    if (fault?.kind === 'status')
      return send(response, { status: fault.status, headers: {}, body: Buffer.from(fault.body) })
    if (fault?.kind === 'exception') return send(response, exception(fault.status, exceptionText(fault)))
    const refused = this.#refusal(request)
    const answer = refused ?? (await this.#answer(url.searchParams, body))
    if (fault?.kind === 'cut') return fault.when === 'after' ? cut(response) : cutMidway(response, answer)
    if (fault?.kind === 'exception-in-answer') return send(response, spoiled(answer, fault))
    const zip = url.searchParams.get('enable_http_compression') === '1' && accepts(request, 'gzip')
    send(response, zip ? zipped(answer) : answer)
  }

  #refusal(request: IncomingMessage): Answer | undefined {
    const [user = '', ...rest] = Buffer.from((request.headers.authorization ?? '').replace(/^Basic /, ''), 'base64')
      .toString()
      .split(':')
    const users = this.#options.users ?? { default: '' }
    if (users[user || 'default'] === rest.join(':')) return undefined
    const message = `${user}: Authentication failed: password is incorrect, or there is no user with such name.`
    return exception(403, exceptionText({ code: 516, type: 'AUTHENTICATION_FAILED', message }))
  }

  async #answer(query: URLSearchParams, body: Buffer): Promise<Answer> {
    const statement = statementOf(query, body)
    this.statements.push(query.get('query') ?? statement.sql)
    const session = new Session(this.#options.path)
    try {
      await prepare(session, statement)
      const result = await session.queryAsync(statement.sql, { format: query.get('default_format') ?? 'TabSeparated' })
      return success(query.get('query_id') ?? '', Buffer.from(result.bytes()))
    } catch (error) {
      return exception(statusOf((error as { clickhouseCode?: number }).clickhouseCode), (error as Error).message)
    } finally {
      session.close()
    }
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  return request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
}

/** A statement is the query string's, then the body; a statement in the query string alone may only read (GET). */
function statementOf(query: URLSearchParams, body: Buffer): Statement {
  const head = query.get('query')
  const params: [string, string][] = []
  const settings: [string, string][] = []
  for (const [name, value] of query) {
    if (name.startsWith('param_')) params.push([name, value])
    else if (!INTERFACE.has(name)) settings.push([name, value])
  }
  return {
    sql: head === null ? body.toString() : `${head}\n${body.toString()}`,
    database: query.get('database') ?? 'default',
    settings,
    params,
  }
}

async function prepare(session: Session, { database, settings, params }: Statement): Promise<void> {
  const literal = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  await session.queryAsync(`USE \`${database}\``)
  for (const [name, value] of [...settings, ...params]) await session.queryAsync(`SET ${name} = ${literal(value)}`)
}

function success(id: string, body: Buffer): Answer {
  const summary = { read_rows: '0', read_bytes: '0', written_rows: '0', written_bytes: '0', result_rows: '0' }
  const headers = {
    'X-ClickHouse-Query-Id': id,
    'X-ClickHouse-Server-Display-Name': 'front',
    'X-ClickHouse-Timezone': 'UTC',
    'X-ClickHouse-Summary': JSON.stringify(summary),
  }
  return { status: 200, headers, body }
}

function exception(status: number, text: string): Answer {
  const code = /Code: (\d+)/.exec(text)?.[1] ?? '0'
  return { status, headers: { 'X-ClickHouse-Exception-Code': code }, body: Buffer.from(`${text}\n`) }
}

const exceptionText = ({ code, type, message }: { code: number; type: string; message: string }): string =>
  `Code: ${code}. DB::Exception: ${message} (${type}) (version 26.7.2.1 (official build))`

/** Statuses as ClickHouse's src/Server/HTTP/exceptionCodeToHTTPStatus.cpp gives them, for the codes that occur here. */
function statusOf(code: number | undefined): number {
  if (code === 60 || code === 81) return 404
  if (code === 516 || code === 192 || code === 497) return 403
  if ([62, 47, 27, 117, 26, 53, 456, 115].includes(code ?? 0)) return 400
  return 500
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=UTF-8', ...headers })
  response.end(body)
}

const accepts = (request: IncomingMessage, coding: string): boolean =>
  String(request.headers['accept-encoding'] ?? '').includes(coding)

const zipped = (answer: Answer): Answer => ({
  ...answer,
  headers: { ...answer.headers, 'Content-Encoding': 'gzip' },
  body: gzipSync(answer.body),
})

function cut(response: ServerResponse): void {
  response.socket?.resetAndDestroy()
}

/** Half of the answer, cut inside a row, then the end of the connection without the end of the answer. */
async function cutMidway(response: ServerResponse, { status, headers, body }: Answer): Promise<void> {
  response.writeHead(status, headers)
  response.write(body.subarray(0, Math.floor(body.length / 2)))
  await delay(20)
  cut(response)
}

/** Half of the rows, then the exception as the server writes it into an answer that has already begun. */
function spoiled(answer: Answer, fault: Extract<Fault, { kind: 'exception-in-answer' }>): Answer {
  const half = answer.body.lastIndexOf('\n', Math.floor(answer.body.length / 2)) + 1
  const rows = answer.body.subarray(0, half)
  const text = exceptionText(fault)
  if (!fault.tagged) return { ...answer, body: Buffer.concat([rows, Buffer.from(text)]) }
  const tag = 'dmrdfnujjqvszhav'
  const tail = `\r\n__exception__\r\n${tag}\r\n${text}\n${text.length + 1} ${tag}\r\n__exception__\r\n`
  return {
    ...answer,
    headers: { ...answer.headers, 'X-ClickHouse-Exception-Tag': tag },
    body: Buffer.concat([rows, Buffer.from(tail)]),
  }
}
