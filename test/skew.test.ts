import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ServiceCatalogue } from '../operators/services.ts'
import { Config } from '../pipelines/config.ts'
import { buildGraphs } from '../pipelines/graphs.ts'
import { startPipelines } from '../pipelines/running.ts'
import { encodeMark } from '../pipelines/runtime/marks.ts'
import { openEmbeddedLog } from '../pipelines/sources/embedded-log.ts'
import type { NewRecord } from '../pipelines/sources/log.ts'
import { realClock, recordingLogger } from './kit/log.ts'
import { minutesClosed, seenIn, skewed } from './kit/skewed.ts'
import { freshStore } from './kit/store.ts'

const PARTITIONS = 4

test('a busy partition, one silent for an hour, and late events: windows end, the late are counted as late, all others in their minute', async t => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ops-skew-'))
  const logger = recordingLogger()
  const log = await openEmbeddedLog({ dataDir, clock: realClock, logger })
  const { store, close } = await freshStore()
  t.after(async () => {
    await log.close()
    await close()
    await rm(dataDir, { recursive: true, force: true })
  })
  const config = Config.parse({
    log: { in: 'embedded', partitions: PARTITIONS },
    inputs: ['telemetry.logs'],
    // The silence is told by a mark, as the agent itself would write it: what comes of it is no matter of time here.
    detection: { idleAfter: '1h' },
    checkpoints: { every: '200ms' },
  })
  const catalogue = ServiceCatalogue.parse({})
  const input = skewed(PARTITIONS)
  await log.ensure([{ topic: 'telemetry.logs', partitions: PARTITIONS }])
  const silent = { stream: `topic:telemetry.logs/${PARTITIONS - 1}`, time: null, idle: true, siblings: [] }
  const mark = { topic: 'telemetry.logs', partition: PARTITIONS - 1, key: null, ...encodeMark(silent) }
  const running = await startPipelines(config, buildGraphs(config, catalogue, []), catalogue, {
    ...{ log, store, clock: realClock, logger, random: Math.random },
  })
  const send = async (records: readonly NewRecord[]) => {
    await log.append(records)
    await Promise.race([running.settled(), running.done])
  }
  await send([...input.hour.flat(), mark])
  assert.ok((await minutesClosed(store)) >= 58, 'the silent partition holds the others up')
  await send([input.wake])
  await send(input.rest)
  await running.close()

  const seen = await seenIn(store)
  assert.deepEqual(seen.late, input.late)
  assert.deepEqual(seen.minutes, input.minutes)
})
