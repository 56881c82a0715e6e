import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { openClickhouseStore } from '../sinks/clickhouse-store.ts'
import type { Store } from '../sinks/store.ts'
import { type AgentProcess, startAgentProcess } from './kit/agent.ts'
import { ClickhouseFront } from './kit/clickhouse-front.ts'
import { eventually } from './kit/eventually.ts'
import { startRedis, testRedis } from './kit/redis.ts'
import { Watched } from './kit/watched.ts'

// A whole agent whose doors are shut and opened again: what it says of them, that it waits, and that it then goes on as
// if nothing had been. The same with Kafka, for minutes and under load: test/chaos/outage.chaos.ts.

const redisServer = testRedis()

let folder: string
let front: ClickhouseFront
let store: Store
let agent: AgentProcess
let watched: Watched
/** Heartbeats heard so far, and how they are answered. */
let beats = 0
const listener = createServer((request, response) => {
  if (request.method === 'GET' && request.url === '/beat-5e3c') beats++
  response.end()
})

const SETTINGS = [
  ...['detection.outOfOrderness=100ms', 'detection.idleAfter=300ms', 'checkpoints.every=200ms'],
  ...['doors.pause=100ms', 'doors.longestPause=500ms', 'runbooks.builtin=false', 'store.in=clickhouse'],
]

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-doors-'))
  front = await new ClickhouseFront({ path: join(folder, 'clickhouse') }).start()
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo
  const heartbeat = [`heartbeat.url=http://127.0.0.1:${port}/beat-5e3c`, 'heartbeat.every=1s']
  agent = await startAgentProcess(folder, [...SETTINGS, ...heartbeat, `store.url=${front.url}`])
  watched = new Watched(agent)
  store = await openClickhouseStore({ url: front.url })
})
afterEach(async () => {
  front.heal()
  await front.start()
})
after(async () => {
  await agent.stop()
  await store.close()
  await front.stop()
  listener.close()
  await rm(folder, { recursive: true, force: true })
})

const linesLike = async (pattern: string): Promise<string[]> => {
  const rows = await store.query<{ body: string }>(
    'SELECT body FROM log_lines FINAL WHERE body LIKE {pattern:String} ORDER BY body',
    { pattern },
  )
  return rows.map(({ body }) => body)
}

const arrived = (pattern: string, bodies: readonly string[]): Promise<void> =>
  eventually(async () => assert.deepEqual(await linesLike(pattern), bodies))

test('a store that refuses connections is waited for: said once, seen by all who ask, and nothing is lost', async () => {
  assert.equal(await watched.send('refused: before'), 200)
  await arrived('refused: %', ['refused: before'])
  await watched.isWell()
  assert.equal(await watched.metric('opsagent_door_up{door="store"}'), 1)
  await front.refuse()
  assert.equal(await watched.send('refused: meanwhile'), 200)
  const part = await eventually(async () => {
    const shut = await watched.isShut('store', /connection refused/)
    assert.equal(shut.breaker, 'open')
    return shut
  })
  assert.equal(await watched.metric('opsagent_door_up{door="store"}'), 0)
  await eventually(async () =>
    assert.ok((await watched.metric('opsagent_door_calls_total{door="store",outcome="shut"}'))! > 3),
  )
  await eventually(async () => assert.ok((await watched.metric('opsagent_door_retries_total{door="store"}'))! > 3))
  assert.equal((await watched.isShut('store', /connection refused/)).since, part.since)
  await front.start()
  await arrived('refused: %', ['refused: before', 'refused: meanwhile'])
  await eventually(() => watched.isWell())
  assert.equal(await watched.metric('opsagent_breaker_state{door="store"}'), 0)
  const said = watched.said('store')
  assert.equal(said.length, 2, said.join('\n'))
  assert.match(said[0]!, /^warn clickhouse http:.*: unreachable: connection (cut|refused);.*; waiting for it$/)
  assert.equal(said[1], 'info store: works again')
})

test('a store that answers with trouble of every kind is waited for as well', async () => {
  await watched.send('trouble: 0')
  front.fail(
    { kind: 'status', status: 502, body: '<html>bad gateway</html>' },
    { kind: 'cut', when: 'before' },
    { kind: 'cut', when: 'after' },
    { kind: 'exception', status: 500, code: 252, type: 'TOO_MANY_PARTS', message: 'Too many parts' },
    { kind: 'exception', status: 500, code: 241, type: 'MEMORY_LIMIT_EXCEEDED', message: 'too much' },
  )
  for (let line = 1; line < 10; line++) await watched.send(`trouble: ${line}`)
  await arrived(
    'trouble: %',
    Array.from({ length: 10 }, (_, line) => `trouble: ${line}`),
  )
  await eventually(() => watched.isWell())
})

