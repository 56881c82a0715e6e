import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { Broker } from '../deploy/kafka/broker.ts'
import { type Compression, createClient } from '../pipelines/sources/kafka-client.ts'
import { type KafkaLogOptions, openKafkaLog } from '../pipelines/sources/kafka-log.ts'
import type { Batch, Log, NewRecord } from '../pipelines/sources/log.ts'
import { SinkError } from '../sinks/store.ts'
import { logContract } from './contract/log.ts'
import { testBroker } from './kit/broker.ts'
import { eventually } from './kit/eventually.ts'
import { RecordingReader, realClock, recordingLogger } from './kit/log.ts'

const broker = testBroker({ properties: { 'group.min.session.timeout.ms': '1000' } })
const HOUR = 3_600_000
let tests = 0

const open = (address: string, more: Partial<KafkaLogOptions> = {}) =>
  openKafkaLog({
    brokers: [address],
    clientId: 'test',
    clock: realClock,
    logger: recordingLogger(),
    sessionTimeout: 6_000,
    ...more,
  })

/** A test with a log of its own on the broker of this file. */
const onKafka = (
  name: string,
  run: (t: TestContext, log: Log, running: Broker, prefix: string) => Promise<void>,
  options: Partial<KafkaLogOptions> = {},
) =>
  test(name, async t => {
    const running = await broker(t)
    if (!running) return
    const prefix = `k${tests++}.`
    const log = await open(running.address, { prefix, ...options })
    t.after(() => log.close())
    await run(t, log, running, prefix)
  })

async function values(log: Log, topic: string, partition = 0): Promise<string[]> {
  const list: string[] = []
  for await (const { value } of log.read(topic, partition, 0)) list.push(String(value))
  return list
}

async function untilDone(work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof SinkError) || !error.retryable) throw error
    }
  }
}

logContract(async t => {
  const running = await broker(t)
  if (!running) return undefined
  const prefix = `t${tests++}.`
  return { open: () => open(running.address, { prefix }), name: name => name.replaceAll(' ', '-') }
})

onKafka(
  'members of a group share its partitions, and no partition is handled twice at once',
  async (t, log, running, prefix) => {
    await log.ensure([{ topic: 'shared', partitions: 4 }])
    const checkpoints = new Map<number, number>()
    const busy = new Map<number, string>()
    const seen: string[] = []
    const member = (name: string) =>
      new RecordingReader({
        starts: (_topic, partition) => checkpoints.get(partition),
        work: async (batch: Batch) => {
          assert.equal(busy.get(batch.partition), undefined, `partition ${batch.partition} has two members`)
          busy.set(batch.partition, name)
          await realClock.sleep(3)
          await batch.heartbeat()
          assert.equal(batch.records[0]!.offset, checkpoints.get(batch.partition) ?? 0)
          for (const { partition, offset } of batch.records) seen.push(`${partition}/${offset}`)
          checkpoints.set(batch.partition, batch.next)
          busy.delete(batch.partition)
        },
      })
    const options = {
      group: `${prefix}g`,
      topics: ['shared'],
      start: 'earliest',
      idleEvery: HOUR,
      maxRecords: 20,
    } as const
    let appended = 0
    const appending = new AbortController()
    const producer = (async () => {
      while (!appending.signal.aborted) {
        const records = Array.from(
          { length: 40 },
          (): NewRecord => ({ topic: 'shared', key: null, value: `${appended++}` }),
        )
        await log.append(records)
        await realClock.sleep(5)
      }
    })()
    const [a, b] = [member('a'), member('b')]
    const one = await log.subscribe(options, a)
    await a.until(() => a.owned.size === 4 && a.records.length > 100)
    const other = await open(running.address, { prefix })
    t.after(() => other.close())
    const two = await other.subscribe(options, b)
    await Promise.all([a.until(() => a.owned.size === 2), b.until(() => b.owned.size === 2)])
    const before = [a.records.length, b.records.length]
    await Promise.all([
      a.until(() => a.records.length > before[0]! + 100),
      b.until(() => b.records.length > before[1]! + 100),
    ])
    assert.equal(new Set([...a.owned, ...b.owned]).size, 4)
    await one.close()
    await b.until(() => b.owned.size === 4)
    appending.abort()
    await producer
    const ends = await log.ends('shared')
    await b.until(() => ends.every((end, partition) => checkpoints.get(partition) === end))
    await two.close()
    assert.equal(seen.length, appended)
    assert.equal(new Set(seen).size, appended, 'each record once')
  },
)

