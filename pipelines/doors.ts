import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '../operators/clock.ts'
import type { Cache } from '../sinks/cache.ts'
import type { Store } from '../sinks/store.ts'
import type { Config } from './config.ts'
import { ConfigError } from './configuration/load.ts'
import { type DataFolder, holdDataFolder, ownerOf } from './data-folder.ts'
import { Guard, type GuardOptions } from './doors/guard.ts'
import type { Log } from './sources/log.ts'
import type { Logger } from './sources/logger.ts'

// The three doors as a configuration names them. What a configuration does not use is not loaded: the embedded store
// alone is hundreds of megabytes of native code.

/** The log of a configuration. The embedded one needs the data folder to be ours. @throws {SinkError} */
export async function openLog(config: Config, { clock, logger }: { clock: Clock; logger: Logger }): Promise<Log> {
  const { log } = config
  if (log.in === 'embedded') {
    const { openEmbeddedLog } = await import('./sources/embedded-log.ts')
    return openEmbeddedLog({ dataDir: config.data, clock, logger })
  }
  const { openKafkaLog } = await import('./sources/kafka-log.ts')
  const { username, password, mechanism } = log.sasl
  return openKafkaLog({
    brokers: log.brokers,
    clientId: log.clientId,
    prefix: log.prefix,
    foreign: config.inputs.filter(({ foreign }) => foreign).map(({ topic }) => topic),
    createTopics: log.createTopics,
    replicas: log.replicas,
    compression: log.compression,
    sessionTimeout: log.sessionTimeout,
    requestTimeout: log.requestTimeout,
    connectTimeout: log.connectTimeout,
    ...(log.tls.enabled ? { tls: tlsOf(log.tls) } : {}),
    ...(username && password ? { sasl: { mechanism, username, password: password.reveal() } } : {}),
    clock,
    logger,
  })
}

type Tls = Extract<Config['log'], { in: 'kafka' }>['tls']

function tlsOf({ ca, cert, key, serverName }: Tls): { ca?: string; cert?: string; key?: string; serverName?: string } {
  return {
    ...(ca ? { ca: pem('ca', ca) } : {}),
    ...(cert ? { cert: pem('cert', cert) } : {}),
    ...(key ? { key: pem('key', key) } : {}),
    ...(serverName ? { serverName } : {}),
  }
}

function pem(name: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([`log.tls.${name}: '${path}' cannot be read (${code}); create it or correct the path`], {
      cause: error,
    })
  }
}

/** The store of a configuration, or another database of it, its tables not looked at. @throws {SinkError} */
export async function openStore({ store, data }: Config, database?: string): Promise<Store> {
  if (store.in === 'embedded') {
    const { openEmbeddedStore } = await import('../sinks/embedded-store.ts')
    return openEmbeddedStore({ path: join(data, 'clickhouse'), ...(database ? { database } : {}) })
  }
  const { openClickhouseStore } = await import('../sinks/clickhouse-store.ts')
  return openClickhouseStore({
    url: store.url,
    username: store.username,
    database: database ?? store.database,
    timeout: store.requestTimeout,
    ...(store.password ? { password: store.password.reveal() } : {}),
  })
}

/** What stands between the agent and each thing outside that it calls. */
export interface Guards {
  readonly log: Guard
  readonly store: Guard
  readonly cache: Guard
  readonly render: Guard
  readonly heartbeat: Guard
}

/** Calls of embedded doors have no setting for how long they may take; and no call is given less than the shortest. */
const TIMEOUT = 30_000
const SHORTEST_TIMEOUT = 5_000

export function guardsOf(config: Config, { clock, random }: { clock: Clock; random: () => number }): Guards {
  const { log, store, cache, doors, render } = config
  const guard = (own: Pick<GuardOptions, 'name' | 'address' | 'concurrent' | 'waiting'> & Partial<GuardOptions>) =>
    new Guard({ timeout: TIMEOUT, ...doors, ...own, clock, random })
  const atLeast = (timeout: number): number => Math.max(SHORTEST_TIMEOUT, timeout)
  return {
    log: guard({
      name: 'log',
      address: log.in === 'kafka' ? log.brokers.join(',') : config.data,
      concurrent: 64,
      waiting: 256,
      ...(log.in === 'kafka' ? { timeout: atLeast(log.requestTimeout) } : {}),
    }),
    store: guard({
      name: 'store',
      address: store.in === 'clickhouse' ? new URL(store.url).origin : config.data,
      concurrent: 16,
      waiting: 256,
      // The client has the same limit for each statement, and says more of what it met.
      ...(store.in === 'clickhouse' ? { timeout: atLeast(2 * store.requestTimeout) } : {}),
    }),
    cache: guard({
      name: 'cache',
      address: cache.in === 'redis' ? new URL(cache.url).host : 'memory',
      concurrent: 64,
      waiting: 1_024,
      timeout: 1_000,
    }),
    render: guard({
      name: 'render',
      address: new URL(render.baseUrl).origin,
      concurrent: 4,
      waiting: 64,
      isOutage: () => true,
      isBad: answer => answer instanceof Response && answer.status >= 500,
    }),
    heartbeat: guard({
      name: 'heartbeat',
      address: '',
      concurrent: 1,
      waiting: 0,
      timeout: 10_000,
      isOutage: () => true,
    }),
  }
}

/** The cache of a configuration, whether or not it can be reached now. @throws {SinkError} if it is misconfigured */
export async function openCache({ cache }: Config, clock: Clock): Promise<Cache> {
  if (cache.in === 'memory') {
    const { memoryCache } = await import('../sinks/memory-cache.ts')
    return memoryCache({ clock })
  }
  const { openRedisCache } = await import('../sinks/redis-cache.ts')
  const { url, username, password, prefix } = cache
  return openRedisCache({
    url,
    prefix,
    ...(username ? { username } : {}),
    ...(password ? { password: password.reveal() } : {}),
  })
}

/**
 * Takes the data folder for this process where something of ours is in it; undefined where nothing is, so that any
 * number of processes may share a machine.
 * @throws {DataFolderHeld} if another process has it
 */
export async function holdOwnFolder({ log, store, data }: Config): Promise<DataFolder | undefined> {
  return log.in === 'embedded' || store.in === 'embedded' ? holdDataFolder(data) : undefined
}

/** Address of the API of the agent that holds the data folder; '' while it has none, undefined if nobody holds it. */
export async function holderOf({ data }: Config): Promise<string | undefined> {
  return (await ownerOf(data))?.api
}

/**
 * Works on the store and closes it. The embedded one is ours alone meanwhile.
 * @throws {DataFolderHeld} if another process has it open
 */
export async function withStore<T>(config: Config, work: (store: Store) => Promise<T>): Promise<T> {
  const folder = config.store.in === 'embedded' ? await holdDataFolder(config.data) : undefined
  try {
    const store = await openStore(config)
    return await work(store).finally(() => store.close())
  } finally {
    await folder?.release()
  }
}
