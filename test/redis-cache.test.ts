import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openRedisCache } from '../sinks/redis-cache.ts'
import { type Reason, SinkError } from '../sinks/store.ts'
import { type CacheUnderTest, cacheContract } from './contract/cache.ts'
import { startRedis, testRedis } from './kit/redis.ts'

const redis = testRedis()
let opened: Promise<CacheUnderTest> | undefined

cacheContract('the cache in Redis', async t => {
  const server = await redis(t)
  if (!server) return undefined
  // Redis has a clock of its own; its times to live are real milliseconds.
  opened ??= openRedisCache({ url: server.url }).then(cache => ({ cache, wait: ms => delay(ms + 5) }))
  return opened
})
test('it is closed once, and then says so', async t => {
  if (!(await redis(t))) return
  const { cache } = await opened!
  await cache.close()
  await fails(() => cache.get('a'), 'unreachable', /it has been closed$/)
})

const SECRET = 'hunter2'

async function fails(work: () => Promise<unknown>, reason: Reason, message: RegExp): Promise<void> {
  await assert.rejects(work(), error => {
    assert.ok(error instanceof SinkError, String(error))
    assert.equal(error.reason, reason, error.message)
    assert.match(error.message, message)
    assert.ok(!error.message.includes(SECRET), error.message)
    return true
  })
}

test('two prefixes do not see each other', async t => {
  const server = await redis(t)
  if (!server) return
  const [one, other] = await Promise.all(['one:', 'other:'].map(prefix => openRedisCache({ url: server.url, prefix })))
  await one!.set('key', '1', 10_000)
  await one!.increment('count', 10_000)
  assert.equal(await other!.get('key'), undefined)
  assert.equal(await other!.increment('count', 10_000), 1)
  await Promise.all([one!.close(), other!.close()])
})

test('a password: right, wrong, missing, and never in a message', async t => {
  if (!(await redis(t))) return
  const server = await startRedis(['--requirepass', SECRET])
  try {
    const cache = await openRedisCache({ url: server.url, password: SECRET })
    await cache.set('a', '1', 10_000)
    await cache.close()
    const advice = /set cache.username and cache.password$/
    await fails(() => openRedisCache({ url: server.url }), 'misconfigured', advice)
    await fails(() => openRedisCache({ url: server.url, password: 'wrong' }), 'misconfigured', advice)
    const inUrl = server.url.replace('//', `//default:${SECRET}@`)
    await (await openRedisCache({ url: inUrl })).close()
  } finally {
    await server.stop()
  }
})

test('a server that is not there is named at start, with the setting', async t => {
  if (!(await redis(t))) return
  const server = await startRedis()
  await server.stop()
  const url = server.url.replace('//', `//default:${SECRET}@`)
  const message = new RegExp(`^redis ${server.url}: unreachable: connection refused; start it or set cache.url$`)
  await fails(() => openRedisCache({ url }), 'unreachable', message)
  await fails(() => openRedisCache({ url: 'http://127.0.0.1' }), 'misconfigured', /is not an address; set cache.url/)
  await fails(() => openRedisCache({ url: `redis://:${SECRET}@:x` }), 'misconfigured', /is not an address/)
})

test('a server that goes away is unreachable, and is found again when it is back', async t => {
  if (!(await redis(t))) return
  const first = await startRedis()
  const cache = await openRedisCache({ url: first.url, timeout: 1_000 })
  await first.stop()
  await fails(
    () => cache.claim('a', '1', 10_000),
    'unreachable',
    /connection (cut|refused); start it or set cache.url$/,
  )
  await fails(() => cache.claim('a', '1', 10_000), 'unreachable', /start it or set cache.url$/)
  const second = await startRedis([], first.port)
  try {
    for (let found = false; !found; )
      found = await cache.check().then(
        () => true,
        () => false,
      )
    assert.equal(await cache.claim('a', '1', 10_000), true)
  } finally {
    await cache.close()
    await second.stop()
  }
})

test('a server that does not answer is unreachable', async t => {
  if (!(await redis(t))) return
  const server = await startRedis()
  const cache = await openRedisCache({ url: server.url, timeout: 200 })
  try {
    server.pause()
    await fails(() => cache.get('a'), 'unreachable', /no answer in time; start it or set cache.url$/)
    server.resume()
    await cache.check()
  } finally {
    await cache.close()
    await server.stop()
  }
})

test('a server without memory left is overloaded', async t => {
  if (!(await redis(t))) return
  const server = await startRedis(['--maxmemory', '1', '--maxmemory-policy', 'noeviction'])
  const cache = await openRedisCache({ url: server.url })
  try {
    await fails(() => cache.set('a', '1', 10_000), 'overloaded', /OOM/)
  } finally {
    await cache.close()
    await server.stop()
  }
})
