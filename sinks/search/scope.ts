import { compile, momentOf, type Parameters, type Reach } from './compile.ts'
import type { Search } from './search.ts'

/** Milliseconds since 1970, `to` not included. Without `from`: as far back as the query says, else `defaultAge`. */
export interface TimeRange {
  readonly from?: number | undefined
  /** `last_5m` ends here. */
  readonly to: number
}

/** A query that names no time looks back that far. */
export const defaultAge = 900_000

/** Where a query is asked. It can narrow the place, and choose another service, never another environment. */
export interface Place {
  readonly environment?: string | undefined
  /** Applies unless the query names a service. */
  readonly service?: string | undefined
}

/** Where and when a query looks, apart from what it says itself. */
export interface Scope extends Place {
  readonly from: number
  readonly to: number
}

export function scopeOf(search: Search, { from, to }: TimeRange, { environment, service }: Place): Scope {
  return {
    environment,
    service: names(search, 'service') ? undefined : service,
    from: from ?? (names(search, 'time') ? 0 : Math.max(0, to - defaultAge)),
    to,
  }
}

/** The condition on a table that a query is within its scope. */
export function conditionOf(search: Search, scope: Scope, parameters: Parameters, reach?: Reach): string {
  const { environment, service, from, to } = scope
  const parts: Search[] = [
    ...(environment === undefined ? [] : [{ is: 'environment', value: [environment] } as const]),
    ...(service === undefined ? [] : [{ is: 'service', value: [service] } as const]),
    { is: 'time', from: { at: from }, to: { at: to - 1 } },
    search,
  ]
  return compile({ is: 'and', parts }, to, parameters, reach)
}

/** A query as what it asks for besides a time, and its scope narrowed to the times that must hold for every line. */
export function withoutTimes(search: Search, scope: Scope): { rest: readonly Search[]; scope: Scope } {
  const parts = search.is === 'and' ? search.parts : [search]
  const times = parts.filter(part => part.is === 'time')
  const from = times.map(({ from }) => (from ? momentOf(from, scope.to) : 0))
  const to = times.map(({ to }) => (to ? momentOf(to, scope.to) + 1 : scope.to))
  return {
    rest: parts.filter(part => part.is !== 'time'),
    scope: { ...scope, from: Math.max(scope.from, ...from), to: Math.min(scope.to, ...to) },
  }
}

/** Whether a query speaks of something anywhere. */
export function names(search: Search, is: Search['is']): boolean {
  if (search.is === 'and' || search.is === 'or') return search.parts.some(part => names(part, is))
  return search.is === 'not' ? names(search.part, is) : search.is === is
}
