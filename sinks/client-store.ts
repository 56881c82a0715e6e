import { Readable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { ClickHouseClient } from '@clickhouse/client'
import type { Row, Store } from './store.ts'
import { errorAtTheEnd, type Settings, storeError } from './store-error.ts'

/** How many rows, and how many bytes of JSON, one INSERT statement takes at most; more rows are several statements. */
export interface PieceLimits {
  readonly rows: number
  readonly bytes: number
}

export interface ClientStoreOptions {
  /** Said in messages; holds no credentials. */
  readonly address: string
  /** What to set when the store cannot be used, for messages. */
  readonly settings: Settings
  /** Connections to read by and to write by. One may serve both; each takes statements as its server can. */
  readonly readers: readonly ClickHouseClient[]
  readonly writers: readonly ClickHouseClient[]
  readonly piece: PieceLimits
  readonly close?: () => Promise<void>
}

/** Bytes of JSON built, and rows parsed, before others on the event loop get their turn. */
const CHUNK = 64 * 1024
const TURN = 500

/**
 * A name that needs no quoting. Tables are ours, never a user's text, so anything else is a mistake in the program.
 */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/** The store over `@clickhouse/client`, which speaks to ClickHouse in this process and to a server alike. */
export class ClientStore implements Store {
  readonly address: string
  readonly #options: ClientStoreOptions
  readonly #readers: Lanes
  readonly #writers: Lanes
  #closed: Promise<void> | undefined

  constructor(options: ClientStoreOptions) {
    this.address = options.address
    this.#options = options
    this.#readers = new Lanes(options.readers)
    this.#writers = new Lanes(options.writers)
  }

  async insert(table: string, rows: readonly Row[]): Promise<void> {
    if (!NAME.test(table)) throw new Error(`table '${table}' is not a table's name`)
    const cursor = { at: 0 }
    while (cursor.at < rows.length)
      await this.#use(this.#writers, client => write(client, insertStatement(table), rows, cursor, this.#options.piece))
  }

  async query<T = Row>(sql: string, params: Readonly<Record<string, unknown>> = {}): Promise<T[]> {
    for (const [name, value] of Object.entries(params))
      if (value instanceof Date)
        throw new Error(`query parameter '${name}' is a Date, which the two stores read differently; pass milliseconds`)
    return this.#use(this.#readers, async client => {
      const answer = await client.query({ query: sql, format: 'JSONEachRow', query_params: { ...params } })
      return rowsOf<T>(await answer.text())
    })
  }

  async command(sql: string): Promise<void> {
    await this.#use(this.#writers, client => client.command({ query: sql }))
  }

  async check(): Promise<void> {
    // Not the client's ping, which knows nothing of the database.
    await this.#use(this.#writers, async client => (await client.query({ query: 'SELECT 1' })).text())
  }

  close(): Promise<void> {
    this.#closed ??= (async () => {
      for (const client of new Set([...this.#options.readers, ...this.#options.writers])) await client.close()
      await this.#options.close?.()
    })()
    return this.#closed
  }

  async #use<T>(lanes: Lanes, work: (client: ClickHouseClient) => Promise<T>): Promise<T> {
    try {
      if (this.#closed) throw new Error('it has been closed')
      return await lanes.use(work)
    } catch (error) {
      throw storeError(this.address, this.#options.settings, error)
    }
  }
}

/** Connections side by side; work goes to the one with the least of it. */
class Lanes {
  readonly #lanes: { client: ClickHouseClient; busy: number }[]

  constructor(clients: readonly ClickHouseClient[]) {
    this.#lanes = clients.map(client => ({ client, busy: 0 }))
  }

  async use<T>(work: (client: ClickHouseClient) => Promise<T>): Promise<T> {
    const lane = this.#lanes.reduce((least, next) => (next.busy < least.busy ? next : least))
    lane.busy++
    try {
      return await work(lane.client)
    } finally {
      lane.busy--
    }
  }
}

/**
 * The settings stand in the statement because a connection to the embedded engine keeps what is `SET` on it.
 * - an unknown column is an error, not a value lost
 * - rows are acknowledged when they are written, not when they are queued
 * - a replay of old files may touch any number of months at once
 */
const insertStatement = (table: string): string =>
  `INSERT INTO ${table} SETTINGS input_format_skip_unknown_fields = 0, async_insert = 0, ` +
  'max_partitions_per_insert_block = 0 FORMAT JSONEachRow'

async function write(
  client: ClickHouseClient,
  statement: string,
  rows: readonly Row[],
  cursor: { at: number },
  limits: PieceLimits,
): Promise<void> {
  const values = Readable.from(chunksOf(rows, cursor, limits), { objectMode: false })
  const answer = await client.exec({ query: statement, values })
  for await (const _ of answer.stream);
}

/** Rows from the cursor on as lines of JSON, until a limit is reached; where the cut falls depends on the rows alone. */
async function* chunksOf(rows: readonly Row[], cursor: { at: number }, limits: PieceLimits): AsyncGenerator<string> {
  const end = Math.min(rows.length, cursor.at + limits.rows)
  let bytes = 0
  while (cursor.at < end && bytes < limits.bytes) {
    let chunk = ''
    while (cursor.at < end && chunk.length < CHUNK) chunk += `${lineOf(rows[cursor.at++]!)}\n`
    bytes += chunk.length
    yield chunk
    await setImmediate()
  }
}

/** A row as JSON. Half a surrogate pair, which ClickHouse refuses together with the whole insert, becomes U+FFFD. */
function lineOf(row: Row): string {
  const line = JSON.stringify(row)
  return line.includes('\\ud') ? JSON.stringify(wellFormed(row)) : line
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed()
  if (Array.isArray(value)) return value.map(wellFormed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name.toWellFormed(), wellFormed(inner)]))
}

/**
 * The client's own reader of this format leaves out an unfinished last line, and with it the server's message when a
 * query fails in mid-answer; a row that was cut must never pass for the end of the answer.
 */
async function rowsOf<T>(text: string): Promise<T[]> {
  const rows: T[] = []
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at)
    const line = end === -1 ? undefined : text.slice(at, end)
    if (line === undefined || !line.startsWith('{')) throw errorAtTheEnd(text.slice(at))
    rows.push(JSON.parse(line))
    at = end + 1
    if (rows.length % TURN === 0) await setImmediate()
  }
  return rows
}
