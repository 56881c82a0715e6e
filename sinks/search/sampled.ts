import type { Store } from '../store.ts'
import { Parameters, type Reach } from './compile.ts'
import { conditionOf, names, type Scope } from './scope.ts'
import type { Search } from './search.ts'

/** Of the lines a query could have found only a sample is kept: how many there were, and how many of them are left. */
export interface Sampled {
  readonly lines: number
  readonly kept: number
}

/** OpenTelemetry's number of the least error: those have a share of their own. */
const ERROR = 17

const ofSlot: Reach = { first: 'start', last: 'subtractMilliseconds(`end`, 1)' }

/**
 * What was left out of the table of lines where and when a query looks; undefined: nothing. What else it asks for is left
 * aside, so that too much is said of sampling rather than too little. `except`: a time that is not of interest.
 * @throws {SinkError}
 */
export async function sampledLines(
  store: Store,
  search: Search,
  scope: Scope,
  except?: { readonly from: number; readonly to: number },
): Promise<Sampled | undefined> {
  const parameters = new Parameters()
  const where = [
    conditionOf(placesOf(search), scope, parameters, ofSlot),
    ...(except ? [`(start < ${parameters.moment(except.from)} OR \`end\` > ${parameters.moment(except.to)})`] : []),
  ].join(' AND ')
  const [all, left] = isOfErrors(search) ? ['errors', 'errors_kept'] : ['lines + errors', 'kept + errors_kept']
  const [found] = await store.query<{ lines: string; kept: string }>(
    `SELECT sum(${all}) AS lines, sum(${left}) AS kept FROM log_sampling FINAL WHERE ${where}`,
    parameters.values,
  )
  const [lines, kept] = [Number(found?.lines ?? 0), Number(found?.kept ?? 0)]
  return lines > kept ? { lines, kept } : undefined
}

const ALL: Search = { is: 'all' }

/** What a query says of places and times, and at least the lines it finds: all else is taken to be so. */
export function placesOf(search: Search): Search {
  switch (search.is) {
    case 'and':
      return { is: 'and', parts: search.parts.map(placesOf) }
    case 'or': {
      const parts = search.parts.map(placesOf)
      return parts.some(({ is }) => is === 'all') ? ALL : { is: 'or', parts }
    }
    case 'not':
      return others.some(is => names(search.part, is)) ? ALL : search
    case 'service':
    case 'environment':
    case 'time':
      return search
    default:
      return ALL
  }
}

/** Of a slot as a whole it cannot be said that these are not so. */
const others = ['all', 'time', 'level', 'pattern', 'trace', 'span', 'attribute', 'number', 'text'] as const

/** Whether a query finds nothing below error severity. */
export function isOfErrors(search: Search): boolean {
  if (search.is === 'level') return search.least >= ERROR
  return search.is === 'and' && search.parts.some(isOfErrors)
}
