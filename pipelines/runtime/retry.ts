import type { Clock } from '../../operators/clock.ts'
import { type Reason, SinkError } from '../../sinks/store.ts'
import { fullJitter, pausesOf } from '../doors/backoff.ts'
import type { Logger } from '../sources/logger.ts'

export interface PatienceOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Ends all waiting. */
  readonly signal: AbortSignal
  /** Numbers in [0, 1). */
  readonly random: () => number
  /** Longest pause between two tries, in milliseconds. */
  readonly longest?: number
  /** Told of every try after the first. */
  readonly onRetry?: (door: string) => void
}

/** A door that those who need it are waiting for. */
export interface Trouble {
  readonly reason: Reason
  /** What it said last. */
  readonly why: string
  /** When the first of those who still wait began to, milliseconds since 1970. */
  readonly since: number
}

interface Waited {
  trouble: Trouble
  waiting: number
}

const FIRST = 100

/**
 * Waits for doors, however long it takes: tries again with exponential pauses and full jitter, until it works or the
 * signal ends it. Whoever waits takes no more work, so a door that is shut stops consumption and nothing else.
 *
 * A door that is misconfigured is waited for as well: to end would lead, after a restart, to the same place.
 * The log says one line when a door shuts, when the kind of trouble changes, and when nobody has to wait any more,
 * however many are waiting.
 */
export class Patience {
  readonly #options: PatienceOptions
  readonly #waited = new Map<string, Waited>()

  constructor(options: PatienceOptions) {
    this.#options = options
  }

  /** What is being waited for now, by door. */
  get troubles(): ReadonlyMap<string, Trouble> {
    return new Map([...this.#waited].map(([door, { trouble }]) => [door, trouble]))
  }

  /** @throws what `work` threw, if waiting cannot help or the signal is aborted */
  async retry<T>(door: string, work: () => Promise<T>): Promise<T> {
    const { clock, signal, random, longest = 4_000, onRetry } = this.#options
    const pauses = pausesOf(fullJitter({ first: FIRST, longest, random }))
    let waiting = false
    try {
      for (;;) {
        try {
          return await work()
        } catch (error) {
          if (!(error instanceof SinkError) || error.reason === 'rejected' || signal.aborted) throw error
          this.#note(door, error, waiting)
          waiting = true
          await clock.sleep(pauses.next().value, signal)
          if (signal.aborted) throw error
          onRetry?.(door)
        }
      }
    } finally {
      if (waiting) this.#forget(door)
    }
  }

  #note(door: string, { reason, message: why }: SinkError, waiting: boolean): void {
    const { clock, logger } = this.#options
    const known = this.#waited.get(door)
    const since = known?.trouble.since ?? clock.now()
    if (known?.trouble.reason !== reason) logger.warn({ door, reason }, `${why}; waiting for it`)
    this.#waited.set(door, {
      trouble: { reason, why, since },
      waiting: (known?.waiting ?? 0) + (waiting ? 0 : 1),
    })
  }

  #forget(door: string): void {
    const { clock, logger, signal } = this.#options
    const known = this.#waited.get(door)
    if (!known || --known.waiting > 0) return
    this.#waited.delete(door)
    const seconds = Math.round((clock.now() - known.trouble.since) / 1_000)
    if (!signal.aborted) logger.info({ door, seconds }, `${door}: works again`)
  }
}
