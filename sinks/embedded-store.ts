import { access, constants, mkdir } from 'node:fs/promises'
import { type ClickHouseClientConfigOptions, ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { drainPending } from 'chdb'
import { createChdbConnection } from 'chdb/connection'
import { ClientStore } from './client-store.ts'
import { SinkError, type Store } from './store.ts'

export interface EmbeddedStoreOptions {
  /** Folder of the engine's files; made if missing. The engine takes one folder per process, and one process per folder. */
  readonly path: string
  readonly database?: string
  /** Milliseconds a statement may take. */
  readonly timeout?: number
}

// A connection runs one statement at a time, so a slow report would hold up the inserts were there only one.
const READERS = 2
const WRITERS = 2

// Measured on 2 cores with log lines of 400 bytes: 2,000 rows take about 20 ms, of which the event loop is held for
// 10 to 15; 20,000 rows at once held it for 90, 50,000 for over a second.
const PIECE = { rows: 2_000, bytes: 2 * 1024 * 1024 }

const settings = {
  reach: 'set data to a folder this process can write',
  credentials: 'data',
  timeout: 'store.requestTimeout',
}

/**
 * Opens ClickHouse inside this process. Statements with parameters run one after the other in the whole process
 * (a limit of the engine's binding), so keep the slow ones free of them.
 * @throws {SinkError} if the folder cannot be used
 */
export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<Store> {
  const { path, database = 'ops', timeout = 30_000 } = options
  await writableFolder(path)
  const readers = []
  const writers = []
  try {
    for (let i = 0; i < READERS; i++) readers.push(connect(path))
    for (let i = 0; i < WRITERS; i++) writers.push(connect(path))
  } catch (error) {
    for (const client of [...readers, ...writers]) await client.close()
    throw new SinkError(
      `clickhouse ${path}`,
      'misconfigured',
      `cannot be opened; stop the other process that has it open, or ${settings.reach}`,
      { cause: error },
    )
  }
  const store = new ClientStore({ address: path, settings, readers, writers, piece: PIECE, close: drainPending })
  await writers[0]!.command({ query: `CREATE DATABASE IF NOT EXISTS ${quote(database)}` })
  for (const client of [...readers, ...writers])
    for (const query of sessionOf(database, timeout)) await client.command({ query })
  return store
}

/** What a connection is told once. It keeps it, as a server does only for a session. */
const sessionOf = (database: string, timeout: number): string[] => [
  `USE ${quote(database)}`,
  `SET max_execution_time = ${Math.max(1, Math.ceil(timeout / 1_000))}`,
  'SET output_format_json_quote_64bit_integers = 0',
  'SET do_not_merge_across_partitions_select_final = 1',
]

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``

function connect(path: string) {
  // The binding is typed against an older copy of the client's interface, which differs in optional fields only.
  const connection = createChdbConnection({ path }) as unknown as ClickHouseClientConfigOptions['connection']
  return createClient({ ...(connection && { connection }), log: { level: ClickHouseLogLevel.OFF } })
}

async function writableFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
    await access(path, constants.W_OK | constants.X_OK)
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code
    throw new SinkError(`clickhouse ${path}`, 'misconfigured', `cannot be written (${why}); ${settings.reach}`, {
      cause: error,
    })
  }
}
