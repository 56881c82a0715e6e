import { signalKey } from '../group/tracked.ts'
import { identify } from '../identity.ts'
import { type Drop, defineOperator, drop, type Event, type EventTime, type Step } from '../operator.ts'
import type { Incident, RunRequested, RunVerdict } from '../signal.ts'
import { type Match, matchesOf } from './match.ts'
import { cooldownOf, type RunbookTriggers, runTimeoutOf, TriggerConfig } from './runbook-triggers.ts'
import { endOf, follow, judge, judgeAt, type OpenRun, openRun } from './verify.ts'
import { absorbWatch, attemptKey, fires, isActive, type Watch, watchNext } from './watch.ts'

/** Of one environment; JSON-safe. */
export interface TriggerState {
  /** By incident. */
  watches: Record<string, Watch>
  /** By target: one at a time. */
  open: Record<string, OpenRun>
  /** When the last run of a runbook on a target ended, by `attemptKey`. */
  ended: Record<string, EventTime>
  /** When something is to be done though nothing is heard, or null. */
  dueAt: EventTime | null
}

type Outputs = (RunRequested | RunVerdict | Drop)[]

class Trigger {
  readonly #config: TriggerConfig
  readonly #remember: number

  constructor(config: TriggerConfig) {
    this.#config = config
    this.#remember = Math.max(0, ...config.runbooks.map(runTimeoutOf))
  }

  step(state: TriggerState, { value: incident, time }: Event<Incident>): Step<TriggerState, RunRequested | RunVerdict> {
    const known = state.watches[incident.id]
    if (known && incident.version <= known.incident.version) return [state, [drop('repeated')]]
    const watch = watchNext(known, incident, time, this.#remember)
    for (const part of incident.absorbed ?? []) this.#absorb(state, watch, part)
    state.watches[incident.id] = watch
    this.#makeRoom(state)
    const outputs: Outputs = []
    const freed = this.#follow(state, incident, time, outputs)
    this.#request(state, freed ? watches(state) : [watch], time, outputs)
    return [this.#tidy(state, time), outputs]
  }

  wake(state: TriggerState, time: EventTime): Step<TriggerState, RunRequested | RunVerdict> {
    const outputs: Outputs = []
    for (const run of runs(state)) this.#judge(state, run, time, outputs)
    for (const run of runs(state))
      if (time >= run.heardAt + run.timeout) {
        state.watches[run.incident]?.stopped.push(run.target)
        this.#end(state, run, time)
      }
    this.#request(state, watches(state), time, outputs)
    return [this.#tidy(state, time), outputs]
  }

  /** The runs for an incident that became a part of another are now for that. */
  #absorb(state: TriggerState, watch: Watch, part: string): void {
    for (const run of runs(state)) if (run.incident === part) run.incident = watch.incident.id
    const other = state.watches[part]
    if (other) absorbWatch(watch, other)
    delete state.watches[part]
  }

  /** Takes in what became of the runs of an incident. True: a target is free again. */
  #follow(state: TriggerState, incident: Incident, now: EventTime, outputs: Outputs): boolean {
    let freed = false
    for (const run of runs(state)) {
      if (run.incident !== incident.id) continue
      const told = incident.runs.find(other => other.run === run.run)
      if (told) follow(run, told.state, told.at)
      const end = told ? endOf(told.state) : 'goes on'
      if (end === 'goes on') this.#judge(state, run, now, outputs)
      else {
        if (end === 'stop') state.watches[run.incident]?.stopped.push(run.target)
        this.#end(state, run, now)
        freed = true
      }
    }
    return freed
  }

  #judge(state: TriggerState, run: OpenRun, now: EventTime, outputs: Outputs): void {
    const judgement = judge(run, state.watches[run.incident]?.incident, now)
    if (!judgement) return
    run.verdict = judgement.verdict
    run.heardAt = now
    outputs.push({ type: 'verdict', run: run.run, target: run.target, at: now, ...judgement })
  }

