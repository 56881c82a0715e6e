import type { Channel } from 'node:diagnostics_channel'
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import type { Clock } from '../operators/clock.ts'
import { systemClock } from './clock.ts'
import { observeDoors } from './doors/door-metrics.ts'
import { type CheckpointReport, checkpointed } from './runtime/checkpoint-report.ts'
import { type Refusal, refusals } from './runtime/refused.ts'
import {
  type BatchReport,
  batches,
  type EmissionReport,
  emissions,
  type RevocationReport,
  revocations,
} from './runtime/reports.ts'

// What the agent tells of itself, for Prometheus: in base units, with labels whose values are known beforehand. Services,
// series and patterns are data, never labels.

const of = ['pipeline', 'partition'] as const
type Of = Readonly<Record<(typeof of)[number], string>>
const placeOf = ({ pipeline, partition }: { pipeline: string; partition: number }): Of => ({
  pipeline,
  partition: String(partition),
})

/** Something that goes on until it is stopped. */
export interface Observing {
  stop(): void
}

/** Counts what the pipelines do until `stop` is called, and what Node says of the process. */
export function observePipelines(registry: Registry, clock: Clock): Observing {
  collectDefaultMetrics({ register: registry })
  return ownMetrics(registry, clock)
}

/** README's table of what this program tells of itself. */
export function metricsTable(): string {
  const registry = new Registry()
  ownMetrics(registry, systemClock).stop()
  observeDoors(registry, [], async () => ({}))
  const rows = registry.getMetricsAsArray().map(metric => {
    // The library's type lacks what its objects have.
    const { name, type, labelNames, help } = metric as typeof metric & { labelNames: readonly string[] }
    return `| \`${name}\` | ${type} | ${labelNames.map(label => `\`${label}\``).join(', ')} | ${help} |`
  })
  return ['| metric | type | labels | |', '|---|---|---|---|', ...rows].join('\n')
}

/** The metrics of this program, without those that come with Node. */
function ownMetrics(registry: Registry, clock: Clock): Observing {
  const observing = [observeBatches(registry, clock), observeEmissions(registry), observeCheckpoints(registry, clock)]
  return { stop: () => observing.forEach(each => void each.stop()) }
}

function observeBatches(registry: Registry, clock: Clock): Observing {
  const registers = [registry]
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
  const behind = new Elapsed(registry, clock, {
    name: 'opsagent_watermark_lag_seconds',
    help: 'Wall clock less the watermark of the partition.',
  })
  const took = new Histogram({
    name: 'opsagent_batch_seconds',
    help: 'Time a batch took, delivery included.',
    labelNames: ['pipeline'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  })
  const batch = observe(batches, (report: BatchReport) => {
    const { pipeline, fates } = report
    const dropped = Object.values(fates.dropped).reduce((a, b) => a + b, 0)
    for (const [fate, count] of Object.entries({ used: fates.used, late: fates.late, dropped, dead: fates.dead }))
      events.inc({ pipeline, fate }, count)
    for (const [reason, count] of Object.entries(report.dead)) dead.inc({ reason }, count)
    lag.set(placeOf(report), report.lag)
    if (report.watermark !== null) behind.since(placeOf(report), report.watermark)
    took.observe({ pipeline }, report.took / 1_000)
  })
  const refused = observe(refusals, ({ reason, count }: Refusal) => dead.inc({ reason }, count))
  const revoked = observe(revocations, (report: RevocationReport) => {
    lag.remove(placeOf(report))
    behind.forget(placeOf(report))
  })
  return both(batch, refused, revoked)
}

function observeEmissions(registry: Registry): Observing {
  const registers = [registry]
  const late = new Counter({
    name: 'opsagent_late_events_total',
    help: 'Events that came too late for a step, by pipeline and step.',
    labelNames: ['step'],
    registers,
  })
  const dropped = new Counter({
    name: 'opsagent_dropped_events_total',
    help: 'Events that a step deliberately did not use, by pipeline, step and reason; sampled: left out of log_lines.',
    labelNames: ['step', 'reason'],
    registers,
  })
  return observe(emissions, ({ pipeline, emitted }: EmissionReport) => {
    for (const { step } of emitted.late) late.inc({ step: `${pipeline}.${step}` })
    for (const [step, reasons] of emitted.dropped)
      for (const [reason, count] of Object.entries(reasons)) dropped.inc({ step: `${pipeline}.${step}`, reason }, count)
  })
}

function observeCheckpoints(registry: Registry, clock: Clock): Observing {
  const registers = [registry]
  const kinds = ['pipeline', 'kind'] as const
  const age = new Elapsed(registry, clock, {
    name: 'opsagent_checkpoint_age_seconds',
    help: 'Time since the last checkpoint of the partition.',
  })
  const took = new Histogram({
    name: 'opsagent_checkpoint_seconds',
    help: 'Time a checkpoint took; full: the whole state, changes: what had changed.',
    labelNames: kinds,
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  })
  const bytes = new Gauge({
    name: 'opsagent_checkpoint_bytes',
    help: 'Size of the last checkpoint of each kind.',
    labelNames: [...of, 'kind'],
    registers,
  })
  const entries = new Gauge({
    name: 'opsagent_checkpoint_entries',
    help: 'Keys in the last checkpoint of each kind.',
    labelNames: [...of, 'kind'],
    registers,
  })
  const saved = observe(checkpointed, (report: CheckpointReport) => {
    const kind = report.full ? 'full' : 'changes'
    age.since(placeOf(report), report.at)
    took.observe({ pipeline: report.pipeline, kind }, report.took / 1_000)
    bytes.set({ ...placeOf(report), kind }, report.bytes)
    entries.set({ ...placeOf(report), kind }, report.entries)
  })
  const revoked = observe(revocations, (report: RevocationReport) => {
    age.forget(placeOf(report))
    for (const gauge of [bytes, entries])
      for (const kind of ['full', 'changes']) gauge.remove({ ...placeOf(report), kind })
  })
  return both(saved, revoked)
}

/** A gauge of how long something is ago, per partition, as of the scrape: it grows while nothing is heard. */
class Elapsed {
  readonly #times = new Map<string, { of: Of; time: number }>()

  constructor(registry: Registry, clock: Clock, { name, help }: { name: string; help: string }) {
    const times = this.#times
    new Gauge({
      name,
      help,
      labelNames: of,
      registers: [registry],
      collect() {
        this.reset()
        for (const { of, time } of times.values()) this.set(of, (clock.now() - time) / 1_000)
      },
    })
  }

  since(of: Of, time: number): void {
    this.#times.set(`${of.pipeline}/${of.partition}`, { of, time })
  }

  forget(of: Of): void {
    this.#times.delete(`${of.pipeline}/${of.partition}`)
  }
}

function observe<T>(channel: Channel, see: (report: T) => void): Observing {
  const listener = (message: unknown) => see(message as T)
  channel.subscribe(listener)
  return { stop: () => void channel.unsubscribe(listener) }
}

const both = (...observing: readonly Observing[]): Observing => ({
  stop: () => observing.forEach(each => void each.stop()),
})
