import { canonical } from '../aliases.ts'
import { signalKey } from '../group/tracked.ts'
import type { EventTime } from '../operator.ts'
import { quantity } from '../quantity.ts'
import { type IncidentSignal, type RunRequested, serviceKey } from '../signal.ts'
import { duration } from '../window.ts'
import { type CauseTrigger, type MetricTrigger, type RunbookTriggers, ruleNameOf } from './runbook-triggers.ts'
import { fires, type Watch } from './watch.ts'

/** A runbook fits an incident, for one of its services. */
export interface Match {
  readonly service: string
  readonly target: string
  /** The signals that ask, by `signalKey`. */
  readonly keys: readonly string[]
  /** From when on it may be asked for. */
  readonly dueAt: EventTime
  readonly because: string
  readonly inputs: RunRequested['inputs']
}

/** Services of an incident that a runbook is for, each once, by the first of its triggers that fits. */
export function matchesOf(watch: Watch, runbook: RunbookTriggers): Match[] {
  const found = new Map<string, Match>()
  runbook.triggers.forEach((trigger, index) => {
    const matches = 'metric' in trigger ? byRule(watch, trigger, ruleNameOf(runbook, index)) : byCause(watch, trigger)
    for (const match of matches) {
      const earlier = found.get(match.target)
      if (!earlier || match.dueAt < earlier.dueAt) found.set(match.target, match)
    }
  })
  return [...found.values()]
}

function byRule(watch: Watch, trigger: MetricTrigger, rule: string): Match[] {
  const { environment, signals } = watch.incident
  if (trigger.environment !== undefined && !globbed(trigger.environment, environment)) return []
  return signals
    .filter(
      ({ rule: own, service }) =>
        own?.name === rule &&
        own.threshold === trigger.threshold &&
        own.comparison === trigger.comparison &&
        (trigger.service === undefined || globbed(trigger.service, service)),
    )
    .flatMap(signal => {
      const since = watch.firing[signalKey(signal)]
      if (since === undefined) return []
      const how = trigger.duration === 0 ? '' : ` for ${duration(trigger.duration)}`
      const limit = `${trigger.comparison} ${quantity(trigger.threshold, signal.unit)}`
      const because = `${trigger.metric} of ${signal.service} has been ${limit}${how}`
      const keys = [signalKey(signal)]
      return [{ ...matchOf(watch, signal, keys, because, trigger.threshold), dueAt: since + trigger.duration }]
    })
}

/** The first cause fits and its signal still fires. What a log line says is never handed on. */
function byCause(watch: Watch, { cause: wanted, minConfidence }: CauseTrigger): Match[] {
  const { causes, signals, identifiedAt } = watch.incident
  const [cause] = causes
  if (identifiedAt === null || !cause || cause.confidence < minConfidence) return []
  if (wanted.service !== undefined && !globbed(wanted.service, cause.service)) return []
  const own = signals.filter(({ signal, service }) => signal === cause.signal && service === cause.service)
  const measured = own.filter(signal => signal.kind !== 'log')
  if (wanted.metric !== undefined && !measured.some(signal => isMetric(signal, wanted.metric!))) return []
  if (wanted.subject !== undefined && !own.some(({ subject }) => globbed(wanted.subject!, subject))) return []
  const firing = own.filter(fires)
  const [first] = firing
  if (!first) return []
  const what = first.kind === 'log' ? 'a log pattern' : first.subject
  const because = `${what} of ${cause.service} is the likeliest cause (confidence ${cause.confidence.toFixed(2)})`
  return [{ ...matchOf(watch, first, firing.map(signalKey), because), dueAt: identifiedAt }]
}

function matchOf(
  watch: Watch,
  signal: IncidentSignal,
  keys: readonly string[],
  because: string,
  threshold?: number,
): Omit<Match, 'dueAt'> {
  const { environment, id } = watch.incident
  const { service, subject, value } = signal
  const inputs: Record<string, string | number> = { environment, service, incident: id }
  if (signal.kind !== 'log') {
    if (metricName.test(subject)) inputs.metric = subject
    inputs.value = value
  }
  if (threshold !== undefined) inputs.threshold = threshold
  return { service, target: serviceKey({ environment, service }), keys, because, inputs }
}

/** Whether a signal is in a metric, by the name it is sent under or by its canonical one, such as `memory_bytes`. */
function isMetric({ subject, unit, labels }: IncidentSignal, metric: string): boolean {
  const name = canonical(subject, unit, labels)?.name
  return globbed(metric, subject) || (name !== undefined && globbed(metric, name))
}

/** OpenTelemetry's rule for names of instruments, and Prometheus' colon. */
const metricName = /^[A-Za-z][A-Za-z0-9_.:/-]{0,254}$/

/** Whether a text fits a pattern in which `*` stands for anything. */
function globbed(pattern: string, text: string): boolean {
  const parts = pattern.split('*').map(part => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`, 's').test(text)
}
