import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { openEmbeddedLog } from '../pipelines/sources/embedded-log.ts'
import { SinkError } from '../sinks/store.ts'
import { startAgentProcess } from './kit/agent.ts'
import { eventually } from './kit/eventually.ts'
import { RecordingReader, realClock, recordingLogger } from './kit/log.ts'
import { smallDisk } from './kit/small-disk.ts'
import { Watched } from './kit/watched.ts'

const dump = fileURLToPath(new URL('./kit/dump-rows.ts', import.meta.url))

test('a log on a full disk takes nothing and says so; with room again it goes on, a new segment and all', async t => {
  const disk = smallDisk(t, 4)
  if (!disk) return
  const logger = recordingLogger()
  const options = { dataDir: disk.path, clock: realClock, logger, segmentBytes: 32 * 1024 }
  const log = await openEmbeddedLog(options)
  await log.ensure([{ topic: 'lines', partitions: 1 }])
  const reader = new RecordingReader()
  const following = { group: 'g', topics: ['lines'], start: 'earliest', idleEvery: 50 } as const
  const subscription = await log.subscribe(following, reader)
  const of = (name: string) => [{ topic: 'lines', key: null, value: `${name} ${'x'.repeat(20_000)}` }]
  const expected: string[] = []
  for (let round = 0; round < 6; round++) {
    // Sometimes with room for a part of the record, sometimes with none for the beginning of a segment.
    disk.fill((round % 3) * 8_192)
    const records = of(`record ${round}`)
    await assert.rejects(log.append(records), error => {
      assert.ok(error instanceof SinkError && error.reason === 'overloaded', String(error))
      assert.match(error.message, /topic 'lines' partition 0: no space left; free some under/)
      return true
    })
    await subscription.commit('lines', 0, expected.length)
    disk.clear()
    await log.append(records)
    expected.push(String(records[0]!.value))
    await reader.until(() => reader.records.length === expected.length)
  }
  assert.deepEqual(reader.values('lines'), expected)
  assert.ok(logger.lines.some(({ message }) => message === 'embedded log: offset not committed'))
  await log.close()
  const again = await openEmbeddedLog(options)
  const kept: string[] = []
  for await (const { value } of again.read('lines', 0, 0)) kept.push(String(value))
  assert.deepEqual(kept, expected)
  await again.close()
})

test('an agent on a full disk takes nothing more, and goes on by itself when there is room', async t => {
  const disk = smallDisk(t, 256)
  if (!disk) return
  const agent = await startAgentProcess(disk.path, [
    ...['detection.outOfOrderness=100ms', 'detection.idleAfter=300ms', 'checkpoints.every=200ms'],
    ...['doors.pause=100ms', 'doors.longestPause=500ms', 'runbooks.builtin=false'],
  ])
  t.after(() => agent.stop())
  const watched = new Watched(agent)
  const taken: string[] = []
  const send = async (name: string): Promise<number> => {
    // Longer than what is left of a block that is already the file's.
    const line = `${name} ${'x'.repeat(20_000)}`
    const status = await watched.send(line)
    if (status === 200) taken.push(line)
    return status
  }
  assert.equal(await send('a: with room'), 200)
  await eventually(() => watched.isWell())
  assert.equal(await send('b: just before'), 200)
  disk.fill()
  assert.equal(await send('c: without room'), 503)
  await eventually(() => watched.isShut('store', /overloaded: .*NOT_ENOUGH_SPACE/))
  assert.equal(await send('d: without room'), 503)
  disk.clear()
  await eventually(() => watched.isWell())
  await eventually(async () => assert.equal(await send('e: with room again'), 200))
  // From the future, so that the watermark passes all that was before it, and is seen to.
  assert.equal(await watched.send('f: much later', Date.now() + 3_600_000), 200)
  const lag = 'opsagent_watermark_lag_seconds{pipeline="logs",partition="0"}'
  await eventually(async () => assert.ok((await watched.metric(lag))! < 0))
  assert.equal(await agent.stop(), 0)
  const { stdout } = await promisify(execFile)(process.execPath, [dump, join(disk.path, 'clickhouse')])
  const rows = stdout
    .split('\n')
    .filter(Boolean)
    .map(line => JSON.parse(line) as { table: string; row: { body: string } })
  const lines = rows.filter(({ table }) => table === 'log_lines').map(({ row }) => row.body)
  assert.deepEqual(
    lines.filter(line => !line.startsWith('f')).sort(),
    taken,
    String(lines.map(line => line.slice(0, 20))),
  )
})
