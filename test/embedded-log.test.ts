import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { type EmbeddedLogOptions, openEmbeddedLog } from '../pipelines/sources/embedded-log.ts'
import type { Log, LogRecord } from '../pipelines/sources/log.ts'
import { logContract } from './contract/log.ts'
import { RecordingReader, realClock, recordingLogger } from './kit/log.ts'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'ops-log-'))
  t.after(() => rm(path, { recursive: true }))
  return path
}

const open = (dataDir: string, more: Partial<EmbeddedLogOptions> = {}) =>
  openEmbeddedLog({ dataDir, clock: realClock, logger: recordingLogger(), ...more })

async function values(log: Log, topic: string, partition = 0): Promise<string[]> {
  const list: string[] = []
  for await (const { value } of log.read(topic, partition, 0)) list.push(String(value))
  return list
}

logContract(async t => {
  const dataDir = await folder(t)
  // Small segments, so that every test crosses from one to the next.
  return { open: () => open(dataDir, { segmentBytes: 20_000 }), name: name => name.replaceAll(' ', '-') }
})

test('a last record cut anywhere is cut off and said once; all before it stay', async t => {
  const dataDir = await folder(t)
  const log = await open(dataDir)
  await log.ensure([{ topic: 't', partitions: 1 }])
  await log.append(['first', 'second'].map(value => ({ topic: 't', key: 'key', value, headers: { a: 'b' } })))
  const segment = join(dataDir, 'topics/t/0', '0'.repeat(16).concat('.log'))
  const whole = (await stat(segment)).size
  await log.append([{ topic: 't', key: 'key', value: 'the last', headers: { a: 'b' } }])
  await log.close()
  const copy = `${segment}.whole`
  await copyFile(segment, copy)
  const { size } = await stat(segment)
  for (let cut = whole; cut < size; cut++) {
    await copyFile(copy, segment)
    await truncate(segment, cut)
    const logger = recordingLogger()
    const again = await open(dataDir, { logger })
    assert.deepEqual(await values(again, 't'), ['first', 'second'])
    await again.append([{ topic: 't', key: null, value: 'next' }])
    assert.deepEqual(await values(again, 't'), ['first', 'second', 'next'])
    await again.close()
    const warnings = logger.lines.filter(({ level }) => level === 'warn')
    assert.equal(warnings.length, cut === whole ? 0 : 1, `cut at ${cut} of ${size}`)
    if (cut > whole) assert.match(warnings[0]!.message, /torn record at the end of 't' partition 0/)
  }
})

test('a last segment of any length, with any bytes changed in its tail, opens with what was whole', async t => {
  const dataDir = await folder(t)
  const log = await open(dataDir)
  await log.ensure([{ topic: 't', partitions: 1 }])
  const path = join(dataDir, 'topics/t/0', '0'.repeat(16).concat('.log'))
  const ends = [8]
  for (let n = 0; n < 12; n++) {
    await log.append([{ topic: 't', key: n % 2 ? 'k' : null, value: 'v'.repeat(n * 7) }])
    ends.push((await stat(path)).size)
  }
  await log.close()
  const bytes = await readFile(path)
  const damage = fc.record({
    keep: fc.nat({ max: bytes.length }),
    tail: fc.oneof(fc.uint8Array({ maxLength: 60 }), fc.constant(new Uint8Array(64))),
  })
  await fc.assert(
    fc.asyncProperty(damage, async ({ keep, tail }) => {
      await writeFile(path, Buffer.concat([bytes.subarray(0, keep), tail]))
      const changed = [...tail].findIndex((byte, at) => bytes[keep + at] !== byte)
      const intact = keep + (changed < 0 ? tail.length : changed)
      const begins = Buffer.concat([bytes.subarray(0, keep), tail]).subarray(0, 8)
      if (intact < 8 && begins.length === 8 && begins.some(byte => byte !== 0)) return // refused: see the next test
      const again = await open(dataDir)
      const [end] = await again.ends('t')
      const records = await values(again, 't')
      await again.close()
      assert.equal(end, Math.max(0, ends.filter(position => position <= intact).length - 1))
      assert.deepEqual(
        records,
        Array.from({ length: end! }, (_, n) => 'v'.repeat(n * 7)),
      )
    }),
    { numRuns: 150, seed: 1 },
  )
})

test('a file that is no segment is refused by name', async t => {
  const dataDir = await folder(t)
  const log = await open(dataDir)
  await log.ensure([{ topic: 't', partitions: 1 }])
  await log.close()
  const path = join(dataDir, 'topics/t/0', '0'.repeat(16).concat('.log'))
  await writeFile(path, 'opslog9\nand more')
  await assert.rejects(open(dataDir), new RegExp(`'${path}' is not a segment of this version`))
})