onKafka('a rebalance does not interrupt the partitions a member keeps', async (t, log, running, prefix) => {
  await log.ensure([{ topic: 'kept', partitions: 4 }])
  await log.append(Array.from({ length: 40 }, (_, n) => ({ topic: 'kept', key: null, value: `${n}` })))
  const options = { group: `${prefix}g`, topics: ['kept'], start: 'earliest', idleEvery: HOUR } as const
  const [a, b] = [new RecordingReader(), new RecordingReader({ starts: () => 10 })]
  await log.subscribe(options, a)
  await a.until(() => a.records.length === 40)
  const other = await open(running.address, { prefix })
  t.after(() => other.close())
  await other.subscribe(options, b)
  await Promise.all([a.until(() => a.owned.size === 2), b.until(() => b.owned.size === 2)])
  await log.append(Array.from({ length: 40 }, (_, n) => ({ topic: 'kept', key: null, value: `${n}` })))
  await Promise.all([a.until(() => a.records.length >= 60), b.until(() => b.records.length >= 20)])
  assert.equal(a.records.length, 60)
  assert.equal(a.events.filter(event => event.startsWith('assigned')).length, 4, 'assigned once, at first')
})

onKafka('a partition that is still loading is given nothing, and loses nothing', async (t, log, _running, prefix) => {
  await log.ensure([{ topic: 'slow', partitions: 2 }])
  await log.append(Array.from({ length: 20 }, (_, n) => ({ topic: 'slow', key: null, value: `${n}` })))
  const loaded = Promise.withResolvers<void>()
  const reader = new RecordingReader()
  const assigned = reader.assigned.bind(reader)
  reader.assigned = async (topic, partition) => {
    if (partition === 1) await loaded.promise
    return assigned(topic, partition)
  }
  const options = { group: `${prefix}g`, topics: ['slow'], start: 'earliest', idleEvery: HOUR } as const
  const subscription = await log.subscribe(options, reader)
  t.after(() => subscription.close())
  await reader.until(() => reader.records.length === 10)
  assert.ok(reader.records.every(({ partition }) => partition === 0))
  loaded.resolve()
  await reader.until(() => reader.records.length === 20)
})

onKafka(
  'a batch longer than the session timeout, and silent, costs no partition',
  async (t, log, _running, prefix) => {
    await log.ensure([{ topic: 'long', partitions: 1 }])
    await log.append(['first', 'second'].map(value => ({ topic: 'long', key: null, value })))
    const reader = new RecordingReader({ work: () => realClock.sleep(3_000) })
    const options = {
      group: `${prefix}g`,
      topics: ['long'],
      start: 'earliest',
      idleEvery: HOUR,
      maxRecords: 1,
    } as const
    const subscription = await log.subscribe(options, reader)
    t.after(() => subscription.close())
    await reader.until(() => reader.records.length === 2)
    assert.deepEqual(reader.events, ['assigned long/0', 'batch long/0', 'batch long/0'])
  },
  { sessionTimeout: 1_500 },
)

onKafka('how far a checkpoint came is told to a group that has not heard of it', async (t, log, running, prefix) => {
  await log.ensure([{ topic: 'told', partitions: 1 }])
  await log.append(Array.from({ length: 5 }, (_, n) => ({ topic: 'told', key: null, value: `${n}` })))
  const reader = new RecordingReader({ starts: () => 5 })
  const options = { group: `${prefix}g`, topics: ['told'], start: 'earliest', idleEvery: 50 } as const
  const subscription = await log.subscribe(options, reader)
  t.after(() => subscription.close())
  const admin = createClient({ brokers: [running.address], clientId: 'x', logger: recordingLogger() }).admin()
  await admin.connect()
  t.after(() => admin.disconnect())
  await eventually(async () => {
    const [told] = await admin.fetchOffsets({ groupId: options.group, topics: [`${prefix}told`] })
    assert.equal(told?.partitions[0]?.offset, '5')
  })
})

for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const satisfies readonly Compression[]) {
  onKafka(
    `${compression}: our batches and those of Java’s producer are read`,
    async (_t, log, running, prefix) => {
      await log.ensure([{ topic: 'packed', partitions: 1 }])
      const lines = Array.from({ length: 3_000 }, (_, n) => `GET /cart/${n} 200 in ${n % 97} ms`)
      await log.append(lines.map(value => ({ topic: 'packed', key: 'ours', value, headers: { 'ops-version': '1' } })))
      await produceByJava(running, `${prefix}packed`, compression, lines)
      assert.deepEqual(await values(log, 'packed'), [...lines, ...lines])
    },
    { compression },
  )
}

async function produceByJava(running: Broker, topic: string, compression: string, lines: readonly string[]) {
  const jvm = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-Dorg.slf4j.simpleLogger.defaultLogLevel=error']
  const tool = ['-cp', `${running.jars}/*`, 'org.apache.kafka.tools.ConsoleProducer']
  const to = ['--bootstrap-server', running.address, '--topic', topic, '--compression-codec', compression]
  const java = spawn('java', [...jvm, ...tool, ...to], { stdio: ['pipe', 'ignore', 'inherit'] })
  java.stdin.end(`${lines.join('\n')}\n`)
  assert.deepEqual(await once(java, 'exit'), [0, null])
}