test('whoever asks while a store hangs is answered all the same', async () => {
  front.fail(...Array.from({ length: 40 }, () => ({ kind: 'silent' }) as const))
  await watched.send('silent: line')
  await eventually(() => watched.isShut('store', /no answer in/), 30_000)
  const began = performance.now()
  await watched.ready()
  assert.ok(performance.now() - began < 2_000)
  await front.refuse()
  await front.start()
  front.heal()
  await arrived('silent: %', ['silent: line'])
  await eventually(() => watched.isWell())
})

test('a store that lost a table is waited for, and the sentence names the fix', async () => {
  await store.command('RENAME TABLE log_lines TO taken_away')
  await watched.send('table: line')
  await eventually(() => watched.isShut('store', /misconfigured: .*log_lines.*run the migrations/))
  await store.command('RENAME TABLE taken_away TO log_lines')
  await arrived('table: %', ['table: line'])
  await eventually(() => watched.isWell())
})

test('a row that the store refuses for good is a dead letter, and the others are written', async () => {
  await store.command("ALTER TABLE log_lines ADD CONSTRAINT harmless CHECK body != 'refuse: b'")
  for (const line of ['a', 'b', 'c']) await watched.send(`refuse: ${line}`)
  await arrived('refuse: %', ['refuse: a', 'refuse: c'])
  const letters = await eventually(async () => {
    const found = await store.query<{ topic: string; detail: string; value: string }>(
      "SELECT topic, detail, value FROM dead_letters FINAL WHERE reason = 'row-rejected'",
    )
    assert.equal(found.length, 1)
    return found
  })
  assert.equal(letters[0]!.topic, 'table:log_lines')
  assert.match(letters[0]!.detail, /VIOLATED_CONSTRAINT/)
  assert.equal(JSON.parse(Buffer.from(letters[0]!.value, 'base64').toString()).body, 'refuse: b')
  assert.equal(await watched.metric('opsagent_dlq_total{reason="row-rejected"}'), 1)
  await store.command('ALTER TABLE log_lines DROP CONSTRAINT harmless')
  await watched.isWell()
})

test('the heartbeat is heard while all is well, silent while a door is shut, and heard again', async () => {
  const now = (): number => beats
  const more = async (than: number): Promise<void> => assert.ok(now() > than, `${now()} beats`)
  const before = now()
  await eventually(() => more(before))
  await front.refuse()
  await eventually(async () =>
    assert.ok(agent.log.some(line => line.includes('heartbeat: silent, for the store is shut'))),
  )
  const silent = now()
  await watched.isShut('store', /connection (cut|refused)/)
  await eventually(async () =>
    assert.ok((await watched.metric('opsagent_door_calls_total{door="store",outcome="shut"}'))! > 0),
  )
  assert.equal(now(), silent)
  await front.start()
  await eventually(() => more(silent))
  assert.ok(
    agent.log.every(line => !line.includes('beat-5e3c')),
    'the address is a secret',
  )
})

test('an agent whose store stays shut ends within ten seconds when it is asked to, and goes on where it was', async () => {
  const own = await mkdtemp(join(tmpdir(), 'ops-doors-'))
  try {
    const settings = [...SETTINGS, `store.url=${front.url}`, 'store.database=ended']
    const first = await startAgentProcess(own, settings)
    await new Watched(first).send('ended: line')
    await front.refuse()
    await eventually(() => new Watched(first).isShut('store', /connection (cut|refused)/))
    const began = performance.now()
    assert.equal(await first.stop(), 1)
    assert.ok(performance.now() - began < 10_000)
    await front.start()
    const second = await startAgentProcess(own, settings)
    const rows = () => store.query<{ body: string }>('SELECT body FROM ended.log_lines FINAL')
    await eventually(async () => assert.deepEqual(await rows(), [{ body: 'ended: line' }]))
    assert.equal(await second.stop(), 0)
  } finally {
    await rm(own, { recursive: true, force: true })
  }
})

test('a cache that goes away costs nothing but what it held', async t => {
  const first = await redisServer(t)
  if (!first) return
  const own = await mkdtemp(join(tmpdir(), 'ops-doors-'))
  const { port, url } = first
  const cached = await startAgentProcess(own, [
    ...SETTINGS,
    `store.url=${front.url}`,
    'store.database=cached',
    'cache.in=redis',
    `cache.url=${url}`,
  ])
  const seen = new Watched(cached)
  try {
    const open = async () => assert.equal((await seen.ready()).parts.cache!.ok, true)
    await open()
    await first.stop()
    await eventually(() => seen.isShut('cache', /connection refused/))
    const again = await startRedis([], port)
    await eventually(open)
    again.pause()
    await eventually(() => seen.isShut('cache', /no answer/))
    again.resume()
    await eventually(open)
    await again.stop()
    await eventually(() => seen.isShut('cache', /connection/))
    assert.equal(await seen.send('cache: line'), 200)
  } finally {
    assert.equal(await cached.stop(), 0)
    await rm(own, { recursive: true, force: true })
  }
})
