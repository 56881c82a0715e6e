import { openEmbeddedStore } from '../../sinks/embedded-store.ts'
import { writtenTables } from './tables.ts'

// Prints every row of every table of an embedded store, one JSON object a line: {"table": …, "row": …}, in no
// particular order. The engine takes one folder per process, so whoever compares two stores runs this twice.

const store = await openEmbeddedStore({ path: process.argv[2]! })
for (const { table, columns } of await writtenTables(store))
  for (const row of await store.query(`SELECT ${columns} FROM ${table} FINAL`))
    process.stdout.write(`${JSON.stringify({ table, row })}\n`)
await store.close()
