import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Row, SinkError, type Store } from '../../sinks/store.ts'

const table = (name: string): string => `CREATE TABLE ${name} (
  id UInt64, text String, at DateTime64(3, 'UTC'), ratio Nullable(Float64), labels Map(LowCardinality(String), String),
  list Array(Tuple(name String, score Float64)), version UInt32
) ENGINE = ReplacingMergeTree(version) ORDER BY id`

/** What every store promises. `open` gives the store under test, which the caller closes after the suite. */
export function storeContract(name: string, open: () => Store): void {
  let tables = 0
  const fresh = async (): Promise<string> => {
    const created = `contract_${++tables}`
    await open().command(table(created))
    return created
  }
  const row = (id: number, more: Row = {}): Row => ({ id, text: `row ${id}`, version: 1, ...more })
  const ids = async (from: string): Promise<number[]> =>
    (await open().query<{ id: number }>(`SELECT id FROM ${from} FINAL ORDER BY id`)).map(({ id }) => id)

  describe(`${name} keeps the contract of a store`, () => {
    test('rows come back as they were written', async () => {
      const into = await fresh()
      const text = fc.string({
        unit: fc.oneof(fc.constantFrom("'", '"', '\\', '\n', ';', '{a:b}', '\0', '`'), fc.string()),
      })
      const rows = fc.array(fc.record({ text, labels: fc.dictionary(text, text, { maxKeys: 3 }), ratio: fc.double() }))
      let id = 0
      await fc.assert(
        fc.asyncProperty(rows, async values => {
          const given = values.map(value => ({
            id: ++id,
            ...value,
            ratio: Number.isFinite(value.ratio) ? value.ratio : null,
          }))
          await open().insert(into, given)
          const wanted = given.map(value => ({ ...value, ratio: value.ratio === 0 ? 0 : value.ratio }))
          const sql = `SELECT id, text, labels, ratio FROM ${into} FINAL WHERE id > {after:UInt64} ORDER BY id`
          assert.deepEqual(await open().query(sql, { after: id - values.length }), plain(wanted))
        }),
        { numRuns: 40 },
      )
    })

    test('nested values, times and missing columns', async () => {
      const into = await fresh()
      const list = [{ name: 'forest', score: 1.5 }]
      await open().insert(into, [row(1, { list, at: '2026-11-22 10:00:00.123' }), { id: 2 }])
      const sql = `SELECT id, list, ratio, labels, toUnixTimestamp64Milli(at) AS at FROM ${into} FINAL ORDER BY id`
      assert.deepEqual(await open().query(sql), [
        { id: 1, list, ratio: null, labels: {}, at: Date.UTC(2026, 10, 22, 10, 0, 0, 123) },
        { id: 2, list: [], ratio: null, labels: {}, at: 0 },
      ])
    })

    test('half a surrogate pair becomes a replacement character, in texts and in names', async () => {
      const into = await fresh()
      await open().insert(into, [row(1, { text: 'a\ud800b', labels: { 'k\udc00': '\\ud800' } }), row(2)])
      const rows = await open().query(`SELECT text, labels FROM ${into} FINAL WHERE id = 1`)
      assert.deepEqual(rows, [{ text: 'a\ufffdb', labels: { 'k\ufffd': '\\ud800' } }])
      assert.deepEqual(await ids(into), [1, 2])
    })

    test('no rows is no work', async () => {
      const into = await fresh()
      await open().insert(into, [])
      await open().insert(into, [row(1)])
      assert.deepEqual(await ids(into), [1])
    })

    test('the same rows twice are there once, however many statements they take', async () => {
      const into = await fresh()
      const rows = Array.from({ length: 5_000 }, (_, id) => row(id))
      await open().insert(into, rows)
      await open().insert(into, rows)
      const [count] = await open().query(`SELECT count() AS rows, uniqExact(id) AS ids FROM ${into} FINAL`)
      assert.deepEqual(count, { rows: 5_000, ids: 5_000 })
    })

    test('rows of equal identity replace each other, the highest version last', async () => {
      const into = await fresh()
      await open().insert(into, [row(1, { version: 2, text: 'new' })])
      await open().insert(into, [row(1, { version: 1, text: 'old' })])
      assert.deepEqual(await open().query(`SELECT id, text FROM ${into} FINAL`), [{ id: 1, text: 'new' }])
    })

    test('parameters are bound, not pasted', async () => {
      const params = {
        text: "'; DROP TABLE x; --\\\n\t{y:String}",
        list: ["a'", 'b\\'],
        none: null,
        small: -3,
        real: 1.5,
      }
      const sql = `SELECT {text:String} AS text, {list:Array(String)} AS list, {none:Nullable(String)} AS none,
        {small:Int64} AS small, {real:Float64} AS real`
      assert.deepEqual(await open().query(sql, params), [params])
      const time = await open().query("SELECT fromUnixTimestamp64Milli({at:Int64}, 'UTC') AS at", {
        at: 1_700_000_000_123,
      })
      assert.deepEqual(time, [{ at: '2023-11-14 22:13:20.123' }])
      await assert.rejects(open().query('SELECT {at:DateTime64(3)}', { at: new Date(0) }), /pass milliseconds/)
    })

    test('a large answer comes whole and does not hold the event loop for long', async () => {
      let longest = 0
      let last = performance.now()
      const timer = setInterval(() => {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
      }, 5)
      const rows = await open()
        .query("SELECT number AS id, repeat('x', 200) AS text FROM numbers(50000)")
        .finally(() => clearInterval(timer))
      assert.equal(rows.length, 50_000)
      assert.deepEqual(rows.at(-1), { id: 49_999, text: 'x'.repeat(200) })
      assert.ok(longest < 400, `held for ${longest} ms`)
    })

    test('statements side by side do not disturb each other', async () => {
      const into = await fresh()
      await Promise.all(
        Array.from({ length: 20 }, async (_, index) => {
          await open().insert(into, [row(index)])
          assert.deepEqual(await open().query('SELECT {n:UInt32} AS n', { n: index }), [{ n: index }])
        }),
      )
      assert.deepEqual(
        await ids(into),
        Array.from({ length: 20 }, (_, index) => index),
      )
    })

    test('what no retry can help is rejected or misconfigured, and says what is wrong', async () => {
      const into = await fresh()
      const f = async (work: () => Promise<unknown>, reason: string, message: RegExp): Promise<void> => {
        await assert.rejects(work(), error => {
          assert.ok(error instanceof SinkError, String(error))
          assert.deepEqual(
            { reason: error.reason, retryable: error.retryable },
            { reason, retryable: false },
            error.message,
          )
          assert.match(error.message, message)
          assert.ok(error.message.startsWith(`clickhouse ${open().address}: `), error.message)
          assert.ok(error.cause)
          return true
        })
      }
      await f(() => open().query('SELEC 1'), 'rejected', /SYNTAX_ERROR 62/)
      await f(() => open().query('SELECT 1 FROM no_such_table'), 'misconfigured', /no_such_table.*run the migrations/)
      await f(() => open().insert(into, [{ id: 'many' }]), 'rejected', /'?many/)
      await f(() => open().insert(into, [row(1, { tpyo: 1 })]), 'rejected', /tpyo/)
      await f(() => open().query('SELECT {x:UInt8}', {}), 'rejected', /`x`/)
      await f(() => open().command('CREATE TABLE half ('), 'rejected', /SYNTAX_ERROR/)
      assert.deepEqual(await ids(into), [])
      await assert.rejects(open().insert('a; DROP TABLE b', [row(1)]), /not a table's name/)
    })

    test('it can be asked whether it works', () => open().check())
  })
}

/** Objects of fast-check have no prototype, and `assert.deepEqual` minds. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
