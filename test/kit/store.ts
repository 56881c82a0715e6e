import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedStore } from '../../sinks/embedded-store.ts'
import { migrate } from '../../sinks/migrate.ts'
import type { Store } from '../../sinks/store.ts'

/** An empty store with all tables, in a folder of its own; one at a time in a process. `close` removes it. */
export async function freshStore(): Promise<{ store: Store; close: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'ops-store-'))
  const store = await openEmbeddedStore({ path })
  await migrate(store)
  const close = async (): Promise<void> => {
    await store.close()
    await rm(path, { recursive: true, force: true })
  }
  return { store, close }
}
