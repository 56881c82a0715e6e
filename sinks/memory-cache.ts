import type { Clock } from '../operators/clock.ts'
import type { Cache } from './cache.ts'
import { SinkError } from './store.ts'

export interface MemoryCacheOptions {
  readonly clock: Clock
  /** Keys held at most; beyond that those that were set first go first. */
  readonly most?: number
}

interface Held {
  readonly value: string
  readonly until: number
}

/** The cache of a process by itself. What is past its time is gone, whether or not it still takes room. */
export function memoryCache({ clock, most = 100_000 }: MemoryCacheOptions): Cache {
  const held = new Map<string, Held>()

  const alive = (key: string): Held | undefined => {
    const found = held.get(key)
    return found && found.until > clock.now() ? found : undefined
  }
  const keep = (key: string, value: string, until: number): void => {
    held.delete(key)
    held.set(key, { value, until })
    if (held.size > most) makeRoom()
  }
  /** A tenth at a time, so that a full cache does not look at every key for every new one. */
  const makeRoom = (): void => {
    const now = clock.now()
    for (const [key, { until }] of held) if (until <= now) held.delete(key)
    const enough = Math.floor(most * 0.9)
    for (const key of held.keys()) {
      if (held.size <= Math.max(1, enough)) return
      held.delete(key)
    }
  }

  return {
    address: 'memory',
    get: async key => alive(key)?.value,
    async set(key, value, ttl) {
      keep(key, value, clock.now() + ttl)
    },
    async claim(key, value, ttl) {
      if (alive(key)) return false
      keep(key, value, clock.now() + ttl)
      return true
    },
    async increment(key, ttl) {
      const before = alive(key)
      const count = Number(before?.value ?? 0) + 1
      if (!Number.isSafeInteger(count))
        throw new SinkError('cache memory', 'rejected', `'${key}' holds '${before?.value}', which is no number`)
      if (before) held.set(key, { ...before, value: String(count) })
      else keep(key, String(count), clock.now() + ttl)
      return count
    },
    async delete(key) {
      held.delete(key)
    },
    check: async () => {},
    async close() {
      held.clear()
    },
  }
}
