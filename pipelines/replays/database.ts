import { migrate } from '../../sinks/migrate.ts'
import type { Store } from '../../sinks/store.ts'
import type { Config } from '../config.ts'
import { openStore } from '../doors.ts'

/** A replay cannot be written where it should be; the message says why, and the fix. */
export class ReplayError extends Error {
  readonly code = 'OPS_COMMAND'
  override readonly name = 'ReplayError'
}

/** Tells a database made for a replay from anybody else's. */
const COMMENT = 'a replay of ops-agent'

const LEGAL = /^[a-zA-Z_][a-zA-Z0-9_]{0,63}$/
const RESERVED = ['default', 'system', 'information_schema']

export const liveDatabase = ({ store }: Config): string => (store.in === 'clickhouse' ? store.database : 'ops')

/** @throws {ReplayError} if it is no name for a database, or is that of the agent's own */
export function checkName(config: Config, name: string): void {
  if (!LEGAL.test(name))
    throw new ReplayError(`--into '${name}': is no name; use letters, digits and '_', and begin with a letter`)
  if (name.toLowerCase() === liveDatabase(config).toLowerCase())
    throw new ReplayError(`--into ${name}: that is where the agent's own tables are; choose another name`)
  if (RESERVED.includes(name.toLowerCase()))
    throw new ReplayError(`--into ${name}: belongs to ClickHouse; choose another name`)
}

/**
 * A store with empty tables in a database of its own, beside the one given.
 * @throws {ReplayError} if a database of that name is there: one of ours without `fresh`, or anybody else's
 */
export async function openReplayStore(config: Config, live: Store, name: string, fresh: boolean): Promise<Store> {
  const [found] = await live.query<{ comment: string }>(
    'SELECT comment FROM system.databases WHERE name = {name:String}',
    { name },
  )
  if (found && found.comment !== COMMENT)
    throw new ReplayError(`--into ${name}: a database of that name holds something else; choose another name`)
  if (found && !fresh)
    throw new ReplayError(`--into ${name}: holds an earlier replay; give --fresh to replace it, or choose another name`)
  if (found) await live.command(`DROP DATABASE \`${name}\` SYNC`)
  await live.command(`CREATE DATABASE \`${name}\` COMMENT '${COMMENT}'`)
  const store = await openStore(config, name)
  try {
    await migrate(store)
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}