onKafka(
  'a record too large for the topic is rejected by name, size and setting; the rest is written',
  async (_t, log) => {
    await log.ensure([{ topic: 'large', partitions: 1 }])
    const record = (value: string): NewRecord => ({ topic: 'large', key: null, value })
    const records = [record('before'), record('x'.repeat(1_500_000)), record('after')]
    await assert.rejects(log.append(records), (error: SinkError) => {
      assert.equal(error.reason, 'rejected')
      assert.match(error.message, /topic 'k\d+\.large', 15000\d\d bytes: .*max\.message\.bytes/)
      return true
    })
    await log.append([records[0]!, records[2]!, record('next')])
    assert.deepEqual(await values(log, 'large'), ['before', 'after', 'next'])
  },
)

onKafka('topics have ends as soon as they are made, whoever leads them by then', async (_t, log) => {
  for (let round = 0; round < 5; round++) {
    const topics = Array.from({ length: 12 }, (_, at) => `made-${round}-${at}`)
    await log.ensure(topics.map(topic => ({ topic, partitions: 1 })))
    assert.deepEqual(await Promise.all(topics.map(topic => log.ends(topic))), Array(12).fill([0]))
  }
})

onKafka(
  'no right or no wish to create topics: what is missing is named, and the command',
  async (t, log, running, prefix) => {
    await log.ensure([{ topic: 'there', partitions: 1 }])
    await log.close()
    const careful = await open(running.address, { prefix, createTopics: false, foreign: ['otlp_logs'] })
    t.after(() => careful.close())
    await careful.ensure([{ topic: 'there', partitions: 1 }])
    const specs = ['there', 'ops.runs', 'ops.audit'].map(topic => ({ topic, partitions: 1 }))
    await assert.rejects(
      careful.ensure(specs),
      /misconfigured: no topic 'k\d+\.ops\.runs', 'k\d+\.ops\.audit'; run `ops-agent topics apply`/,
    )
    await assert.rejects(careful.partitions('otlp_logs'), /no topic 'otlp_logs', which is foreign/)
  },
)

onKafka(
  'foreign topics keep their names, our own are prefixed, readers see neither',
  async (t, log, running, prefix) => {
    const foreign = `${prefix}otlp_logs`
    const theirs = await open(running.address)
    t.after(() => theirs.close())
    await theirs.ensure([{ topic: foreign, partitions: 1 }])
    await theirs.append([{ topic: foreign, key: null, value: 'theirs' }])
    await log.close()
    const ours = await open(running.address, { prefix: 'shop.', foreign: [foreign] })
    t.after(() => ours.close())
    await ours.ensure([{ topic: `${foreign}.dead`, partitions: 1 }])
    await ours.append([{ topic: `${foreign}.dead`, key: null, value: 'ours' }])
    const topics = [foreign, `${foreign}.dead`]
    const reader = new RecordingReader()
    const options = { group: `${prefix}g`, topics, start: 'earliest', idleEvery: HOUR } as const
    const subscription = await ours.subscribe(options, reader)
    await reader.until(() => reader.records.length === 2)
    await subscription.close()
    assert.deepEqual(reader.values(foreign), ['theirs'])
    assert.deepEqual(reader.values(`${foreign}.dead`), ['ours'])
    assert.deepEqual(await values(theirs, `shop.${foreign}.dead`), ['ours'])
  },
)

onKafka(
  'transactions: what is aborted is not read, and markers do not hide the end',
  async (t, log, running, prefix) => {
    await log.ensure([{ topic: 'exact', partitions: 1 }])
    const producer = createClient({ brokers: [running.address], clientId: 'x', logger: recordingLogger() }).producer({
      transactionalId: `${prefix}x`,
      maxInFlightRequests: 1,
      idempotent: true,
    })
    await producer.connect()
    t.after(() => producer.disconnect())
    for (const [end, text] of [
      ['commit', 'kept'],
      ['abort', 'given up'],
      ['commit', 'last'],
      ['abort', 'tail'],
    ] as const) {
      const transaction = await producer.transaction()
      await transaction.send({ topic: `${prefix}exact`, messages: [{ value: text }] })
      await transaction[end]()
    }
    // The broker writes the markers after it has answered.
    await eventually(async () => assert.deepEqual(await log.ends('exact'), [8]))
    assert.deepEqual(await values(log, 'exact'), ['kept', 'last'])
    const reader = new RecordingReader()
    const options = { group: `${prefix}g`, topics: ['exact'], start: 'earliest', idleEvery: 50 } as const
    const subscription = await log.subscribe(options, reader)
    t.after(() => subscription.close())
    await reader.until(() => reader.idles.length >= 2)
    assert.deepEqual(reader.values('exact'), ['kept', 'last'])
  },
)

