import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Log, LogRecord, NewRecord } from '../../pipelines/sources/log.ts'
import { Placement } from '../../pipelines/sources/placement.ts'
import { applyTopics, planTopics } from '../../pipelines/sources/topics.ts'
import { SinkError } from '../../sinks/store.ts'
import { RecordingReader } from '../kit/log.ts'

/** One log to be tested, empty as far as the topics it names go. */
export interface LogUnderTest {
  /** Opens the log. Opened again after `close`, it holds what it held. */
  open(): Promise<Log>
  /** A name that no other test uses, made from this one. */
  name(name: string): string
}

const HOUR = 3_600_000
/** The start of a group that has not committed, and a time between calls of idle that no test waits for. */
const quiet = { start: 'earliest', idleEvery: HOUR } as const

async function all(records: AsyncIterable<LogRecord>): Promise<LogRecord[]> {
  const list: LogRecord[] = []
  for await (const record of records) list.push(record)
  return list
}

const numbered = (topic: string, count: number, more: Partial<NewRecord> = {}): NewRecord[] =>
  Array.from({ length: count }, (_, n) => ({ topic, key: `key ${n % 13}`, value: String(n), ...more }))

/** Every implementation of the log door passes these. */
export function logContract(setup: (t: TestContext) => Promise<LogUnderTest | undefined>): void {
  const contract = (name: string, run: (t: TestContext, log: Log, under: LogUnderTest) => Promise<void>) =>
    test(name, async t => {
      const under = await setup(t)
      if (!under) return
      const log = await under.open()
      t.after(() => log.close())
      await run(t, log, under)
    })

  contract('keys, headers, null and empty values come back as they were given, in order', async (_t, log, { name }) => {
    const topic = name('records')
    await log.ensure([{ topic, partitions: 1 }])
    const given = [
      { key: 'checkout', value: 'text', headers: { 'ops-version': '1', größe: 'später ✓' } },
      { key: null, value: null },
      { key: '', value: '', headers: {} },
      { key: 'schlüssel', value: Buffer.from([0, 255, 254, 128]) },
    ]
    const before = Date.now()
    await log.append(given.map(record => ({ topic, ...record })))
    const records = await all(log.read(topic, 0, 0))
    assert.deepEqual(
      records.map(({ topic, partition, offset, key, headers }) => ({ topic, partition, offset, key, headers })),
      given.map(({ key, headers = {} }, offset) => ({ topic, partition: 0, offset, key, headers })),
    )
    assert.deepEqual(
      records.map(({ value }) => value && [...value]),
      given.map(({ value }) => (value === null ? null : [...Buffer.from(value)])),
    )
    for (const { appendedAt } of records) assert.ok(appendedAt >= before - 60_000 && appendedAt <= Date.now() + 60_000)
    assert.equal(records[2]!.value!.length, 0)
  })

  contract('what was appended is there after the log was opened again', async (t, log, { name, open }) => {
    const topic = name('durable')
    await log.ensure([{ topic, partitions: 2 }])
    await log.append(numbered(topic, 50))
    const read = async (from: Log) => [...(await all(from.read(topic, 0, 0))), ...(await all(from.read(topic, 1, 0)))]
    const before = await read(log)
    await log.close()
    const again = await open()
    t.after(() => again.close())
    assert.deepEqual(await read(again), before)
    assert.equal(before.length, 50)
    await again.append([{ topic, key: 'one more', value: 'x' }])
    assert.equal(
      (await again.ends(topic)).reduce((sum, end) => sum + end),
      51,
    )
  })

  contract('a range is read once: from inclusive, to exclusive, to the end as it is', async (_t, log, { name }) => {
    const topic = name('range')
    await log.ensure([{ topic, partitions: 1 }])
    assert.deepEqual(await all(log.read(topic, 0, 0)), [])
    await log.append(numbered(topic, 2_500))
    const offsets = async (from: number, to?: number) => (await all(log.read(topic, 0, from, to))).map(r => r.offset)
    assert.deepEqual(await offsets(3, 6), [3, 4, 5])
    assert.deepEqual(await offsets(7, 7), [])
    assert.deepEqual(await offsets(2_498), [2_498, 2_499])
    assert.deepEqual(await offsets(2_499, 9_999), [2_499])
    assert.equal((await offsets(0)).length, 2_500)
    assert.deepEqual(await log.ends(topic), [2_500])
  })

  contract('records lie where their key says, and take turns without one', async (_t, log, { name }) => {
    const topic = name('placed')
    await log.ensure([{ topic, partitions: 5 }])
    const records: NewRecord[] = [
      ...numbered(topic, 40),
      ...numbered(topic, 5, { partitionKey: 'together' }),
      ...numbered(topic, 12, { key: null }),
      ...numbered(topic, 3, { partition: 4 }),
    ]
    await log.append(records.slice(0, 50))
    await log.append(records.slice(50))
    const placement = new Placement()
    const expected = Array.from({ length: 5 }, () => [] as string[])
    for (const record of records) expected[placement.place(record, 5)]!.push(String(record.value))
    for (const [partition, values] of expected.entries())
      assert.deepEqual(
        (await all(log.read(topic, partition, 0))).map(({ value }) => String(value)),
        values,
      )
    await assert.rejects(log.append([{ topic, key: null, value: '', partition: 5 }]), /has no partition 5: it has 5/)
  })

  contract('ten thousand records in one append arrive once, in order', async (t, log, { name }) => {
    const topic = name('many')
    await log.ensure([{ topic, partitions: 3 }])
    await log.append(numbered(topic, 10_000))
    const reader = new RecordingReader({ work: batch => batch.heartbeat() })
    const subscription = await log.subscribe(
      { group: name('many'), topics: [topic], ...quiet, maxRecords: 700 },
      reader,
    )
    t.after(() => subscription.close())
    await reader.until(() => reader.records.length >= 10_000)
    for (const { records } of reader.batches) assert.ok(records.length <= 700)
    const next = [0, 0, 0]
    const last = new Map<string, number>()
    for (const { partition, offset, key, value } of reader.records) {
      assert.equal(offset, next[partition]!++)
      assert.ok(Number(value) > (last.get(key!) ?? -1), 'a key keeps its order')
      last.set(key!, Number(value))
    }
    assert.deepEqual(await log.ends(topic), next)
  })

  contract('reading starts where `assigned` says', async (t, log, { name }) => {
    const topic = name('seek')
    await log.ensure([{ topic, partitions: 2 }])
    await log.append([...numbered(topic, 20, { partition: 0 }), ...numbered(topic, 20, { partition: 1 })])
    const reader = new RecordingReader({ starts: (_topic, partition) => (partition === 0 ? 17 : 0) })
    const subscription = await log.subscribe({ group: name('seek'), topics: [topic], ...quiet }, reader)
    t.after(() => subscription.close())
    await reader.until(() => reader.records.length >= 23)
    assert.deepEqual(
      reader.records.filter(({ partition }) => partition === 0).map(({ offset }) => offset),
      [17, 18, 19],
    )
    assert.equal(reader.records.length, 23)
  })

  contract('a group goes on where it committed; another starts at its `start`', async (t, log, { name }) => {
    const topic = name('resume')
    const [group, late] = [name('resume'), name('resume late')]
    await log.ensure([{ topic, partitions: 1 }])
    await log.append(numbered(topic, 10))
    const first = new RecordingReader()
    const one = await log.subscribe({ group, topics: [topic], ...quiet }, first)
    await first.until(() => first.records.length === 10)
    await one.commit(topic, 0, 7)
    await one.close()
    const [resumed, fresh] = [new RecordingReader(), new RecordingReader()]
    const two = await log.subscribe({ group, topics: [topic], ...quiet, start: 'latest' }, resumed)
    t.after(() => two.close())
    const three = await log.subscribe({ group: late, topics: [topic], ...quiet, start: 'latest' }, fresh)
    t.after(() => three.close())
    await Promise.all([resumed.until(() => resumed.owned.size > 0), fresh.until(() => fresh.owned.size > 0)])
    await resumed.until(() => resumed.records.length >= 3)
    assert.deepEqual(resumed.values(topic), ['7', '8', '9'])
    await three.commit(topic, 0, 10)
    await log.append([{ topic, key: null, value: 'new' }])
    await Promise.all([resumed.until(() => resumed.records.length >= 4), fresh.until(() => fresh.records.length >= 1)])
    assert.deepEqual(fresh.values(topic), ['new'])
  })

  contract('a reader at the end is told that it is idle, and woken by an append', async (t, log, { name }) => {
    const topic = name('idle')
    await log.ensure([{ topic, partitions: 2 }])
    await log.append(numbered(topic, 5, { partition: 1 }))
    const reader = new RecordingReader()
    const options = { group: name('idle'), topics: [topic], start: 'earliest', idleEvery: 40 } as const
    const subscription = await log.subscribe(options, reader)
    t.after(() => subscription.close())
    const calls = (partition: number) => reader.idles.filter(at => at === `${topic}/${partition}`).length
    await reader.until(() => calls(0) >= 3 && calls(1) >= 3)
    const firstIdle = reader.events.indexOf(`idle ${topic}/1`)
    assert.ok(reader.events.lastIndexOf(`batch ${topic}/1`) < firstIdle, 'idle comes only after the end was reached')
    assert.equal(reader.records.length, 5)
    await subscription.close()

    const slow = new RecordingReader()
    const other = await log.subscribe({ group: name('woken'), topics: [topic], ...quiet }, slow)
    t.after(() => other.close())
    await slow.until(() => slow.records.length === 5)
    await log.append([{ topic, key: null, value: 'wake', partition: 0 }])
    await slow.until(() => slow.records.length === 6)
    assert.deepEqual(slow.idles, [])
  })

  contract('close finishes the batch under way and revokes every partition', async (_t, log, { name }) => {
    const topic = name('close')
    await log.ensure([{ topic, partitions: 3 }])
    await log.append(numbered(topic, 3_000))
    const begun = Promise.withResolvers<void>()
    const release = Promise.withResolvers<void>()
    const reader = new RecordingReader({
      work: async () => {
        begun.resolve()
        await release.promise
      },
    })
    const options = { group: name('close'), topics: [topic], ...quiet, maxRecords: 10 }
    const subscription = await log.subscribe(options, reader)
    await begun.promise
    const closed = subscription.close()
    assert.equal(reader.events.filter(event => event.startsWith('revoked')).length, 0)
    release.resolve()
    await closed
    assert.equal(reader.owned.size, 0)
    assert.equal(reader.events.filter(event => event.startsWith('revoked')).length, 3)
    const [batches, events] = [reader.batches.length, reader.events.length]
    assert.ok(batches >= 1 && batches <= 3, `only what had begun is finished: ${batches} batches`)
    await subscription.done
    await subscription.close()
    await log.append([{ topic, key: null, value: 'after' }])
    assert.equal(reader.events.length, events)
  })

  contract('a rejected batch ends the subscription with that error', async (_t, log, { name }) => {
    const topic = name('failing')
    await log.ensure([{ topic, partitions: 2 }])
    await log.append(numbered(topic, 100))
    const reader = new RecordingReader({
      work: async ({ partition }) => {
        if (partition === 1) throw new Error('no such table')
      },
    })
    const subscription = await log.subscribe({ group: name('failing'), topics: [topic], ...quiet }, reader)
    await assert.rejects(subscription.done, /no such table/)
    assert.equal(reader.owned.size, 0, 'all partitions are revoked')
    await assert.rejects(subscription.close(), /no such table/)
  })

  contract('a topic that is missing, or has too few partitions, is named', async (_t, log, { name }) => {
    const [topic, missing] = [name('small'), name('missing')]
    await log.ensure([{ topic, partitions: 2 }])
    await log.ensure([{ topic, partitions: 1 }])
    assert.equal(await log.partitions(topic), 2)
    const misconfigured = (...parts: string[]) => {
      return (error: unknown) => {
        assert.ok(error instanceof SinkError)
        assert.equal(error.reason, 'misconfigured')
        for (const part of parts) assert.ok(error.message.includes(part), `'${error.message}' names ${part}`)
        return true
      }
    }
    await assert.rejects(log.ensure([{ topic, partitions: 6 }]), misconfigured(`${topic}'`, ' 2 ', ' 6 '))
    await assert.rejects(log.partitions(missing), misconfigured(`${missing}'`, 'topics apply'))
    await assert.rejects(log.ends(missing), misconfigured(`${missing}'`))
    await assert.rejects(log.append([{ topic: missing, key: null, value: '' }]), misconfigured(`${missing}'`))
    await assert.rejects(
      log.subscribe({ group: name('small'), topics: [missing], ...quiet }, new RecordingReader()),
      misconfigured(`${missing}'`),
    )
    await log.check()
  })

  contract('topics are planned, then applied', async (_t, log, { name }) => {
    const [small, absent, fine] = [name('plan small'), name('plan absent'), name('plan fine')]
    await log.ensure([
      { topic: small, partitions: 1 },
      { topic: fine, partitions: 3 },
    ])
    const specs = [small, absent, fine].map(topic => ({ topic, partitions: 2 }))
    assert.deepEqual(await planTopics(log, specs), {
      missing: [specs[1]],
      tooFewPartitions: [{ topic: small, has: 1, needs: 2 }],
      ok: [specs[2]],
    })
    await assert.rejects(applyTopics(log, specs), new RegExp(`'${small}' has 1 and needs 2`))
    await assert.rejects(log.partitions(absent))
    assert.deepEqual((await applyTopics(log, specs.slice(1))).missing, [specs[1]])
    assert.deepEqual((await planTopics(log, specs.slice(1))).ok, specs.slice(1))
  })

  contract('a subscription takes several topics', async (t, log, { name }) => {
    const [a, b] = [name('a'), name('b')]
    await log.ensure([
      { topic: a, partitions: 2 },
      { topic: b, partitions: 1, compacted: true },
    ])
    const reader = new RecordingReader()
    const subscription = await log.subscribe({ group: name('both'), topics: [a, b], ...quiet }, reader)
    t.after(() => subscription.close())
    await log.append([...numbered(a, 7), ...numbered(b, 8)])
    await reader.until(() => reader.records.length >= 15)
    assert.equal(reader.values(a).length, 7)
    assert.deepEqual(reader.values(b), ['0', '1', '2', '3', '4', '5', '6', '7'])
  })

  contract(
    'a compacted topic read whole, and then on, tells the last value of every key',
    async (_t, log, { name }) => {
      const topic = name('compacted')
      await log.ensure([{ topic, partitions: 1, compacted: true }])
      const state = new Map<string, string>()
      let next = 0
      const readOn = async (): Promise<Record<string, string>> => {
        for (const { key, value, offset } of await all(log.read(topic, 0, next))) {
          if (value === null) state.delete(key!)
          else state.set(key!, String(value))
          next = offset + 1
        }
        return Object.fromEntries(state)
      }
      assert.deepEqual(await readOn(), {})
      const of = (key: string, value: string | null): NewRecord => ({ topic, key, value, partition: 0 })
      await log.append([of('a', '1'), of('b', '1'), of('a', '2')])
      assert.deepEqual(await readOn(), { a: '2', b: '1' })
      await log.append([of('b', null), of('c', '1')])
      assert.deepEqual(await readOn(), { a: '2', c: '1' })
      assert.deepEqual(await readOn(), { a: '2', c: '1' })
    },
  )

  contract('appends at once keep the order of each caller', async (_t, log, { name }) => {
    const topic = name('concurrent')
    await log.ensure([{ topic, partitions: 2 }])
    const callers = ['a', 'b', 'c', 'd']
    await Promise.all(
      callers.map(async caller => {
        for (let n = 0; n < 25; n++) await log.append([{ topic, key: null, partition: n % 2, value: `${caller} ${n}` }])
      }),
    )
    for (const partition of [0, 1]) {
      const values = (await all(log.read(topic, partition, 0))).map(({ value }) => String(value))
      for (const caller of callers)
        assert.deepEqual(
          values.filter(value => value.startsWith(caller)),
          Array.from({ length: 25 }, (_, n) => n)
            .filter(n => n % 2 === partition)
            .map(n => `${caller} ${n}`),
        )
    }
  })
}