test('a damaged record in the middle is said where it is read, and nothing is passed over', async t => {
  const dataDir = await folder(t)
  const log = await open(dataDir, { segmentBytes: 200 })
  await log.ensure([{ topic: 't', partitions: 1 }])
  for (let n = 0; n < 20; n++) await log.append([{ topic: 't', key: null, value: `value ${n}` }])
  await log.close()
  const names = (await readdir(join(dataDir, 'topics/t/0'))).sort()
  assert.ok(names.length > 3)
  const path = join(dataDir, 'topics/t/0', names[1]!)
  const bytes = await readFile(path)
  bytes[bytes.length - 1]! ^= 1
  await writeFile(path, bytes)
  const again = await open(dataDir)
  t.after(() => again.close())
  const read: LogRecord[] = []
  await assert.rejects(async () => {
    for await (const record of again.read('t', 0, 0)) read.push(record)
  }, /topic 't' partition 0: the record with offset \d+ is damaged/)
  assert.ok(read.length < Number.parseInt(names[2]!, 10))
})

test('whole segments past retention are removed, and a reader goes on behind them', async t => {
  const dataDir = await folder(t)
  let now = 1_000_000
  const clock = { ...realClock, now: () => now }
  const logger = recordingLogger()
  const options = { clock, logger, segmentBytes: 300 }
  const log = await open(dataDir, options)
  t.after(() => log.close())
  await log.ensure([
    { topic: 'short', partitions: 1, retention: 1_000 },
    { topic: 'kept', partitions: 1, retention: 1_000, compacted: true },
  ])
  const fill = async () => {
    for (let n = 0; n < 20; n++)
      await log.append(['short', 'kept'].map(topic => ({ topic, key: null, value: `value ${n}` })))
  }
  await fill()
  assert.equal((await values(log, 'short')).length, 20)
  now += 1_001
  await fill()
  const kept = await values(log, 'short')
  assert.ok(kept.length >= 20 && kept.length < 30, `${kept.length} records`)
  assert.equal((await values(log, 'kept')).length, 40)
  const reader = new RecordingReader({ starts: () => 3 })
  const options2 = { group: 'g', topics: ['short'], start: 'earliest', idleEvery: 60_000 } as const
  const subscription = await log.subscribe(options2, reader)
  await reader.until(() => reader.records.at(-1)?.offset === 39)
  await subscription.close()
  assert.equal(reader.records.length, kept.length)
  assert.equal(logger.lines.filter(({ message }) => message.includes('removed by retention')).length, 1)
})

test('a group takes one member, and an offset past the end is refused', async t => {
  const dataDir = await folder(t)
  const log = await open(dataDir)
  t.after(() => log.close())
  await log.ensure([{ topic: 't', partitions: 1 }])
  const options = { group: 'g', topics: ['t'], start: 'earliest', idleEvery: 60_000 } as const
  const subscription = await log.subscribe(options, new RecordingReader())
  await assert.rejects(log.subscribe(options, new RecordingReader()), /group 'g' is subscribed already/)
  await subscription.close()
  const past = await log.subscribe(options, new RecordingReader({ starts: () => 5 }))
  await assert.rejects(past.done, /offset 5 is asked for, but it ends at 0/)
})

test('a topic whose making was interrupted is made anew', async t => {
  const dataDir = await folder(t)
  await mkdir(join(dataDir, 'topics/t/0'), { recursive: true })
  const log = await open(dataDir)
  t.after(() => log.close())
  await assert.rejects(log.partitions('t'), /no topic 't'/)
  await log.ensure([{ topic: 't', partitions: 2 }])
  assert.equal(await log.partitions('t'), 2)
  await assert.rejects(log.ensure([{ topic: '../escape', partitions: 1 }]), /topic '..\/escape': use letters/)
})

test('kill -9 in the middle of appending loses nothing that was acknowledged', async t => {
  const dataDir = await folder(t)
  const acknowledged = new Map<number, number>()
  let before = 0
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, [join(import.meta.dirname, 'kit/append-forever.ts'), dataDir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = new Promise(resolve => child.once('exit', resolve))
    let lines = 0
    for await (const line of createInterface(child.stdout)) {
      const [partition, end] = line.split(' ').map(Number) as [number, number]
      acknowledged.set(partition, end)
      if (++lines === 60 + round * 37) child.kill('SIGKILL')
    }
    await exited
    const log = await open(dataDir)
    const ends = await log.ends('t')
    for (const [partition, end] of acknowledged) {
      assert.ok(ends[partition]! >= end, `partition ${partition} ends at ${ends[partition]}, ${end} were acknowledged`)
      const read = await values(log, 't', partition)
      assert.deepEqual(
        read.map(value => Number(value.split(' ')[0])),
        Array.from({ length: ends[partition]! }, (_, offset) => offset),
      )
    }
    await log.close()
    const total = ends.reduce((sum, end) => sum + end)
    assert.ok(total > before)
    before = total
  }
})
