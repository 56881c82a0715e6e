import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cacheContract } from '../test/contract/cache.ts'
import { memoryCache } from './memory-cache.ts'

function timed(most?: number) {
  let now = 0
  const clock = { now: () => now, sleep: async () => {} }
  const wait = async (ms: number): Promise<void> => {
    now += ms
  }
  return { cache: memoryCache({ clock, ...(most === undefined ? {} : { most }) }), wait }
}

const shared = timed()
cacheContract('the cache in memory', async () => shared)

test('a value is gone at its time, not a millisecond before', async () => {
  const { cache, wait } = timed()
  await cache.set('a', '1', 10)
  await wait(9)
  assert.equal(await cache.get('a'), '1')
  await wait(1)
  assert.equal(await cache.get('a'), undefined)
})

test('it holds no more keys than it may: what is past its time goes first, then what was set first', async () => {
  const { cache, wait } = timed(100)
  await cache.set('past', '1', 1)
  await cache.set('first', '1', 1_000)
  await cache.set('again', '1', 1_000)
  for (let key = 0; key < 97; key++) await cache.set(`${key}`, '1', 1_000)
  await cache.set('again', '2', 1_000)
  await wait(2)
  await cache.set('last', '1', 1_000)
  const kept = async (key: string): Promise<boolean> => (await cache.get(key)) !== undefined
  assert.deepEqual(await Promise.all(['past', 'first', '0', 'again', 'last'].map(kept)), [
    false,
    false,
    false,
    true,
    true,
  ])
  for (let key = 0; key < 10_000; key++) await cache.claim(`claim ${key}`, '1', 1_000)
  const held = await Promise.all(Array.from({ length: 10_000 }, (_, key) => kept(`claim ${key}`)))
  assert.ok(held.filter(Boolean).length <= 100)
  assert.equal(held.at(-1), true)
})
