import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Cache } from '../../sinks/cache.ts'
import { SinkError } from '../../sinks/store.ts'

/** A cache to be tested, and how its time passes. */
export interface CacheUnderTest {
  readonly cache: Cache
  /** Lets at least that many milliseconds of the cache's time go by. */
  readonly wait: (ms: number) => Promise<void>
}

/** What every cache promises. `open` gives undefined where the cache cannot be had, and has skipped the test. */
export function cacheContract(title: string, open: (t: TestContext) => Promise<CacheUnderTest | undefined>): void {
  let keys = 0
  const it = (what: string, check: (under: CacheUnderTest, key: string) => Promise<void>): Promise<void> =>
    test(what, async t => {
      const under = await open(t)
      if (under) await check(under, `contract ${++keys} {x}:é`)
    })
  const MINUTE = 60_000
  // Long enough that a busy machine does not let it pass between two lines.
  const SHORT = 500

  describe(`${title} keeps the contract of a cache`, () => {
    it('a value is there until its time is over', async ({ cache, wait }, key) => {
      assert.equal(await cache.get(key), undefined)
      await cache.set(key, 'a\n\0é', MINUTE)
      assert.equal(await cache.get(key), 'a\n\0é')
      await cache.set(key, '', SHORT)
      assert.equal(await cache.get(key), '')
      await wait(SHORT)
      assert.equal(await cache.get(key), undefined)
    })

    it('a value set again lives as long as it was given last', async ({ cache, wait }, key) => {
      await cache.set(key, 'short', SHORT)
      await cache.set(key, 'long', MINUTE)
      await wait(SHORT)
      assert.equal(await cache.get(key), 'long')
    })

    it('a fraction of a millisecond is a time to live', async ({ cache }, key) => {
      await cache.set(key, 'a', 59_999.5)
      assert.equal(await cache.get(key), 'a')
    })

    it('a claim is given to exactly one of many', async ({ cache }, key) => {
      const callers = Array.from({ length: 50 }, (_, index) => `caller ${index}`)
      const won = await Promise.all(callers.map(caller => cache.claim(key, caller, MINUTE)))
      assert.deepEqual(
        callers.filter((_, index) => won[index]),
        [await cache.get(key)],
      )
    })

    it('a claim can be had again once its time is over, or it was deleted', async ({ cache, wait }, key) => {
      assert.equal(await cache.claim(key, 'first', SHORT), true)
      assert.equal(await cache.claim(key, 'second', MINUTE), false)
      await wait(SHORT)
      assert.equal(await cache.claim(key, 'third', MINUTE), true)
      await cache.delete(key)
      assert.equal(await cache.claim(key, 'fourth', MINUTE), true)
      assert.equal(await cache.get(key), 'fourth')
    })

    it('a counter counts every increment once, and vanishes after its first time to live', async ({
      cache,
      wait,
    }, key) => {
      const counts = await Promise.all(Array.from({ length: 50 }, () => cache.increment(key, MINUTE)))
      assert.deepEqual(
        counts.toSorted((a, b) => a - b),
        Array.from({ length: 50 }, (_, index) => index + 1),
      )
      assert.equal(await cache.get(key), '50')
      await cache.delete(key)
      assert.equal(await cache.increment(key, SHORT), 1)
      await cache.increment(key, MINUTE)
      await wait(SHORT)
      assert.equal(await cache.increment(key, MINUTE), 1)
    })

    it('what is no counter is not counted up, and is left as it was', async ({ cache }, key) => {
      await cache.set(key, 'text', MINUTE)
      await assert.rejects(cache.increment(key, MINUTE), error => {
        assert.ok(error instanceof SinkError)
        assert.equal(error.reason, 'rejected')
        return true
      })
      assert.equal(await cache.get(key), 'text')
    })

    it('deleting what is not there is nothing, and the cache can be asked whether it works', async ({ cache }, key) => {
      await cache.delete(key)
      await cache.check()
    })
  })
}
