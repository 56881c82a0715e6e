import { ExponentialBackoff, noJitterGenerator } from 'cockatiel'

export interface BackoffOptions {
  /** Longest first pause, and longest of all, in milliseconds. */
  readonly first: number
  readonly longest: number
  /** Numbers in [0, 1). */
  readonly random: () => number
}

/**
 * Pauses that double up to a limit, each anything between nothing and that ("full jitter"), so that those who failed
 * together do not come back together. The library's own generators roll dice that nobody hands them.
 */
export function fullJitter({ first, longest, random }: BackoffOptions): ExponentialBackoff<number> {
  return new ExponentialBackoff<number>({
    initialDelay: first,
    maxDelay: longest,
    generator: (state, options) => {
      const [delay, next] = noJitterGenerator(state, options)
      return [random() * delay, next]
    },
  })
}

/** The same, one pause after the other. */
export function* pausesOf(backoff: ExponentialBackoff<number>): Generator<number, never> {
  for (let at = backoff.next(); ; at = at.next(undefined)) yield at.duration
}
