import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { SinkError, type Store } from './store.ts'

/** A numbered file of `sinks/tables`. */
export interface Migration {
  readonly name: string
  readonly sql: string
}

/** Reads the migrations that come with this version, in order. */
export async function migrations(folder: URL = new URL('./tables/', import.meta.url)): Promise<Migration[]> {
  const names = (await readdir(folder)).filter(name => /^\d{4}-[a-z0-9-]+\.sql$/.test(name)).sort()
  return Promise.all(names.map(async name => ({ name, sql: await readFile(new URL(name, folder), 'utf8') })))
}

/**
 * Applies what has not been applied, in order; answers the names of what it applied. Two processes at once do no harm:
 * each statement is written so that doing it twice is an error that names the table, or nothing.
 * @throws {SinkError} `misconfigured` if an applied migration has changed since, naming it
 */
export async function migrate(store: Store, all: readonly Migration[]): Promise<string[]> {
  await store.command(
    `CREATE TABLE IF NOT EXISTS migrations (name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
     ENGINE = ReplacingMergeTree ORDER BY name`,
  )
  const applied = new Map(
    (await store.query<{ name: string; checksum: string }>('SELECT name, checksum FROM migrations FINAL')).map(row => [
      row.name,
      row.checksum,
    ]),
  )
  const fresh: string[] = []
  for (const migration of all) {
    const checksum = checksumOf(migration)
    const known = applied.get(migration.name)
    if (known === checksum) continue
    if (known !== undefined)
      throw new SinkError(
        `store ${store.address}`,
        'misconfigured',
        `migration ${migration.name} was applied with checksum ${known} and now has ${checksum}; restore the file, or start with a fresh database`,
      )
    for (const statement of statementsOf(migration)) await store.command(statement)
    await store.insert('migrations', [{ name: migration.name, checksum }])
    fresh.push(migration.name)
  }
  return fresh
}

const checksumOf = ({ sql }: Migration): string => createHash('sha256').update(sql).digest('hex').slice(0, 16)

/** Statements end with a semicolon at the end of a line. A table that is there already was made by another process. */
function statementsOf({ sql }: Migration): string[] {
  return sql
    .split(/;\s*$/m)
    .map(statement =>
      statement.trim().replace(/^((?:--.*\n\s*)*)CREATE TABLE (?!IF NOT EXISTS)/, '$1CREATE TABLE IF NOT EXISTS '),
    )
    .filter(statement => statement.replace(/^--.*$/gm, '').trim() !== '')
}
