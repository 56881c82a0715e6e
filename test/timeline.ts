import { group } from '../operators/group/group.ts'
import type { Event } from '../operators/operator.ts'
import type { Anomaly, Incident, RunReport, RunRequested, RunVerdict, Signal } from '../operators/signal.ts'
import { Signal as SignalSchema } from '../operators/signal.ts'
import { trigger } from '../operators/trigger/trigger.ts'
import { isIncident, isSuppressed } from '../pipelines/incidents.ts'
import { type Graph, pipeline } from '../pipelines/pipeline.ts'
import { suppressionRow } from '../sinks/rows.ts'
import { Driver } from './driver.ts'

// Incidents told as timelines: what is anomalous in which minute, and what the incidents and runs become of it.

export const minute = 60_000
/** Noon, so that times in texts are easy to read. */
export const noon = Date.UTC(2026, 0, 1, 12)

/** What a signal is, apart from its score at a time. */
export interface SignalIs {
  readonly service: string
  readonly subject: string
  readonly kind?: Anomaly['kind']
  readonly unit?: string
  readonly expected?: Anomaly['expected']
  readonly direction?: Anomaly['direction']
  readonly rule?: Anomaly['rule']
  readonly environment?: string
}

/** The report of a signal on the window that ends at `at` minutes past noon. */
export function anomaly(is: SignalIs, at: number, score: number, value = score): Anomaly {
  const { service, subject, kind = 'metric', unit = '', direction = 'above', environment = 'production' } = is
  const signal = `${environment}/${service}/${subject}`
  const end = noon + at * minute
  return {
    ...{ type: 'anomaly', id: `${kind}:${is.rule?.name ?? ''}:${signal}@${at}`, environment, service, signal, kind },
    ...{
      subject,
      labels: {},
      start: end - minute,
      end,
      score,
      value,
      unit,
      direction,
      voters: [],
      why: '',
      model: '1',
    },
    ...(is.expected ? { expected: is.expected } : {}),
    ...(is.rule ? { rule: is.rule } : {}),
  }
}

export const eventOf = (value: Signal, time: number, index = 0): Event<Signal> => ({
  key: value.environment,
  time,
  origin: { stream: `test:${value.type === 'anomaly' ? value.id : value.type}`, offset: time, index },
  value,
})

/** Group and trigger as they are in the product: incidents to one topic, requests and verdicts to another. */
export function incidentsAndRuns(
  groupConfig: Parameters<typeof group>[0],
  triggerConfig: Parameters<typeof trigger>[0],
): Graph {
  const source = {
    name: 'incidents',
    topic: 'ops.anomalies',
    schema: SignalSchema,
    upstream: [],
  } as const
  return pipeline<Signal>(source, signals => {
    const grouped = signals.through('group', group(groupConfig), { key: signal => signal.environment })
    grouped.select('suppressed', isSuppressed).to('suppressions', suppressionRow)
    const incidents = grouped.select('incidents', isIncident)
    incidents.publish('ops.incidents', { key: incident => incident.environment })
    incidents
      .through('trigger', trigger(triggerConfig), { key: incident => incident.environment })
      .publish('ops.runs', { key: run => run.target })
  })
}

export class Timeline {
  readonly driver: Driver

  constructor(groupConfig: Parameters<typeof group>[0] = {}, triggerConfig: Parameters<typeof trigger>[0] = {}) {
    this.driver = new Driver(incidentsAndRuns(groupConfig, triggerConfig), 'test')
  }

  /** In the window that ends at `at`, the signals had these scores and values. The watermark follows. */
  window(at: number, ...reports: readonly (readonly [SignalIs, number, number?])[]): this {
    for (const [is, score, value] of reports) {
      const report = anomaly(is, at, score, value)
      this.driver.send(eventOf(report, report.end - 1))
    }
    return this.until(at)
  }

  /** The same scores in each window from one to another, both included. */
  windows(from: number, to: number, ...reports: readonly (readonly [SignalIs, number, number?])[]): this {
    for (let at = from; at <= to; at++) this.window(at, ...reports)
    return this
  }

  deploy(at: number, service: string, summary: string): this {
    const change = { type: 'change', environment: 'production', service, kind: 'deploy', summary } as const
    this.driver.send(eventOf(change, noon + at * minute))
    return this
  }

  /** Somebody says `said` minutes past noon that the signals of these fields are silenced between two times. */
  silence(said: number, from: number, to: number, what: { service?: string; subject?: string }): this {
    const [at, validFrom, validTo] = [said, from, to].map(time => noon + time * minute) as [number, number, number]
    const id = Object.entries(what).flat().join(' ')
    const value = {
      type: 'silence',
      id,
      by: 'ana',
      reason: '',
      at,
      validFrom,
      validTo,
      environment: 'production',
    } as const
    this.driver.send(eventOf({ ...value, ...what }, at))
    return this
  }

  /** The executor tells of the newest run asked for. */
  run(at: number, state: RunReport['state']): this {
    const { run, incident, environment, service, runbook, target } = this.requests.at(-1)!
    const report = { type: 'run', run, incident, environment, service, runbook, target, state, summary: '' } as const
    const time = noon + Math.round(at * minute)
    this.driver.send(eventOf(report, time)).advance(time + 1)
    return this
  }

  until(at: number): this {
    this.driver.advance(noon + at * minute)
    return this
  }

  get versions(): Incident[] {
    return this.driver.published('ops.incidents') as Incident[]
  }

  get requests(): RunRequested[] {
    const runs = this.driver.published('ops.runs') as (RunRequested | RunVerdict)[]
    return runs.filter(run => run.type === 'requested')
  }

  get verdicts(): RunVerdict[] {
    const runs = this.driver.published('ops.runs') as (RunRequested | RunVerdict)[]
    return runs.filter(run => run.type === 'verdict')
  }

  /** `minute change state` of each version of the incident of a service, or of the only one. */
  story(service?: string): string[] {
    return this.versions
      .filter(({ services }) => service === undefined || services.includes(service))
      .map(({ updatedAt, change, state }) => `${(updatedAt - noon) / minute}m ${change} ${state}`)
  }

  /** `minute runbook target` and `minute verdict` in order. */
  get acts(): string[] {
    return (this.driver.published('ops.runs') as (RunRequested | RunVerdict)[]).map(act => {
      const at = `${Math.round(((act.at - noon) / minute) * 100) / 100}m`
      return act.type === 'requested' ? `${at} ${act.runbook} ${act.target}` : `${at} ${act.verdict}`
    })
  }
}