onKafka(
  'records removed before they were read are said, and reading goes on behind them',
  async (t, _log, running, prefix) => {
    const logger = recordingLogger()
    const log = await open(running.address, { prefix, logger })
    t.after(() => log.close())
    await log.ensure([{ topic: 'expired', partitions: 1 }])
    await log.append(Array.from({ length: 10 }, (_, n) => ({ topic: 'expired', key: null, value: `${n}` })))
    const admin = createClient({ brokers: [running.address], clientId: 'x', logger }).admin()
    await admin.connect()
    t.after(() => admin.disconnect())
    await admin.fetchTopicOffsets(`${prefix}expired`) // kafkajs deletes only in topics it has heard of
    await admin.deleteTopicRecords({ topic: `${prefix}expired`, partitions: [{ partition: 0, offset: '7' }] })
    const reader = new RecordingReader({ starts: () => 2 })
    const options = { group: `${prefix}g`, topics: ['expired'], start: 'latest', idleEvery: HOUR } as const
    const subscription = await log.subscribe(options, reader)
    t.after(() => subscription.close())
    await reader.until(() => reader.records.length === 3)
    assert.deepEqual(reader.values('expired'), ['7', '8', '9'])
    assert.deepEqual(await values(log, 'expired'), ['7', '8', '9'])
    assert.equal(logger.lines.filter(({ message }) => message.includes('removed by retention')).length, 1)
    const past = await log.subscribe({ ...options, group: `${prefix}h` }, new RecordingReader({ starts: () => 50 }))
    await assert.rejects(past.done, /offset 50 is asked for, but it ends at 10/)
  },
)

onKafka(
  'a broker that is killed and comes back: nothing is lost, nothing is doubled',
  async (t, log, running, prefix) => {
    await log.ensure([{ topic: 'survivor', partitions: 2 }])
    const reader = new RecordingReader()
    const options = { group: `${prefix}g`, topics: ['survivor'], start: 'earliest', idleEvery: 100 } as const
    const subscription = await log.subscribe(options, reader)
    t.after(() => subscription.close())
    const bystander = new RecordingReader()
    const other = await log.subscribe({ ...options, group: `${prefix}h` }, bystander)
    let appended = 0
    const append = async (count: number) => {
      for (let left = count; left > 0; left--) {
        const records = Array.from(
          { length: 10 },
          (): NewRecord => ({ topic: 'survivor', key: null, value: `${appended++}` }),
        )
        await untilDone(() => log.append(records))
      }
    }
    await append(20)
    await Promise.all([reader, bystander].map(each => each.until(() => each.records.length >= 100)))
    const under = append(200)
    await running.kill()
    const idles = reader.idles.length
    await assert.rejects(log.check(), new RegExp(`kafka ${running.address}: unreachable: connection`))
    assert.equal(reader.idles.length, idles, 'an outage is not idleness')
    const closing = Date.now()
    await other.close()
    assert.ok(Date.now() - closing < 8_000, `closing took ${Date.now() - closing} ms`)
    assert.equal(bystander.owned.size, 0)
    await running.restart()
    await under
    await append(5)
    const written = [...(await values(log, 'survivor', 0)), ...(await values(log, 'survivor', 1))]
    assert.equal(written.length, appended)
    assert.equal(new Set(written).size, appended)
    await reader.until(() => new Set(reader.values('survivor')).size === appended)
    const idle = reader.idles.length
    await reader.until(() => reader.idles.length > idle)
  },
)

test('a broker that is not there is named within seconds, with the setting', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  const began = Date.now()
  await assert.rejects(open(`127.0.0.1:${port}`), (error: SinkError) => {
    assert.equal(error.reason, 'unreachable')
    const said = `kafka 127.0.0.1:${port}: unreachable: connection refused; start it or set log.brokers`
    assert.equal(error.message, said)
    return true
  })
  assert.ok(Date.now() - began < 5_000)
  await assert.rejects(open('no-such-host.invalid:9092'), /unreachable: (no such host|its name could not be looked up)/)
})

test('a server that is no broker, or does not answer, is said to be unreachable', async t => {
  const mute = createServer(() => undefined)
  const rude = createServer(socket => socket.end())
  for (const server of [mute, rude]) {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => server.close())
    server.on('connection', socket => t.after(() => socket.destroy()))
  }
  const address = (server: typeof mute) => `127.0.0.1:${(server.address() as { port: number }).port}`
  await assert.rejects(
    open(address(mute), { connectTimeout: 500 }),
    /unreachable: no answer in 1 s; start it or set log.brokers/,
  )
  await assert.rejects(
    open(address(rude)),
    /unreachable: connection closed; start it or set log.brokers, or set log.tls/,
  )
})
