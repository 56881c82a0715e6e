import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Clock } from '../operators/clock.ts'
import { type BatchReport, batches } from './runtime/task.ts'

/** Counts what the pipelines do, for Prometheus, until `stop` is called. */
export function countBatches(registry: Registry, clock: Clock): { stop(): void } {
  const registers = [registry]
  const of = ['pipeline', 'partition'] as const
  const events = new Counter({
    name: 'opsagent_events_total',
    help: 'Events by what became of them: used, late, dropped, dead.',
    labelNames: ['pipeline', 'fate'],
    registers,
  })
  const dead = new Counter({
    name: 'opsagent_dlq_total',
    help: 'Parts of records that went to the dead letters, by reason.',
    labelNames: ['reason'],
    registers,
  })
  const lag = new Gauge({
    name: 'opsagent_consumer_lag',
    help: 'Records between the last one read and the end of the partition.',
    labelNames: of,
    registers,
  })
  const behind = new Gauge({
    name: 'opsagent_watermark_lag_seconds',
    help: 'Wall clock less the watermark of the partition.',
    labelNames: of,
    registers,
  })
  const took = new Histogram({
    name: 'opsagent_batch_seconds',
    help: 'Time a batch took, delivery included.',
    labelNames: ['pipeline'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  })
  const observe = (message: unknown): void => {
    const report = message as BatchReport
    const { pipeline, fates } = report
    const labels = { pipeline, partition: String(report.partition) }
    const dropped = Object.values(fates.dropped).reduce((a, b) => a + b, 0)
    for (const [fate, count] of Object.entries({ used: fates.used, late: fates.late, dropped, dead: fates.dead }))
      events.inc({ pipeline, fate }, count)
    for (const [reason, count] of Object.entries(report.dead)) dead.inc({ reason }, count)
    lag.set(labels, report.lag)
    if (report.watermark !== null) behind.set(labels, (clock.now() - report.watermark) / 1_000)
    took.observe({ pipeline }, report.took / 1_000)
  }
  batches.subscribe(observe)
  return { stop: () => batches.unsubscribe(observe) }
}
