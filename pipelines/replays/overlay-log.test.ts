import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { RecordingReader, realClock, recordingLogger } from '../../test/kit/log.ts'
import { openEmbeddedLog } from '../sources/embedded-log.ts'
import type { Log, LogRecord } from '../sources/log.ts'
import { OverlayLog } from './overlay-log.ts'
import { Pace } from './pace.ts'

let folder: string
let recorded: Log
let own: Log
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-overlay-'))
  const open = (name: string) =>
    openEmbeddedLog({ dataDir: join(folder, name), clock: realClock, logger: recordingLogger() })
  recorded = await open('recorded')
  own = await open('own')
  await recorded.ensure([{ topic: 'in', partitions: 2 }])
  const record = (partition: number, value: string) => ({ topic: 'in', partition, key: null, value })
  await recorded.append([record(0, 'a'), record(0, 'b'), record(1, 'c')])
})
after(async () => {
  await own.close()
  await recorded.close()
  await rm(folder, { recursive: true, force: true })
})

const overlay = () => OverlayLog.open({ recorded, own, inputs: ['in'], clock: realClock })
const options = { group: 'g', topics: ['in'], start: 'earliest', idleEvery: 10 } as const

async function values(records: AsyncIterable<LogRecord>): Promise<string[]> {
  const found: string[] = []
  for await (const { value, offset } of records) found.push(`${offset} ${value}`)
  return found
}

test('inputs are what was recorded when it began; what is appended to them is seen by the replay alone', async () => {
  const log = await overlay()
  await recorded.append([{ topic: 'in', partition: 0, key: null, value: 'later' }])
  const reader = new RecordingReader()
  const subscription = await log.subscribe(options, reader)
  await reader.until(() => reader.idles.length >= 4)
  await log.append([{ topic: 'in', partition: 0, key: null, value: 'mark' }])
  await reader.until(() => reader.records.length === 4)
  await subscription.close()
  assert.deepEqual(reader.values('in'), ['a', 'b', 'mark', 'c'])
  assert.deepEqual(await log.ends('in'), [3, 1])
  assert.deepEqual(await values(log.read('in', 0, 1)), ['1 b', '2 mark'])
  assert.deepEqual(await values(log.read('in', 0, 0, 2)), ['0 a', '1 b'])
  assert.deepEqual(await values(recorded.read('in', 0, 0)), ['0 a', '1 b', '2 later'])
})

test('all other topics are its own', async () => {
  const log = await overlay()
  await log.ensure([
    { topic: 'in', partitions: 5 },
    { topic: 'ops.x', partitions: 1 },
  ])
  assert.equal(await log.partitions('in'), 2)
  await log.append([{ topic: 'ops.x', key: 'k', value: 'x' }])
  assert.deepEqual(await values(own.read('ops.x', 0, 0)), ['0 x'])
  await assert.rejects(recorded.partitions('ops.x'), /no topic 'ops.x'/)
})

test('once it is enough, what was not read is not read, and counts as read to the end', async () => {
  const log = await overlay()
  log.stopReading()
  const reader = new RecordingReader()
  const subscription = await log.subscribe(options, reader)
  await reader.until(() => reader.idles.length >= 2)
  await subscription.close()
  assert.deepEqual(reader.records, [])
  assert.deepEqual(await log.ends('in'), [0, 0])
})

test('a partition waits for one whose records came long before, until that is through', async () => {
  const pace = new Pace()
  pace.expect('a')
  pace.expect('b')
  const never = new AbortController().signal
  let passed = false
  const waiting = pace.turn('a', 100_000, never).then(() => {
    passed = true
  })
  await pace.turn('b', 1_000, never)
  assert.equal(passed, false)
  await pace.turn('b', 2_000, never)
  assert.equal(passed, false)
  pace.end('b')
  await waiting
  const stop = new AbortController()
  pace.expect('c')
  const stopped = pace.turn('a', 200_000, stop.signal)
  stop.abort()
  await stopped
})