  /** What did not verifiably help is not tried again for the incident as it is. */
  #end(state: TriggerState, run: OpenRun, now: EventTime): void {
    const key = attemptKey(run.runbook, run.target)
    delete state.open[run.target]
    state.ended[key] = now
    if (run.verdict !== 'verified') state.watches[run.incident]?.tried.push(key)
  }

  #request(state: TriggerState, some: readonly Watch[], now: EventTime, outputs: Outputs): void {
    for (const watch of some.filter(isActive))
      for (const runbook of this.#config.runbooks)
        for (const match of matchesOf(watch, runbook))
          if (match.dueAt <= now && this.#mayAsk(state, watch, runbook, match, now))
            outputs.push(this.#ask(state, watch, runbook, match, now))
  }

  #mayAsk(state: TriggerState, watch: Watch, runbook: RunbookTriggers, match: Match, now: EventTime): boolean {
    const key = attemptKey(runbook.name, match.target)
    const attempts = watch.attempts[key] ?? 0
    if (onlyShows(runbook)) return attempts === 0
    if (match.target in state.open || watch.stopped.includes(match.target) || watch.tried.includes(key)) return false
    return attempts < runbook.maxAttempts && now >= this.#coolAt(state, runbook, match.target)
  }

  #coolAt(state: TriggerState, runbook: RunbookTriggers, target: string): EventTime {
    const ended = state.ended[attemptKey(runbook.name, target)]
    return ended === undefined ? Number.NEGATIVE_INFINITY : ended + cooldownOf(runbook)
  }

  #ask(state: TriggerState, watch: Watch, runbook: RunbookTriggers, match: Match, now: EventTime): RunRequested {
    const { service, target, because, inputs, keys } = match
    const { id, environment, signals } = watch.incident
    const firing = signals.filter(fires).map(signalKey)
    const key = attemptKey(runbook.name, target)
    const attempt = (watch.attempts[key] ?? 0) + 1
    watch.attempts[key] = attempt
    const run = identify(runbook.name, id, target, attempt)
    if (!onlyShows(runbook))
      state.open[target] = openRun({ run, incident: id, target, asked: [...keys], firing }, runbook, now)
    return {
      type: 'requested',
      run,
      runbook: runbook.name,
      incident: id,
      environment,
      service,
      target,
      at: now,
      because,
      inputs,
    }
  }

  /** Forgets the incident unheard of for longest, were there too many of them; never one with a run under way. */
  #makeRoom(state: TriggerState): void {
    const all = watches(state)
    if (all.length <= this.#config.maxIncidents) return
    const busy = new Set(runs(state).map(run => run.incident))
    const [oldest] = all
      .filter(({ incident }) => !busy.has(incident.id))
      .sort((a, b) => a.incident.updatedAt - b.incident.updatedAt)
    if (oldest) delete state.watches[oldest.incident.id]
  }

  #tidy(state: TriggerState, now: EventTime): TriggerState | undefined {
    const busy = new Set(runs(state).map(run => run.incident))
    for (const { forgetAt, incident } of watches(state))
      if (forgetAt !== null && now >= forgetAt && !busy.has(incident.id)) delete state.watches[incident.id]
    const longest = Math.max(0, ...this.#config.runbooks.map(cooldownOf))
    for (const [key, ended] of Object.entries(state.ended)) if (now >= ended + longest) delete state.ended[key]
    const due = this.#dueTimes(state, now).filter(time => time > now)
    state.dueAt = due.length === 0 ? null : Math.min(...due)
    const left = watches(state).length + runs(state).length + Object.keys(state.ended).length
    return left === 0 ? undefined : state
  }

  #dueTimes(state: TriggerState, now: EventTime): EventTime[] {
    const times = runs(state).flatMap(run => [run.heardAt + run.timeout, judgeAt(run, now) ?? now])
    for (const watch of watches(state)) {
      if (watch.forgetAt !== null) times.push(watch.forgetAt)
      if (!isActive(watch)) continue
      for (const runbook of this.#config.runbooks)
        for (const match of matchesOf(watch, runbook))
          times.push(Math.max(match.dueAt, this.#coolAt(state, runbook, match.target)))
    }
    return times
  }
}

const runs = (state: TriggerState): OpenRun[] => Object.values(state.open)
const watches = (state: TriggerState): Watch[] => Object.values(state.watches)
const onlyShows = ({ mode }: RunbookTriggers) => mode === 'observe' || mode === 'suggest'

/**
 * Decides which runbooks the incidents of an environment, the key, ask for, and whether their runs have helped. Pure: it
 * asks and judges, and does nothing. One run at a time on a target; the next runbook that fits only after one has ended
 * without verified success.
 */
export const trigger = defineOperator<typeof TriggerConfig, TriggerState, Incident, RunRequested | RunVerdict>({
  name: 'trigger',
  summary: 'Asks for the runbooks that incidents call for, and judges whether they helped.',
  config: TriggerConfig,
  drops: ['repeated'],
  examples: [
    {
      title: 'memory is the likeliest cause',
      config: { runbooks: [{ name: 'Restart', mode: 'auto', triggers: [{ cause: { metric: 'memory_*' } }] }] },
      given: [{ key: 'production', time: 90_000, value: leak() }],
      gives: [{ type: 'requested', runbook: 'Restart', target: 'production/payments', at: 90_000 }],
    },
  ],
  create: config => {
    const logic = new Trigger(config)
    return {
      init: () => ({ watches: {}, open: {}, ended: {}, dueAt: null }),
      step: (state, event) => logic.step(state, event),
      wakeAt: state => state.dueAt ?? undefined,
      wake: (state, time) => logic.wake(state, time),
    }
  },
})

function leak(): Incident {
  const signal = { signal: 'm', service: 'payments', kind: 'metric', subject: 'memory_usage', unit: '%' } as const
  const seen = { firing: true, since: 0, lastAt: 60_000, lastAnomalousAt: 60_000, score: 2, peak: 2, value: 71 }
  return {
    ...{ id: 'leak', version: 2, environment: 'production', state: 'identified', severity: 'medium', title: '' },
    ...{ change: 'identified', services: ['payments'], runs: [] },
    signals: [{ ...signal, ...seen, labels: {}, direction: 'above', why: '' }],
    causes: [{ rank: 1, service: 'payments', signal: 'm', subject: 'memory_usage', confidence: 0.8, evidence: [] }],
    ...{ faultAt: 0, detectedAt: 60_000, identifiedAt: 90_000, mitigatedAt: null, resolvedAt: null, closedAt: null },
    updatedAt: 90_000,
  }
}
