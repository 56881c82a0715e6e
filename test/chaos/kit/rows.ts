import assert from 'node:assert/strict'
import { openClickhouseStore } from '../../../sinks/clickhouse-store.ts'
import { writtenTables } from '../../kit/tables.ts'

/** Rows of each table of a database, as reads see them. */
export type Counts = Readonly<Record<string, number>>

/**
 * Fails unless both databases hold the same rows, table by table, but for checkpoints and for when a row was written.
 * Answers how many each table has.
 */
export async function assertSameRows(url: string, actual: string, expected: string): Promise<Counts> {
  const store = await openClickhouseStore({ url, database: expected, timeout: 120_000 })
  try {
    const counts: Record<string, number> = {}
    for (const { table, columns } of await writtenTables(store)) {
      const rows = (database: string) =>
        `SELECT formatRowNoNewline('JSONEachRow', ${columns}) AS row FROM ${database}.${table} FINAL`
      const without = (one: string, other: string) =>
        store.query<{ row: string }>(`SELECT row FROM (${rows(one)} EXCEPT ${rows(other)}) ORDER BY row LIMIT 100`)
      const lacking = await without(expected, actual)
      const more = await without(actual, expected)
      const [count] = await store.query<{ a: number; e: number }>(
        `SELECT (SELECT count() FROM ${actual}.${table} FINAL) AS a, (SELECT count() FROM ${expected}.${table} FINAL) AS e`,
      )
      const shown = (list: { row: string }[]) => list.slice(0, 3).map(({ row }) => row.slice(0, 1_000))
      assert.deepEqual(
        { lacking: shown(lacking), more: shown(more), rows: count!.a },
        { lacking: [], more: [], rows: count!.e },
        `${table}: ${lacking.length} rows of the undisturbed run are missing or differ, ${more.length} are there that it has not`,
      )
      counts[table] = count!.e
    }
    return counts
  } finally {
    await store.close()
  }
}
