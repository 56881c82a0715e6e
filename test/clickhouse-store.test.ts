import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { type ClickhouseStoreOptions, openClickhouseStore } from '../sinks/clickhouse-store.ts'
import { type Reason, SinkError, type Store } from '../sinks/store.ts'
import { storeContract } from './contract/store.ts'
import { ClickhouseFront, type Fault } from './kit/clickhouse-front.ts'

let folder: string
let front: ClickhouseFront
let store: Store

const SECRET = 'hunter2'
const openStore = (more: Partial<ClickhouseStoreOptions> = {}): Promise<Store> =>
  openClickhouseStore({ url: front.url, username: 'ops', password: SECRET, ...more })

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-store-'))
  front = await new ClickhouseFront({ path: folder, users: { ops: SECRET } }).start()
  store = await openStore()
})
after(async () => {
  await store.close()
  await front.stop()
  await rm(folder, { recursive: true, force: true })
})

storeContract('the ClickHouse store over HTTP', () => store)

async function fails(work: () => Promise<unknown>, reason: Reason, message: RegExp): Promise<void> {
  await assert.rejects(work(), error => {
    assert.ok(error instanceof SinkError, String(error))
    assert.equal(error.reason, reason, error.message)
    assert.match(error.message, message)
    assert.ok(error.message.startsWith(`clickhouse ${front.url}: ${reason}: `), error.message)
    assert.ok(!error.message.includes(SECRET), error.message)
    return true
  })
}

describe('what goes wrong on the way is told apart', () => {
  const exception = (code: number, type: string, status: number): Fault => ({
    kind: 'exception',
    code,
    type,
    message: 'as the server puts it.',
    status,
  })
  const query = (): Promise<unknown> => store.query('SELECT number FROM numbers(1000)')

  test('a server that is overloaded', async () => {
    for (const [code, type, status] of [
      [202, 'TOO_MANY_SIMULTANEOUS_QUERIES', 500],
      [252, 'TOO_MANY_PARTS', 500],
      [241, 'MEMORY_LIMIT_EXCEEDED', 500],
      [159, 'TIMEOUT_EXCEEDED', 500],
    ] as const) {
      front.fail(exception(code, type, status))
      await fails(query, 'overloaded', new RegExp(`as the server puts it. \\(${type} ${code}\\)`))
    }
  })

  test('a wrong password, and a right that is missing', async () => {
    await fails(
      () => openStore({ password: 'wrong' }),
      'misconfigured',
      /Authentication failed.*516\); set store.username and store.password/,
    )
    front.fail(exception(497, 'ACCESS_DENIED', 403))
    await fails(query, 'misconfigured', /ACCESS_DENIED 497\); give the user the right to it/)
  })

  test("a proxy's page, a server error without a body", async () => {
    front.fail({ kind: 'status', status: 502, body: '<html>\n<h1>Bad Gateway</h1>' })
    await fails(query, 'unreachable', /answered something that is not ClickHouse's: '<html> <h1>Bad Gateway<\/h1>'/)
    front.fail({ kind: 'status', status: 503, body: '' })
    await fails(query, 'unreachable', /start it or set store.url/)
  })

  test('a cut connection, before the answer and in the middle of it', async () => {
    for (const when of ['before', 'after', 'answering'] as const) {
      front.fail({ kind: 'cut', when })
      await fails(query, 'unreachable', /connection cut; start it or set store.url/)
    }
  })

  test('an error in the middle of the answer, by old servers and new', async () => {
    for (const tagged of [true, false]) {
      front.fail({ kind: 'exception-in-answer', tagged, code: 241, type: 'MEMORY_LIMIT_EXCEEDED', message: 'no more.' })
      await fails(query, 'overloaded', /no more. \(MEMORY_LIMIT_EXCEEDED 241\)/)
    }
  })

  test('a server that never answers', async () => {
    const hasty = await openStore({ timeout: 200 })
    front.fail({ kind: 'silent' })
    await fails(
      () => hasty.query('SELECT 1'),
      'unreachable',
      /no answer in time; start it or set store.url, or raise store.requestTimeout/,
    )
    await hasty.query('SELECT 1')
    await hasty.close()
  })

  test('a server that is not there, at start and later, and is found again', async () => {
    await front.refuse()
    try {
      // A connection that was open is found cut first.
      await fails(query, 'unreachable', /connection (cut|refused); start it or set store.url$/)
      await fails(query, 'unreachable', /connection refused; start it or set store.url$/)
      await fails(() => openStore({ url: front.url.replace('//', `//ops:${SECRET}@`) }), 'unreachable', /refused/)
    } finally {
      await front.start()
    }
    await query()
    await store.check()
  })

  test('an address that is none', async () => {
    await assert.rejects(openStore({ url: `http://ops:${SECRET}@:x` }), error => {
      assert.ok(error instanceof SinkError)
      assert.match(error.message, /misconfigured: '.*' is not an address; set store.url/)
      assert.ok(!error.message.includes(SECRET), error.message)
      return true
    })
  })
})

describe('inserts that are tried again', () => {
  test('are written once, though the answer to the first was lost', async () => {
    await store.command('CREATE TABLE again (id UInt64) ENGINE = ReplacingMergeTree ORDER BY id')
    const insert = (): Promise<void> => store.insert('again', [{ id: 1 }, { id: 2 }])
    front.fail({ kind: 'cut', when: 'after' })
    await fails(insert, 'unreachable', /connection cut/)
    await insert()
    assert.deepEqual(await store.query('SELECT id FROM again FINAL ORDER BY id'), [{ id: 1 }, { id: 2 }])
  })

  test('a large insert is one request, cut only beyond its limits', async () => {
    await store.command('CREATE TABLE large (id UInt64, text String) ENGINE = ReplacingMergeTree ORDER BY id')
    const inserts = (): number => front.statements.filter(sql => sql.startsWith('INSERT INTO large')).length
    await store.insert(
      'large',
      Array.from({ length: 30_000 }, (_, id) => ({ id, text: 'x'.repeat(100) })),
    )
    assert.equal(inserts(), 1)
    await store.insert(
      'large',
      Array.from({ length: 40 }, (_, id) => ({ id, text: 'x'.repeat(1024 * 1024) })),
    )
    assert.equal(inserts(), 3)
    const rows = await store.query('SELECT count() AS n FROM large FINAL')
    assert.deepEqual(rows, [{ n: 30_000 }])
  })
})

describe('the database', () => {
  test('is created if it is missing', async () => {
    const other = await openStore({ database: 'created here' })
    assert.deepEqual(await other.query('SELECT currentDatabase() AS name'), [{ name: 'created here' }])
    await other.close()
  })

  test('that may not be created is named, with the setting', async () => {
    const missing: Fault = { kind: 'exception', code: 81, type: 'UNKNOWN_DATABASE', message: 'none.', status: 404 }
    front.fail(missing, { kind: 'exception', code: 497, type: 'ACCESS_DENIED', message: 'no.', status: 403 })
    await fails(
      openStore,
      'misconfigured',
      /database 'ops' does not exist and this user may not create it; create it or set store.database/,
    )
  })
})
