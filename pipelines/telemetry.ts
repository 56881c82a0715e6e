import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import type { Clock } from '../operators/clock.ts'
import type { Readiness } from '../sinks/api.ts'
import type { Guard } from './doors/guard.ts'
import { type Refusal, refusals } from './runtime/refused.ts'
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
  const refused = (message: unknown): void => {
    const { reason, count } = message as Refusal
    dead.inc({ reason }, count)
  }
  batches.subscribe(observe)
  refusals.subscribe(refused)
  const stop = (): void => {
    batches.unsubscribe(observe)
    refusals.unsubscribe(refused)
  }
  return { stop }
}

const breakers = { closed: 0, 'half-open': 1, open: 2 } as const

/** Tells how the doors are, for Prometheus, whenever it asks. */
export function countDoors(
  registry: Registry,
  guards: readonly Guard[],
  look: () => Promise<Readonly<Record<string, Readiness>>>,
): void {
  const registers = [registry]
  new Gauge({
    name: 'opsagent_door_up',
    help: '1: the door can be used, 0: it is shut.',
    labelNames: ['door'],
    registers,
    async collect() {
      for (const [door, { ok }] of Object.entries(await look())) this.set({ door }, ok ? 1 : 0)
    },
  })
  new Gauge({
    name: 'opsagent_breaker_state',
    help: 'Circuit breaker of what is called: 0 closed, 1 half-open, 2 open.',
    labelNames: ['door'],
    registers,
    collect() {
      for (const { name, state } of guards) this.set({ door: name }, breakers[state.breaker])
    },
  })
  new Counter({
    name: 'opsagent_door_calls_total',
    help: 'Calls by what became of them; shut and full: not made.',
    labelNames: ['door', 'outcome'],
    registers,
    collect() {
      this.reset()
      for (const { name, calls } of guards) for (const [outcome, n] of calls) this.inc({ door: name, outcome }, n)
    },
  })
  new Counter({
    name: 'opsagent_door_retries_total',
    help: 'Calls that were made again.',
    labelNames: ['door'],
    registers,
    collect() {
      this.reset()
      for (const { name, retries } of guards) this.inc({ door: name }, retries)
    },
  })
}
