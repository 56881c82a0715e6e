import { holds, matches, type Silence, type Suppressed } from '../control.ts'
import { identify } from '../identity.ts'
import { type Drop, defineOperator, drop, type Event, type EventTime, type Step } from '../operator.ts'
import type { SeenChange } from '../rank/evidence.ts'
import { rankCauses } from '../rank/rank.ts'
import { dependenciesOf } from '../services.ts'
import { type Anomaly, type Change, type Incident, type RunReport, type Signal, serviceKey } from '../signal.ts'
import { lastVersion, nextVersion, servicesOf, severityOf } from './incident.ts'
import type { Life } from './life.ts'
import * as life from './life.ts'
import { GroupConfig, type Policy, policyOf } from './policy.ts'
import { signalKey } from './tracked.ts'

/** A signal with anomalous windows, though not yet enough of them to open an incident. */
interface Pending {
  id: string
  since: EventTime
  lastAt: EventTime
  windows: number
}

/** An incident and when it wants to be looked at, or null. */
interface Entry {
  life: Life
  dueAt: EventTime | null
}

/** Of one environment; JSON-safe. */
export interface GroupState {
  /** In the order they were opened. */
  entries: Entry[]
  /** By `signalKey`. */
  pending: Record<string, Pending>
  changes: SeenChange[]
  /** Those not over yet, by id. */
  silences: Record<string, Silence>
}

/** The state before there were silences. */
type StateBefore = Omit<GroupState, 'silences'>

/** Changes of an environment remembered; the oldest give way. */
const maxChanges = 200

type Outputs = (Incident | Suppressed | Drop)[]

/** The silence that keeps an anomaly of this time from the incidents, if one does: of several the one said first. */
function silenceOf({ silences }: GroupState, anomaly: Anomaly, time: EventTime): Silence | undefined {
  return Object.values(silences)
    .filter(silence => holds(silence, time) && matches(silence, anomaly))
    .sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))[0]
}

const signalCount = (of: Life) => Object.keys(of.signals).length

class Group {
  readonly #policy: Policy
  /** What a service calls, directly or through others. */
  readonly #reach = new Map<string, ReadonlySet<string>>()

  constructor(policy: Policy) {
    this.#policy = policy
  }

  init(): GroupState {
    return { entries: [], pending: {}, changes: [], silences: {} }
  }

  step(state: GroupState, { value, time }: Event<Signal>): Step<GroupState, Incident | Suppressed> {
    const outputs: Outputs = []
    if (value.type === 'change') this.#remember(state, value, time)
    else if (value.type === 'run') this.#report(state, value, time, outputs)
    else if (value.type === 'silence') state.silences[value.id] = value
    else this.#hear(state, value, time, outputs)
    return [this.#tidy(state, time), outputs]
  }

  wakeAt({ entries, silences }: GroupState): EventTime | undefined {
    const times = entries.flatMap(({ dueAt }) => dueAt ?? [])
    for (const { validTo } of Object.values(silences)) times.push(validTo)
    return times.length === 0 ? undefined : Math.min(...times)
  }

  wake(state: GroupState, time: EventTime): Step<GroupState, Incident | Suppressed> {
    const outputs: Outputs = []
    for (const entry of state.entries)
      if (entry.dueAt !== null && entry.dueAt <= time) this.#carryOn(state, entry, undefined, time, outputs)
    return [this.#tidy(state, time), outputs]
  }

  #remember(state: GroupState, { service, kind, summary }: Change, at: EventTime): void {
    const known = state.changes.some(
      seen => seen.at === at && seen.service === service && seen.kind === kind && seen.summary === summary,
    )
    if (!known) state.changes.push({ service, kind, summary, at })
    if (state.changes.length > maxChanges) state.changes.shift()
  }

  #report(state: GroupState, told: RunReport, now: EventTime, outputs: Outputs): void {
    const entry = state.entries.find(
      ({ life: { id, absorbed } }) => id === told.incident || absorbed.includes(told.incident),
    )
    if (entry) this.#carryOn(state, entry, life.report(entry.life, told, now), now, outputs)
    else outputs.push(drop('unknown-incident'))
  }

