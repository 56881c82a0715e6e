import type { Store } from '../../sinks/store.ts'

/** Tables that differ by nature: how and when it was computed, not what. */
const left = new Set(['checkpoints', 'migrations'])

/** The tables with their columns, but for those of processing time. */
export async function writtenTables(store: Store): Promise<{ table: string; columns: string }[]> {
  const rows = await store.query<{ table: string; columns: string }>(
    `SELECT table, arrayStringConcat(groupArray(concat('\`', name, '\`')), ', ') AS columns FROM system.columns
     WHERE database = currentDatabase() AND name != 'written_at' GROUP BY table ORDER BY table`,
  )
  return rows.filter(({ table }) => !left.has(table))
}
