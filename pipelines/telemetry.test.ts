import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { Event } from '../operators/operator.ts'
import { type CheckpointReport, checkpointed } from './runtime/checkpoint-report.ts'
import { type BatchReport, batches, type EmissionReport, emissions, revocations } from './runtime/reports.ts'
import { observePipelines } from './telemetry.ts'

/** The metrics as they are scraped, and a clock that is set by hand. */
function observed() {
  const registry = new Registry()
  const clock = { time: 1_000_000, now: () => clock.time, sleep: async () => {} }
  const observing = observePipelines(registry, clock)
  const value = async (metric: string): Promise<number | undefined> => {
    const line = (await registry.metrics()).split('\n').find(text => text.startsWith(`${metric} `))
    return line === undefined ? undefined : Number(line.slice(metric.length + 1))
  }
  return { clock, value, stop: () => observing.stop() }
}

const batch = (changed: Partial<BatchReport> = {}): BatchReport => ({
  ...{ pipeline: 'logs', topic: 'ops.logs-by-service', partition: 2, outputs: 0, lag: 7, watermark: 940_000, took: 30 },
  fates: { in: 9, used: 4, late: 2, dropped: { duplicate: 1 }, dead: 2 },
  dead: { 'not-json': 2 },
  ...changed,
})
const checkpoint = (changed: Partial<CheckpointReport> = {}): CheckpointReport => ({
  ...{ pipeline: 'logs', topic: 'ops.logs-by-service', partition: 2, entries: 12, bytes: 3_400, full: false },
  ...{ took: 250, at: 1_000_000 },
  ...changed,
})

test('a batch is counted by what became of its events', async () => {
  const { value, stop } = observed()
  batches.publish(batch())
  batches.publish(batch())
  assert.equal(await value('opsagent_events_total{pipeline="logs",fate="used"}'), 8)
  assert.equal(await value('opsagent_events_total{pipeline="logs",fate="dropped"}'), 2)
  assert.equal(await value('opsagent_dlq_total{reason="not-json"}'), 4)
  assert.equal(await value('opsagent_batch_seconds_sum{pipeline="logs"}'), 0.06)
  stop()
  batches.publish(batch())
  assert.equal(await value('opsagent_dlq_total{reason="not-json"}'), 4)
})

test('late and dropped events are counted by their step', async t => {
  const { value, stop } = observed()
  t.after(stop)
  const event: Event<unknown> = { key: 'k', time: 0, origin: { stream: 's', offset: 0, index: 0 }, value: null }
  const late = [
    { step: 'cluster', event },
    { step: 'cluster', event },
  ]
  const dropped = new Map([['sample', { sampled: 40 }]])
  const report: EmissionReport = {
    pipeline: 'logs',
    emitted: { rows: new Map(), outputs: [], late, dropped, dead: [] },
  }
  emissions.publish(report)
  assert.equal(await value('opsagent_late_events_total{step="logs.cluster"}'), 2)
  assert.equal(await value('opsagent_dropped_events_total{step="logs.sample",reason="sampled"}'), 40)
})

test('ages are as of the scrape: they grow while nothing is heard', async t => {
  const { clock, value, stop } = observed()
  t.after(stop)
  const [age, behind] = ['opsagent_checkpoint_age_seconds', 'opsagent_watermark_lag_seconds']
  const of = '{pipeline="logs",partition="2"}'
  assert.equal(await value(age + of), undefined)
  batches.publish(batch())
  checkpointed.publish(checkpoint())
  assert.equal(await value(age + of), 0)
  assert.equal(await value(behind + of), 60)
  clock.time += 30_000
  assert.equal(await value(age + of), 30)
  assert.equal(await value(behind + of), 90)
})

test('a checkpoint has its size, and how long it took', async t => {
  const { value, stop } = observed()
  t.after(stop)
  checkpointed.publish(checkpoint())
  checkpointed.publish(checkpoint({ full: true, entries: 100, bytes: 90_000, took: 1_500 }))
  const of = (kind: string) => `{pipeline="logs",partition="2",kind="${kind}"}`
  assert.equal(await value(`opsagent_checkpoint_bytes${of('changes')}`), 3_400)
  assert.equal(await value(`opsagent_checkpoint_bytes${of('full')}`), 90_000)
  assert.equal(await value(`opsagent_checkpoint_entries${of('full')}`), 100)
  assert.equal(await value('opsagent_checkpoint_seconds_sum{pipeline="logs",kind="full"}'), 1.5)
})

test('of a partition that others work on nothing is told any more', async t => {
  const { value, stop } = observed()
  t.after(stop)
  batches.publish(batch())
  checkpointed.publish(checkpoint())
  revocations.publish({ pipeline: 'logs', topic: 'ops.logs-by-service', partition: 2 })
  const of = '{pipeline="logs",partition="2"}'
  for (const name of ['opsagent_consumer_lag', 'opsagent_watermark_lag_seconds', 'opsagent_checkpoint_age_seconds'])
    assert.equal(await value(name + of), undefined, name)
  assert.equal(await value('opsagent_checkpoint_bytes{pipeline="logs",partition="2",kind="changes"}'), undefined)
})

test('what Node says of the process is there, too', async t => {
  const { value, stop } = observed()
  t.after(stop)
  assert.ok((await value('process_resident_memory_bytes'))! > 0)
  assert.notEqual(await value('nodejs_eventloop_lag_p99_seconds'), undefined)
})