  #hear(state: GroupState, anomaly: Anomaly, time: EventTime, outputs: Outputs): void {
    // What a window says is known at its end, the moment after the time that its report bears.
    const now = Math.max(time, Math.min(time + 1, anomaly.end))
    const key = signalKey(anomaly)
    const known = state.entries.find(entry => key in entry.life.signals)
    const heardAt = known?.life.signals[key]?.lastAt ?? state.pending[key]?.lastAt
    if (heardAt !== undefined && anomaly.end <= heardAt) {
      outputs.push(drop('repeated'))
      return
    }
    for (const entry of state.entries)
      if (life.hearService(entry.life, serviceKey(anomaly), anomaly.end) && entry !== known)
        this.#carryOn(state, entry, undefined, now, outputs)
    const silence =
      anomaly.score < 1 || (known && !life.isOver(known.life)) ? undefined : silenceOf(state, anomaly, time)
    if (silence) outputs.push({ type: 'suppressed', anomaly, silence })
    else if (known) this.#carryOn(state, known, life.hear(known.life, anomaly, now, this.#policy), now, outputs)
    else if (anomaly.score < 1) delete state.pending[key]
    else this.#joinOrOpen(state, anomaly, key, now, outputs)
  }

  #joinOrOpen(state: GroupState, anomaly: Anomaly, key: string, now: EventTime, outputs: Outputs): void {
    const since = state.pending[key]?.since ?? anomaly.start
    const [entry, ...others] = this.#entriesFor(state, anomaly.service, now)
    if (entry && signalCount(entry.life) >= this.#policy.maxSignals) {
      outputs.push(drop('incident-full'))
      return
    }
    for (const other of others) this.#merge(state, entry!, other, now, outputs)
    if (entry) this.#carryOn(state, entry, life.join(entry.life, anomaly, since, now, this.#policy), now, outputs)
    else {
      const first = this.#confirmed(state, anomaly, key)
      if (first === undefined) return
      const opened = life.open(identify('incident', anomaly.environment, first), anomaly, since, now, this.#policy)
      const added = { life: opened, dueAt: null }
      state.entries.push(added)
      this.#carryOn(state, added, 'opened', now, outputs)
      if (state.entries.length > this.#policy.maxIncidents) this.#giveWay(state, added, now, outputs)
    }
    delete state.pending[key]
  }

  /**
   * The incidents that a new signal of a service belongs to, oldest first: all that its failure explains, those of the
   * service and of its callers, for they have turned out to be one. Else the oldest that explains the service's own.
   */
  #entriesFor(state: GroupState, service: string, now: EventTime): Entry[] {
    const near = state.entries
      .filter(({ life: other }) => !life.isOver(other) && now - other.activeAt <= this.#policy.gap)
      .map(entry => ({ entry, services: servicesOf(entry.life) }))
    const explained = near.filter(({ services }) =>
      services.some(other => other === service || this.#reachOf(other).has(service)),
    )
    const explaining = near.filter(({ services }) => services.some(other => this.#reachOf(service).has(other)))
    return (explained.length > 0 ? explained : explaining.slice(0, 1)).map(({ entry }) => entry)
  }

  #merge(state: GroupState, into: Entry, { life: other }: Entry, now: EventTime, outputs: Outputs): void {
    if (signalCount(into.life) + signalCount(other) > this.#policy.maxSignals) return
    state.entries = state.entries.filter(entry => entry.life !== other)
    life.absorb(into.life, other)
    outputs.push(lastVersion(other, into.life.id, now))
  }

  /** The id of the first anomaly of the signal once there were enough windows; until then it is kept in mind. */
  #confirmed(state: GroupState, anomaly: Anomaly, key: string): string | undefined {
    if (anomaly.kind === 'rule') return anomaly.id
    if (anomaly.score < this.#policy.minScore) return undefined
    const { id, start, end } = anomaly
    const pending = state.pending[key] ?? { id, since: start, lastAt: end, windows: 0 }
    if (pending.windows + 1 >= this.#policy.confirmWindows) return pending.id
    if (pending.windows > 0 || Object.keys(state.pending).length < this.#policy.maxSignals)
      state.pending[key] = { ...pending, lastAt: end, windows: pending.windows + 1 }
    return undefined
  }

  /** There are too many incidents: what is over is forgotten first, else what was quiet for longest is closed. */
  #giveWay(state: GroupState, added: Entry, now: EventTime, outputs: Outputs): void {
    const [victim] = state.entries
      .filter(entry => entry !== added)
      .sort((a, b) => Number(life.isOver(b.life)) - Number(life.isOver(a.life)) || a.life.activeAt - b.life.activeAt)
    if (!victim) return
    state.entries = state.entries.filter(entry => entry !== victim)
    if (victim.life.closedAt !== null) return
    victim.life.closedAt = now
    outputs.push(nextVersion(victim.life, 'closed', now))
  }

  /** Does what is due, and writes a version if that or the change at hand is worth one. */
  #carryOn(state: GroupState, entry: Entry, change: life.Change | undefined, now: EventTime, outputs: Outputs): void {
    const { life: current } = entry
    const signals = () => Object.values(current.signals)
    const rank = () => rankCauses({ signals: signals() }, this.#rankContext(state))
    let worth = life.weightier(change, life.advance(current, now, this.#policy, rank))
    const severity = severityOf(current, this.#policy.catalogue)
    if (severity !== current.severity) worth = life.weightier(worth, 'grew')
    current.severity = severity
    if (worth) outputs.push(nextVersion(current, worth, now))
    entry.dueAt = life.dueAt(current, this.#policy)
  }

  #tidy(state: GroupState, now: EventTime): GroupState | undefined {
    const { gap, changeLookback } = this.#policy
    state.entries = state.entries.filter(entry => !life.isDone(entry.life, now, this.#policy))
    for (const [key, { lastAt }] of Object.entries(state.pending)) if (now - lastAt > gap) delete state.pending[key]
    const faultAt = Math.min(now, ...state.entries.map(entry => entry.life.faultAt))
    state.changes = state.changes.filter(({ at }) => at > faultAt - changeLookback)
    for (const [id, { validFrom, validTo }] of Object.entries(state.silences))
      if (validTo <= Math.max(now, validFrom)) delete state.silences[id]
    const named = Object.keys(state.pending).length + Object.keys(state.silences).length
    return state.entries.length + state.changes.length + named === 0 ? undefined : state
  }

  #rankContext({ changes }: GroupState) {
    const { changeLookback, onsetTolerance } = this.#policy
    return { changes, changeLookback, onsetTolerance, dependencies: (service: string) => this.#reachOf(service) }
  }

  #reachOf(service: string): ReadonlySet<string> {
    let reach = this.#reach.get(service)
    if (!reach) {
      reach = new Set(dependenciesOf(this.#policy.catalogue, service))
      this.#reach.set(service, reach)
    }
    return reach
  }
}

/**
 * The life of the incidents of an environment, the key: anomalies of services that depend on each other and follow
 * closely are one incident; it is identified, remediated, clear, resolved, perhaps reopened, and closed. Each output is a
 * whole incident at its next version, written when a reader would care, or an anomaly that a silence kept from opening,
 * reopening or growing one. An incident that is open goes on to its end: whether it is over must not depend on who listens.
 */
export const group = defineOperator<typeof GroupConfig, GroupState, Signal, Incident | Suppressed>({
  name: 'group',
  summary: 'Groups anomalies into incidents and follows each to its end.',
  config: GroupConfig,
  drops: ['repeated', 'incident-full', 'unknown-incident'],
  version: 2,
  upgrade: (old, from) => (from === 1 ? { ...(old as StateBefore), silences: {} } : undefined),
  examples: [
    {
      title: 'a slow service that recovers',
      config: { clearWindows: 1 },
      given: [
        { key: 'production', time: 59_999, value: latency(0, 4, 1.9) },
        { key: 'production', time: 119_999, value: latency(60_000, 0.2, 0.2) },
      ],
      gives: [
        { change: 'opened', state: 'detected', title: 'payments: latency 1.9 s (expected 0.1–0.3 s)' },
        { change: 'identified', state: 'identified', version: 2 },
        { change: 'cleared', state: 'monitoring', version: 3 },
        { change: 'resolved', state: 'resolved', version: 4 },
        { change: 'closed', state: 'closed', version: 5 },
      ],
    },
    {
      title: 'a silence: what it is about opens no incident until it ends',
      config: {},
      given: [
        { key: 'production', time: 10_000, value: silence({ subject: 'lat*', validFrom: 10_000, validTo: 100_000 }) },
        { key: 'production', time: 59_999, value: latency(0, 4, 1.9) },
        { key: 'production', time: 119_999, value: latency(60_000, 4, 1.9) },
      ],
      gives: [
        { type: 'suppressed' },
        { change: 'opened', faultAt: 60_000 },
        { change: 'identified' },
        { change: 'closed' },
      ],
    },
  ],
  create: config => {
    const logic = new Group(policyOf(config))
    return {
      init: () => logic.init(),
      step: (state, event) => logic.step(state, event),
      wakeAt: state => logic.wakeAt(state),
      wake: (state, time) => logic.wake(state, time),
    }
  },
})

function silence(fields: Partial<Silence>): Silence {
  const said = { by: 'ana', reason: 'maintenance', at: 10_000, validFrom: 10_000, validTo: 100_000 }
  return { type: 'silence', id: 's', environment: 'production', ...said, ...fields }
}

function latency(start: EventTime, score: number, value: number): Anomaly {
  return {
    ...{ type: 'anomaly', id: `latency-${start}`, environment: 'production', service: 'payments', signal: 'l' },
    ...{ kind: 'metric', subject: 'latency', labels: {}, start, end: start + 60_000, score, value, unit: 's' },
    ...{ expected: { yhat: 0.2, lower: 0.1, upper: 0.3 }, direction: 'above', voters: [], why: '', model: '1' },
  }
}
