import { Redis } from 'ioredis'
import type { Cache } from './cache.ts'
import { connectionTrouble, isTlsTrouble } from './network.ts'
import { type Reason, SinkError } from './store.ts'

export interface RedisCacheOptions {
  /** `redis://host:port` or `rediss://host:port`. */
  readonly url: string
  readonly username?: string
  readonly password?: string
  /** Put before every key. */
  readonly prefix?: string
  /** Milliseconds a command may take, connecting included. */
  readonly timeout?: number
}

/** Counts, and sets the time to live with the first; both or neither. */
const INCREMENT = `
  local count = redis.call('INCR', KEYS[1])
  if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
  return count`

/**
 * Opens a Redis server.
 * @throws {SinkError} naming the address and the setting, if it cannot be reached or used
 */
export async function openRedisCache(options: RedisCacheOptions): Promise<Cache> {
  const cache = new RedisCache(options)
  try {
    await cache.check()
  } catch (error) {
    await cache.close()
    throw error
  }
  return cache
}

class RedisCache implements Cache {
  readonly address: string
  readonly #redis: Redis
  /** Why there is no connection now: a command that waited for one only says that it waited. */
  #trouble: Error | undefined
  #closed = false

  constructor({ url, username, password, prefix = 'ops:', timeout = 5_000 }: RedisCacheOptions) {
    this.address = addressOf(url)
    this.#redis = new Redis(url, {
      ...(username ? { username } : {}),
      ...(password ? { password } : {}),
      keyPrefix: prefix,
      lazyConnect: true,
      connectTimeout: timeout,
      commandTimeout: timeout,
      maxRetriesPerRequest: 1,
      // A claim or an increment whose answer was lost may have happened; sent again, it would lie.
      autoResendUnfulfilledCommands: false,
      retryStrategy: times => Math.min(times * 50, 2_000),
      reconnectOnError: error => error.message.startsWith('READONLY'),
    })
    this.#redis.on('error', error => {
      this.#trouble = error
    })
    this.#redis.on('ready', () => {
      this.#trouble = undefined
    })
  }

  async get(key: string): Promise<string | undefined> {
    return (await this.#use(() => this.#redis.get(key))) ?? undefined
  }

  async set(key: string, value: string, ttl: number): Promise<void> {
    await this.#use(() => this.#redis.set(key, value, 'PX', whole(ttl)))
  }

  async claim(key: string, value: string, ttl: number): Promise<boolean> {
    return (await this.#use(() => this.#redis.set(key, value, 'PX', whole(ttl), 'NX'))) === 'OK'
  }

  async increment(key: string, ttl: number): Promise<number> {
    return Number(await this.#use(() => this.#redis.eval(INCREMENT, 1, key, whole(ttl))))
  }

  async delete(key: string): Promise<void> {
    await this.#use(() => this.#redis.del(key))
  }

  async check(): Promise<void> {
    await this.#use(() => this.#redis.ping())
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#redis.disconnect()
  }

  async #use<T>(command: () => Promise<T>): Promise<T> {
    try {
      if (this.#closed) throw new Error('it has been closed')
      return await command()
    } catch (error) {
      const { reason, message } = explain(error as Error, this.#trouble)
      throw new SinkError(`redis ${this.address}`, reason, message, { cause: error })
    }
  }
}

/** Redis takes whole milliseconds, and at least one. */
const whole = (ttl: number): number => Math.max(1, Math.ceil(ttl))

const REACH = 'start it or set cache.url'

/** What Redis begins its errors with, by what can be done about them. */
const words: readonly [RegExp, Reason, string][] = [
  [/^(NOAUTH|WRONGPASS|ERR AUTH|ERR invalid password)/, 'misconfigured', '; set cache.username and cache.password'],
  [/^NOPERM/, 'misconfigured', '; give the user the right to it'],
  [/^(LOADING|BUSY|OOM|MISCONF|READONLY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|ERR max number of clients)/, 'overloaded', ''],
]

function explain(error: Error, trouble: Error | undefined): { reason: Reason; message: string } {
  for (const said of [error, trouble])
    for (const [begin, reason, advice] of words)
      if (said && begin.test(said.message)) return { reason, message: `${said.message}${advice}` }
  if (error.name === 'ReplyError') return { reason: 'rejected', message: error.message }
  for (const said of [trouble, error]) {
    if (said && isTlsTrouble(said)) return { reason: 'misconfigured', message: `${said.message}; ${REACH}` }
    const words = said && connectionTrouble(said)
    if (words) return { reason: 'unreachable', message: `${words}; ${REACH}` }
  }
  if (/timed out/i.test(error.message)) return { reason: 'unreachable', message: `no answer in time; ${REACH}` }
  if (/^it has been closed$/.test(error.message)) return { reason: 'unreachable', message: error.message }
  return { reason: 'unreachable', message: `connection cut; ${REACH}` }
}

/** Scheme, host and port: what a message may say of the URL, which may hold a password. */
function addressOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (!parsed || !/^rediss?:$/.test(parsed.protocol))
    throw new SinkError('redis', 'misconfigured', `'${url.replace(/\/\/.*@/, '//')}' is not an address; set cache.url`)
  return `${parsed.protocol}//${parsed.host}`
}
