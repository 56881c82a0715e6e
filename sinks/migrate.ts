import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { SinkError, type Store } from './store.ts'

interface Migration {
  readonly name: string
  readonly statements: readonly string[]
  readonly checksum: string
}

const folder = new URL('./tables/', import.meta.url)

// Applied migrations. Identity: name. Writing twice is harmless: a second row of a name replaces its equal.
const register = `CREATE TABLE IF NOT EXISTS migrations (
  name String,
  checksum String,
  written_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree ORDER BY name`

/**
 * Applies the numbered files of `tables` that the store has not seen, in order; answers their names.
 *
 * ClickHouse has neither transactions over statements nor locks, so every statement of a migration must be one that
 * may run twice (`IF NOT EXISTS` and its kin): then a crash in the middle, and two processes at once, do no harm.
 * @throws {Error} if an applied file has changed since, or the numbers have a gap
 * @throws {SinkError} if the store does not take a statement
 */
export async function migrate(store: Store, tables: URL = folder): Promise<string[]> {
  const migrations = await read(tables)
  await store.command(register)
  const applied = await appliedTo(store)
  for (const { name, checksum } of migrations) {
    const known = applied.get(name)
    if (known !== undefined && known !== checksum)
      throw new SinkError(
        `store ${store.address}`,
        'misconfigured',
        `sinks/tables/${name} has changed since it was applied; put it back as it was and write the change as a new file, or start with a new ${store.address}`,
      )
  }
  const missing = migrations.filter(({ name }) => !applied.has(name))
  for (const { name, statements, checksum } of missing) {
    for (const statement of statements) await store.command(statement)
    await store.insert('migrations', [{ name, checksum }])
  }
  return missing.map(({ name }) => name)
}

async function appliedTo(store: Store): Promise<Map<string, string>> {
  const rows = await store.query<{ name: string; checksum: string }>('SELECT name, checksum FROM migrations FINAL')
  return new Map(rows.map(({ name, checksum }) => [name, checksum]))
}

async function read(tables: URL): Promise<Migration[]> {
  const names = (await readdir(tables)).filter(name => name.endsWith('.sql')).sort()
  return Promise.all(
    names.map(async (name, index) => {
      const number = String(index + 1).padStart(4, '0')
      if (!name.startsWith(`${number}-`))
        throw new Error(
          `${fileURLToPath(new URL(name, tables))}: expected a file numbered ${number}; number them 0001, 0002, …`,
        )
      const text = await readFile(new URL(name, tables), 'utf8')
      return { name, statements: statementsOf(text), checksum: createHash('sha256').update(text).digest('hex') }
    }),
  )
}

/** Statements end with a semicolon at the end of a line, and nowhere else has a line such an end. */
function statementsOf(text: string): string[] {
  return text
    .split(/;[ \t]*$/m)
    .map(statement => statement.trim())
    .filter(statement => statement.replaceAll(/^--.*$/gm, '').trim() !== '')
}
