import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memoryCache } from '../../sinks/memory-cache.ts'
import { SinkError } from '../../sinks/store.ts'
import { realClock } from '../../test/kit/log.ts'
import type { Log } from '../sources/log.ts'
import { Guard } from './guard.ts'
import { guardedCache, guardedLog } from './guarded.ts'

const guardOf = (timeout = 1_000) =>
  new Guard({
    ...{ name: 'door', address: 'd', timeout, concurrent: 4, waiting: 4, failures: 3, pause: 60_000 },
    ...{ longestPause: 60_000, clock: realClock, random: () => 0.999 },
  })

test('a cache that is away forgets everything, and grants every claim', async () => {
  const away = async (): Promise<never> => {
    throw new SinkError('redis r', 'unreachable', 'connection refused')
  }
  const gone = { address: 'r', get: away, set: away, claim: away, increment: away, delete: away, check: away }
  const guard = guardOf()
  const cache = guardedCache({ ...gone, close: async () => {} }, guard)
  for (let time = 0; time < 2; time++) {
    await cache.set('a', 'x', 1_000)
    assert.equal(await cache.get('a'), undefined)
    assert.equal(await cache.claim('a', 'x', 1_000), true)
    assert.equal(await cache.increment('a', 1_000), 1)
    await cache.delete('a')
  }
  assert.equal(guard.state.breaker, 'open')
  assert.equal(guard.calls.get('unreachable'), 3)
  await assert.rejects(cache.check(), SinkError)
})

test('a cache that is there is what it is, its refusals included', async () => {
  const cache = guardedCache(memoryCache({ clock: realClock }), guardOf())
  await cache.set('a', 'x', 1_000)
  assert.equal(await cache.get('a'), 'x')
  assert.equal(await cache.claim('a', 'y', 1_000), false)
  await assert.rejects(cache.increment('a', 1_000), /rejected/)
})

test('records of an append that took too long are not written a second time', async () => {
  const written: unknown[] = []
  const slow = Promise.withResolvers<void>()
  const log = {
    address: 'l',
    async append(records: readonly unknown[]) {
      await slow.promise
      written.push(...records)
    },
  } as unknown as Log
  const guarded = guardedLog(log, guardOf(20))
  const records = [{ topic: 't', key: null, value: 'v' }]
  await assert.rejects(guarded.append(records), /no answer in 0.02 s/)
  const again = guarded.append(records)
  slow.resolve()
  await again
  assert.equal(written.length, 1)
})
