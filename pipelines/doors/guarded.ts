import type { Cache } from '../../sinks/cache.ts'
import { SinkError, type Store } from '../../sinks/store.ts'
import type { Log } from '../sources/log.ts'
import type { Guard } from './guard.ts'

// Each door behind its guard. What only reads is repeated at once a few times; what writes never is, for whoever writes
// knows whether and how it may be said again.

/** The store behind its guard. Rows that are still being written after a timeout are waited for, not written again. */
export function guardedStore(store: Store, guard: Guard): Store {
  return {
    address: store.address,
    insert: (table, rows) => guard.run(() => store.insert(table, rows), { about: rows }),
    query: (sql, params) => guard.run(() => store.query(sql, params), { repeat: true }),
    command: sql => guard.run(() => store.command(sql)),
    check: () => guard.run(() => store.check()),
    close: () => store.close(),
  }
}

/**
 * The log behind its guard. An append that nobody waited for any longer may still be written, and may be made again
 * with the same list of records: then it is waited for again. Subscriptions and `read` have the log's own timeouts, and
 * go on for as long as they are wanted.
 */
export function guardedLog(log: Log, guard: Guard): Log {
  return {
    address: log.address,
    ensure: topics => guard.run(() => log.ensure(topics)),
    partitions: topic => guard.run(() => log.partitions(topic), { repeat: true }),
    ends: topic => guard.run(() => log.ends(topic), { repeat: true }),
    append: records => guard.run(() => log.append(records), { about: records }),
    subscribe: (options, reader) => log.subscribe(options, reader),
    read: (topic, partition, from, to) => log.read(topic, partition, from, to),
    check: () => guard.run(() => log.check()),
    close: () => log.close(),
  }
}

/**
 * The cache behind its guard, and forgetful where it cannot be used: nothing is found, what is set is not kept, every
 * claim is granted and every count is the first. Whoever needs more than that must not ask a cache.
 */
export function guardedCache(cache: Cache, guard: Guard): Cache {
  const or = async <T>(missing: T, call: () => Promise<T>): Promise<T> => {
    try {
      return await guard.run(call)
    } catch (error) {
      if (error instanceof SinkError) return missing
      throw error
    }
  }
  return {
    address: cache.address,
    get: key => or(undefined, () => cache.get(key)),
    set: (key, value, ttl) => or(undefined, () => cache.set(key, value, ttl)),
    claim: (key, value, ttl) => or(true, () => cache.claim(key, value, ttl)),
    increment: (key, ttl) => or(1, () => cache.increment(key, ttl)),
    delete: key => or(undefined, () => cache.delete(key)),
    check: () => guard.run(() => cache.check()),
    close: () => cache.close(),
  }
}
