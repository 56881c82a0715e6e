import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { openEmbeddedStore } from '../sinks/embedded-store.ts'
import { SinkError, type Store } from '../sinks/store.ts'
import { storeContract } from './contract/store.ts'

let folder: string
let store: Store

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-store-'))
  store = await openEmbeddedStore({ path: join(folder, 'clickhouse') })
})
after(async () => {
  await store.close()
  await rm(folder, { recursive: true, force: true })
})

storeContract('the embedded store', () => store)

test('a slow query does not hold up inserts, nor an insert a query', async () => {
  await store.command('CREATE TABLE beside (id UInt64) ENGINE = ReplacingMergeTree ORDER BY id')
  const order: string[] = []
  const slow = store
    .query('SELECT sum(sipHash64(number)) AS s FROM numbers(100000000) SETTINGS max_threads = 1')
    .then(() => order.push('slow'))
  await store.insert('beside', [{ id: 1 }])
  await store.query('SELECT 1')
  order.push('quick')
  await slow
  assert.deepEqual(order, ['quick', 'slow'])
})

test('a folder that cannot be used is named, with the setting', async () => {
  await writeFile(join(folder, 'file'), '')
  await assert.rejects(openEmbeddedStore({ path: join(folder, 'file', 'below') }), error => {
    assert.ok(error instanceof SinkError)
    assert.equal(error.reason, 'misconfigured')
    assert.match(error.message, /file\/below: misconfigured: cannot be written \(ENOTDIR\); set data to a folder/)
    return true
  })
})

test('a second process is told that the folder is taken', async () => {
  const module = new URL('../sinks/embedded-store.ts', import.meta.url).href
  const script = `
    import { openEmbeddedStore } from ${JSON.stringify(module)}
    await openEmbeddedStore({ path: process.argv[1] }).catch(error => process.stdout.write(error.message))`
  const path = join(folder, 'clickhouse')
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, path])
  assert.equal(
    stdout,
    `clickhouse ${path}: misconfigured: cannot be opened; stop the other process that has it open, or set data to a folder this process can write`,
  )
})

test('what was acknowledged is there after the process is killed', async () => {
  const module = new URL('../sinks/embedded-store.ts', import.meta.url).href
  const path = join(folder, 'killed')
  const script = `
    import { openEmbeddedStore } from ${JSON.stringify(module)}
    const store = await openEmbeddedStore({ path: process.argv[1] })
    await store.command('CREATE TABLE kept (id UInt64) ENGINE = ReplacingMergeTree ORDER BY id')
    for (let id = 0; id < 50; id++) await store.insert('kept', [{ id }])
    process.kill(process.pid, 'SIGKILL')`
  const run = (source: string) => promisify(execFile)(process.execPath, ['--input-type=module', '-e', source, path])
  await assert.rejects(run(script), { signal: 'SIGKILL' })
  const { stdout } = await run(`
    import { openEmbeddedStore } from ${JSON.stringify(module)}
    const store = await openEmbeddedStore({ path: process.argv[1] })
    process.stdout.write(JSON.stringify(await store.query('SELECT count() AS n FROM kept FINAL')))
    await store.close()`)
  assert.equal(stdout, '[{"n":50}]')
})

test('rows of which a crash left only the note that they were written are written when they come again', async () => {
  const module = new URL('../sinks/embedded-store.ts', import.meta.url).href
  const path = join(folder, 'noted')
  const run = (work: string) =>
    promisify(execFile)(process.execPath, [
      '--input-type=module',
      '-e',
      `import { openEmbeddedStore } from ${JSON.stringify(module)}
      const store = await openEmbeddedStore({ path: process.argv[1] })
      ${work}
      await store.close()`,
      path,
    ])
  const migrations = new URL('../sinks/migrate.ts', import.meta.url).href
  // Where a table has a deduplication window, the engine notes a block before it commits its part
  // (MergeTreeSink::commitPart), and drops it when it comes again. A kill in between is what is left when the part is taken away.
  const { stdout: part } = await run(`
    const { migrate } = await import(${JSON.stringify(migrations)})
    await migrate(store)
    await store.insert('log_counts', [{ pattern: 'a' }])
    const [{ path }] = await store.query("SELECT path FROM system.parts WHERE table = 'log_counts' AND active")
    process.stdout.write(path)`)
  await rm(part, { recursive: true })
  const { stdout } = await run(`
    await store.insert('log_counts', [{ pattern: 'a' }])
    process.stdout.write(JSON.stringify(await store.query('SELECT pattern FROM log_counts FINAL')))`)
  assert.equal(stdout, '[{"pattern":"a"}]')
})

test('closed twice is closed once, and then says so', async () => {
  const module = new URL('../sinks/embedded-store.ts', import.meta.url).href
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--input-type=module',
    '-e',
    `import { openEmbeddedStore } from ${JSON.stringify(module)}
    const store = await openEmbeddedStore({ path: process.argv[1] })
    await Promise.all([store.close(), store.close()])
    await store.query('SELECT 1').catch(error => process.stdout.write(error.message))`,
    join(folder, 'closed'),
  ])
  assert.match(stdout, /closed: unreachable: it has been closed$/)
})
