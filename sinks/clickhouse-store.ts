import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { ClientStore } from './client-store.ts'
import { SinkError, type Store } from './store.ts'

export interface ClickhouseStoreOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly url: string
  readonly username?: string
  readonly password?: string
  readonly database?: string
  /** Milliseconds without a sign from the server after which a statement is given up. */
  readonly timeout?: number
}

const settings = {
  reach: 'start it or set store.url',
  credentials: 'store.username and store.password',
  timeout: 'store.requestTimeout',
}

// A server wants few, large inserts; each is one stream, built as it is sent.
const PIECE = { rows: 100_000, bytes: 32 * 1024 * 1024 }

/**
 * Opens a ClickHouse server over HTTP, and creates the database if it is missing.
 * @throws {SinkError} naming the address and the setting, if it cannot be reached or used
 */
export async function openClickhouseStore(options: ClickhouseStoreOptions): Promise<Store> {
  const { database = 'ops' } = options
  const address = addressOf(options.url)
  const client = clientOf(options, database)
  const store = new ClientStore({ address, settings, readers: [client], writers: [client], piece: PIECE })
  try {
    await store.check()
  } catch (error) {
    if (!isUnknownDatabase(error)) {
      await store.close()
      throw error
    }
    await createDatabase(options, address, database).catch(async failure => {
      await store.close()
      throw failure
    })
  }
  return store
}

function clientOf(options: ClickhouseStoreOptions, database: string | undefined) {
  const url = new URL(options.url)
  return createClient({
    url: url.origin + url.pathname,
    username: options.username ?? (decodeURIComponent(url.username) || 'default'),
    password: options.password ?? decodeURIComponent(url.password),
    ...(database === undefined ? {} : { database }),
    request_timeout: options.timeout ?? 30_000,
    max_open_connections: 10,
    application: 'ops-agent',
    compression: { request: true, response: true },
    log: { level: ClickHouseLogLevel.OFF },
    clickhouse_settings: {
      // The whole answer or an error, never rows and then a failure.
      wait_end_of_query: 1,
      output_format_json_quote_64bit_integers: 0,
      do_not_merge_across_partitions_select_final: 1,
    },
  })
}

async function createDatabase(options: ClickhouseStoreOptions, address: string, database: string): Promise<void> {
  const client = clientOf(options, undefined)
  const store = new ClientStore({ address, settings, readers: [client], writers: [client], piece: PIECE })
  try {
    await store.command(`CREATE DATABASE IF NOT EXISTS \`${database.replaceAll('`', '``')}\``)
  } catch (error) {
    if (error instanceof SinkError && error.reason === 'misconfigured')
      throw new SinkError(
        error.sink,
        'misconfigured',
        `database '${database}' does not exist and this user may not create it; create it or set store.database`,
        { cause: error },
      )
    throw error
  } finally {
    await store.close()
  }
}

const isUnknownDatabase = (error: unknown): boolean =>
  error instanceof SinkError && (error.cause as { code?: unknown }).code === '81'

/** Scheme, host and port: what a message may say of the URL, which may hold a password. */
function addressOf(url: string): string {
  if (!URL.canParse(url))
    throw new SinkError(
      'clickhouse',
      'misconfigured',
      `'${url.replace(/\/\/.*@/, '//')}' is not an address; set store.url`,
    )
  return new URL(url).origin
}
