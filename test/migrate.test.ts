import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { openEmbeddedStore } from '../sinks/embedded-store.ts'
import { migrate } from '../sinks/migrate.ts'
import type { Store } from '../sinks/store.ts'
import { SinkError } from '../sinks/store.ts'

const tables = new URL('../sinks/tables/', import.meta.url)
const names = (await readdir(tables)).sort()

let folder: string
let copy: URL
let store: Store

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-migrate-'))
  copy = pathToFileURL(`${join(folder, 'tables')}/`)
  store = await openEmbeddedStore({ path: join(folder, 'clickhouse') })
})
after(async () => {
  await store.close()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  for (const name of await tableNames()) await store.command(`DROP TABLE ${name}`)
  await rm(copy, { recursive: true, force: true })
  await cp(tables, copy, { recursive: true })
})

const tableNames = async (): Promise<string[]> => {
  const rows = await store.query<{ name: string }>('SELECT name FROM system.tables WHERE database = currentDatabase()')
  return rows.map(({ name }) => name).sort()
}

test('all are applied once, in order', async () => {
  assert.deepEqual(await migrate(store, copy), names)
  const made = await tableNames()
  assert.ok(made.includes('log_lines') && made.includes('checkpoints'))
  assert.deepEqual(await migrate(store, copy), [])
  await writeFile(
    new URL(`${String(names.length + 1).padStart(4, '0')}-more.sql`, copy),
    'CREATE TABLE IF NOT EXISTS more (a UInt8) ENGINE = MergeTree ORDER BY a;',
  )
  assert.equal((await migrate(store, copy)).length, 1)
  assert.deepEqual(await tableNames(), [...made, 'more'].sort())
})

test('twenty at once do what one does', async () => {
  await Promise.all(Array.from({ length: 20 }, () => migrate(store, copy)))
  assert.deepEqual(await migrate(store, copy), [])
  const rows = await store.query('SELECT name FROM migrations FINAL ORDER BY name')
  assert.deepEqual(
    rows,
    names.map(name => ({ name })),
  )
})

test('a crash after any statement is made good by the next start', async () => {
  for (let allowed = 0, whole = false; !whole; allowed++) {
    for (const name of await tableNames()) await store.command(`DROP TABLE ${name}`)
    let left = allowed
    const failing = async <T>(work: () => Promise<T>): Promise<T> => {
      if (left-- <= 0) throw new Error('killed')
      return work()
    }
    const mortal: Store = {
      ...{ address: '', query: store.query.bind(store), check: () => store.check(), close: () => store.close() },
      command: sql => failing(() => store.command(sql)),
      insert: (table, rows) => failing(() => store.insert(table, rows)),
    }
    whole = await migrate(mortal, copy).then(
      () => true,
      () => false,
    )
    await migrate(store, copy)
    assert.deepEqual(await migrate(store, copy), [])
  }
})

test('an applied file that has changed is named, with what to do', async () => {
  await migrate(store, copy)
  await writeFile(new URL(names[2]!, copy), '-- another')
  await assert.rejects(migrate(store, copy), (error: unknown) => {
    assert.ok(error instanceof SinkError)
    assert.equal(error.reason, 'misconfigured')
    assert.match(error.message, new RegExp(`sinks/tables/${names[2]} has changed since it was applied; put it back`))
    return true
  })
})

test('a gap in the numbers is named', async () => {
  await rm(new URL(names[1]!, copy))
  await assert.rejects(
    migrate(store, copy),
    new RegExp(`${names[2]}: expected a file numbered 0002; number them 0001, 0002`),
  )
  assert.deepEqual(await tableNames(), [])
})

test('each table says its identity and why writing twice is harmless, and may be created twice', async () => {
  for (const name of names) {
    const sql = await readFile(new URL(name, tables), 'utf8')
    for (const statement of sql.split(/;$/m).filter(part => part.trim() !== '')) {
      assert.match(statement.trim(), /^-- .*Identity: [\s\S]*\n-- Writing twice is harmless: /, name)
      assert.match(statement, /\nCREATE TABLE IF NOT EXISTS [a-z_]+ \(/, name)
      assert.match(statement, /ENGINE = ReplacingMergeTree/, name)
      assert.doesNotMatch(statement, /deduplication_window/, name)
    }
  }
})
