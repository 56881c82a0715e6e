import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Control, Silence } from '../operators/control.ts'
import type { Anomaly } from '../operators/signal.ts'
import { loadConfig } from '../pipelines/configuration/load.ts'
import { encodeControl, tombstone } from '../pipelines/controls/record.ts'
import { buildGraphs } from '../pipelines/graphs.ts'
import { type Running, startPipelines } from '../pipelines/running.ts'
import { encodeMark } from '../pipelines/runtime/marks.ts'
import { encodeEvent } from '../pipelines/runtime/wire.ts'
import { openEmbeddedLog } from '../pipelines/sources/embedded-log.ts'
import type { Log } from '../pipelines/sources/log.ts'
import { topics } from '../pipelines/topics.ts'
import type { Store } from '../sinks/store.ts'
import { realClock, recordingLogger } from './kit/log.ts'
import { freshStore } from './kit/store.ts'
import { anomaly } from './timeline.ts'

// A silence on its way: from the topic of the controls, through the pipelines over a real log and store, to the row that
// says why nobody was told.

let folder: string
let log: Log
let store: Store
let close: () => Promise<void>
const [clock, logger] = [realClock, recordingLogger()]
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ops-controls-'))
  log = await openEmbeddedLog({ dataDir: folder, clock, logger })
  ;({ store, close } = await freshStore())
})
after(async () => {
  await log?.close()
  await close?.()
  await rm(folder, { recursive: true, force: true })
})

const catalogue = { services: {} }

function start(): Promise<Running> {
  const config = loadConfig({ env: {}, cwd: folder, set: ['checkpoints.every=200ms'] })
  return startPipelines(config, buildGraphs(config, catalogue, []), catalogue, {
    ...{ log, store, clock, logger },
    random: () => 0.5,
  })
}

let sent = 0
const firing = (service: string): Anomaly => ({
  ...anomaly({ service, subject: 'latency', environment: 'default' }, 0, 2),
  ...{ id: `${service}-${sent}`, start: Date.now() - 60_000, end: Date.now() + 1 },
})

/** Sends anomalies as a pipeline would, and lets the watermark pass them. */
async function send(...anomalies: Anomaly[]): Promise<void> {
  const stream = 'test/0'
  await log.append(
    anomalies.map(value =>
      encodeEvent({
        ...{ kind: 'event', topic: topics.anomalies, key: value.environment, partitionKey: value.environment },
        event: {
          key: value.environment,
          time: value.end - 1,
          origin: { stream: value.id, offset: 0, index: 0 },
          value,
        },
        ...{ step: 'test', from: { stream, offset: sent++, index: 0 }, late: false },
      }),
    ),
  )
  const mark = encodeMark({ stream, time: Math.max(...anomalies.map(({ end }) => end)), idle: false, siblings: [] })
  await log.append([{ topic: topics.anomalies, partition: 0, key: null, ...mark }])
}

const said = (fields: Partial<Silence> = {}): Silence => {
  const at = Date.now()
  const times = { at, validFrom: at, validTo: at + 3_600_000 }
  return { type: 'silence', id: 'quiet', by: 'ana', reason: 'load test', environment: 'default', ...times, ...fields }
}
const kept = () => store.query('SELECT anomaly, silence, by FROM suppressions FINAL ORDER BY anomaly')
const services = async () =>
  (await store.query<{ services: string[] }>('SELECT services FROM incidents FINAL ORDER BY id')).flatMap(
    row => row.services,
  )

test('a silence, said, keeps back what it is about, across a restart; ended, it does no more; and both are rows', async () => {
  let running = await start()
  const silence = said({ service: 'checkout' })
  const pause: Control = { type: 'pause', id: 'p', by: 'bo', reason: '', at: 1, validFrom: 1, validTo: null }
  await log.append([encodeControl(silence), encodeControl(pause), tombstone('old')])
  await running.settled()
  const quiet = firing('checkout')
  await send(quiet, firing('mail'))
  await running.settled()
  await running.close()
  assert.deepEqual(await kept(), [{ anomaly: quiet.id, silence: 'quiet', by: 'ana' }])
  assert.deepEqual(await services(), ['mail'])

  running = await start()
  const again = firing('checkout')
  await send(again)
  await running.settled()
  await log.append([encodeControl({ ...silence, at: Date.now(), validTo: Date.now() })])
  await running.settled()
  const loud = firing('checkout')
  await send(loud)
  await running.settled()
  await running.close()
  assert.deepEqual(
    (await kept()).map(({ anomaly: id }) => id),
    [quiet.id, again.id].sort(),
  )
  assert.deepEqual((await services()).sort(), ['checkout', 'mail'])
  const rows = await store.query(
    `SELECT id, offset, type, service, valid_to IS NULL AS open FROM controls FINAL ORDER BY offset`,
  )
  assert.deepEqual(JSON.parse(JSON.stringify(rows).replaceAll(/"(\d)"/g, '$1')), [
    { id: 'quiet', offset: 0, type: 'silence', service: 'checkout', open: 0 },
    { id: 'p', offset: 1, type: 'pause', service: '', open: 1 },
    { id: 'quiet', offset: 3, type: 'silence', service: 'checkout', open: 0 },
  ])
  assert.deepEqual(
    logger.lines.filter(({ level }) => level === 'error' || level === 'warn'),
    [],
  )
})
