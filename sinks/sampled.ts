import type { Search } from './search.ts'

/** Of the lines a query could have found only a sample is kept: how many there were, and how many of them are left. */
export interface Sampled {
  readonly lines: number
  readonly kept: number
}

/** OpenTelemetry's number of the least error: those have a share of their own. */
const ERROR = 17

/**
 * Where and when a query looks: any service that it names, and the longest time that it does, else `age`. How it combines
 * them is left aside, so that too much is said of sampling rather than too little.
 */
export function placesOf(search: Search, age: number): Search {
  const leaves = leavesOf(search)
  const ages = leaves.flatMap(leaf => (leaf.is === 'age' ? [leaf.ms] : []))
  const services = leaves.filter(leaf => leaf.is === 'service')
  const longest: Search = { is: 'age', ms: ages.length > 0 ? Math.max(...ages) : age }
  return services.length > 0 ? { is: 'and', parts: [longest, { is: 'or', parts: services }] } : longest
}

function leavesOf(search: Search): Search[] {
  if (search.is === 'and' || search.is === 'or') return search.parts.flatMap(leavesOf)
  return search.is === 'not' ? leavesOf(search.part) : [search]
}

/** Whether a query finds nothing below error severity. */
export function isOfErrors(search: Search): boolean {
  if (search.is === 'level') return search.severity >= ERROR
  return search.is === 'and' && search.parts.some(isOfErrors)
}
