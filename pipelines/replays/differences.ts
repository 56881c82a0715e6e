import type { Incident, RunRequested } from '../../operators/signal.ts'
import type { Findings } from './recorded.ts'

/** One thing that was recorded and replayed differently; null: it is not there. */
export interface Difference {
  /** Incident id, or run id for an action. */
  readonly id: string
  readonly environment: string
  readonly what: 'incident' | 'state' | 'severity' | 'title' | 'services' | 'times' | 'causes' | 'timeline' | 'action'
  readonly recorded: string | null
  readonly replayed: string | null
}

/** Incidents this far apart, of a service both have, are taken for the same outage, in milliseconds. */
const SAME_OUTAGE = 15 * 60_000

/** What differs, incidents in the order they were detected in, then actions. Deterministic. */
export function differences(recorded: Findings, replayed: Findings): Difference[] {
  const ours = byIncident(recorded.incidents)
  const theirs = byIncident(replayed.incidents)
  const found: Difference[] = []
  const gone: Incident[] = []
  for (const [key, versions] of ours) {
    const other = theirs.get(key)
    if (other) found.push(...ofOne(versions, other))
    else gone.push(versions.at(-1)!)
  }
  const fresh = [...theirs].filter(([key]) => !ours.has(key)).map(([, versions]) => versions.at(-1)!)
  found.push(...paired(gone, fresh), ...actions(recorded.requests, replayed.requests))
  return found
}

function byIncident(versions: readonly Incident[]): Map<string, Incident[]> {
  const ordered = versions.toSorted((a, b) => a.detectedAt - b.detectedAt || (a.id < b.id ? -1 : 1) || 0)
  const incidents = Map.groupBy(ordered, ({ environment, id }) => `${environment}\n${id}`)
  for (const of of incidents.values()) of.sort((a, b) => a.version - b.version)
  return incidents
}

/** The same incident, twice: how it stood at last, else where its course parts. */
function ofOne(recorded: readonly Incident[], replayed: readonly Incident[]): Difference[] {
  const [last, other] = [recorded.at(-1)!, replayed.at(-1)!]
  const { id, environment } = last
  const found = sides.flatMap(({ what, of }) => {
    const [recordedAs, replayedAs] = [of(last), of(other)]
    return recordedAs === replayedAs ? [] : [{ id, environment, what, recorded: recordedAs, replayed: replayedAs }]
  })
  if (found.length > 0) return found
  const parting = partingOf(recorded, replayed)
  return parting ? [{ id, environment, what: 'timeline', ...parting }] : []
}

const sides: readonly { what: Difference['what']; of: (incident: Incident) => string }[] = [
  { what: 'state', of: ({ state }) => state },
  { what: 'severity', of: ({ severity }) => severity },
  { what: 'title', of: ({ title }) => title },
  { what: 'services', of: ({ services }) => services.join(', ') },
  { what: 'times', of: timesOf },
  { what: 'causes', of: causesOf },
]

function timesOf({ faultAt, detectedAt, resolvedAt }: Incident): string {
  const resolved = resolvedAt === null ? '' : `, resolved ${instant(resolvedAt)}`
  return `fault ${faultAt === null ? 'unknown' : instant(faultAt)}, detected ${instant(detectedAt)}${resolved}`
}

function causesOf({ causes }: Incident): string {
  const named = causes.map(
    ({ service, subject, confidence }) => `${service} ${subject} (${Math.round(confidence * 100)} %)`,
  )
  return named.join(', ') || 'insufficient evidence'
}

/** The first version that is not the same, by what it says, else by the first value that differs. */
function partingOf(recorded: readonly Incident[], replayed: readonly Incident[]) {
  for (let at = 0; at < Math.max(recorded.length, replayed.length); at++) {
    const [ours, theirs] = [recorded[at], replayed[at]]
    const path = ours && theirs ? firstDifference(ours, theirs) : ''
    if (path === undefined) continue
    const said = (incident: Incident | undefined) =>
      incident ? `version ${incident.version} at ${instant(incident.updatedAt)}: ${incident.change}` : null
    const detail = path && `, ${path.at}`
    return {
      recorded: said(ours) === null ? null : `${said(ours)}${detail}${path && ` ${path.a}`}`,
      replayed: said(theirs) === null ? null : `${said(theirs)}${detail}${path && ` ${path.b}`}`,
    }
  }
  return undefined
}

/** Where two values part, with what is there; undefined if they do not. */
function firstDifference(a: unknown, b: unknown, at = ''): { at: string; a: string; b: string } | undefined {
  if (Object.is(a, b)) return undefined
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object')
    return { at, a: JSON.stringify(a) ?? 'nothing', b: JSON.stringify(b) ?? 'nothing' }
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>]
  for (const name of new Set([...Object.keys(one), ...Object.keys(other)])) {
    const found = firstDifference(one[name], other[name], at === '' ? name : `${at}.${name}`)
    if (found) return found
  }
  return undefined
}

/** An incident that began with another signal has another id; two of the same outage are shown side by side. */
function paired(gone: readonly Incident[], fresh: readonly Incident[]): Difference[] {
  const left = new Set(fresh)
  const pairs = gone.map(incident => {
    const other = [...left]
      .filter(candidate => isSameOutage(incident, candidate))
      .sort((a, b) => apart(incident, a) - apart(incident, b))[0]
    if (other) left.delete(other)
    return { incident, other }
  })
  const row = (id: string, environment: string, recorded: Incident | undefined, replayed: Incident | undefined) => ({
    ...{ id, environment, what: 'incident' as const },
    recorded: recorded ? wordsOf(recorded) : null,
    replayed: replayed ? `${replayed.id === id ? '' : `${replayed.id} `}${wordsOf(replayed)}` : null,
  })
  return [
    ...pairs.map(({ incident, other }) => row(incident.id, incident.environment, incident, other)),
    ...[...left].map(incident => row(incident.id, incident.environment, undefined, incident)),
  ]
}

const apart = (a: Incident, b: Incident): number => Math.abs(a.detectedAt - b.detectedAt)
const isSameOutage = (a: Incident, b: Incident): boolean =>
  a.environment === b.environment && apart(a, b) <= SAME_OUTAGE && a.services.some(name => b.services.includes(name))

const wordsOf = (incident: Incident): string =>
  `${incident.severity}, ${incident.state}, detected ${instant(incident.detectedAt)}: ${incident.title}; cause: ${causesOf(incident)}`

function actions(recorded: readonly RunRequested[], replayed: readonly RunRequested[]): Difference[] {
  const ours = new Map(recorded.map(request => [request.run, request]))
  const theirs = new Map(replayed.map(request => [request.run, request]))
  return [...new Set([...ours.keys(), ...theirs.keys()])].flatMap(id => {
    const [one, other] = [ours.get(id), theirs.get(id)]
    const parting = one && other ? firstDifference(one, other) : ''
    if (parting === undefined) return []
    const said = (request: RunRequested | undefined, value: string) => (request ? `${actionOf(request)}${value}` : null)
    return [
      {
        ...{ id, environment: (one ?? other)!.environment, what: 'action' as const },
        recorded: said(one, parting && `, ${parting.at} ${parting.a}`),
        replayed: said(other, parting && `, ${parting.at} ${parting.b}`),
      },
    ]
  })
}

const actionOf = ({ runbook, target, incident, at }: RunRequested): string =>
  `${runbook} on ${target} for ${incident} at ${instant(at)}`

const instant = (time: number): string => new Date(time).toISOString().replace('.000Z', 'Z')
