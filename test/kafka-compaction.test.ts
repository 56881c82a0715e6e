import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openKafkaLog } from '../pipelines/sources/kafka-log.ts'
import type { LogRecord } from '../pipelines/sources/log.ts'
import { testBroker } from './kit/broker.ts'
import { eventually } from './kit/eventually.ts'
import { realClock, recordingLogger } from './kit/log.ts'

// A broker that compacts at once what others compact after days.
const broker = testBroker({
  properties: {
    'log.roll.ms': '100',
    'log.cleaner.backoff.ms': '100',
    'log.cleaner.min.cleanable.ratio': '0.001',
    'log.cleaner.min.compaction.lag.ms': '0',
  },
})

test('of a topic that was compacted, every key that is left is read, wherever a reader begins', async t => {
  const kafka = await broker(t)
  if (!kafka) return
  const open = () =>
    openKafkaLog({
      ...{ brokers: [kafka.address], clientId: 'compaction', prefix: '' },
      ...{ clock: realClock, logger: recordingLogger() },
    })
  const log = await open()
  t.after(() => log.close())
  const topic = 'compacted'
  await log.ensure([{ topic, partitions: 1, compacted: true }])
  const read = async (from = 0): Promise<string[]> => {
    const found: LogRecord[] = []
    for await (const record of log.read(topic, 0, from)) found.push(record)
    return found.map(({ key, value, offset }) => `${offset} ${key}=${value}`)
  }
  // Each by a producer of its own: of each the broker keeps the last batch, though nothing be left in it.
  for (let n = 0; n < 6; n++) {
    const other = await open()
    await other.append([{ topic, key: 'a', value: String(n) }])
    await other.close()
  }
  await log.append([{ topic, key: 'b', value: '1' }])
  await eventually(async () => {
    // A segment is closed, and so may be compacted, when the one after it begins.
    await log.append([{ topic, key: 'c', value: 'x' }])
    assert.ok(!(await read()).some(record => record.startsWith('0 ')))
  }, 40_000)
  const [a, b] = await read()
  assert.deepEqual([a, b], ['5 a=5', '6 b=1'])
  for (let from = 1; from <= 5; from++) assert.equal((await read(from))[0], '5 a=5', `from ${from}`)
})
