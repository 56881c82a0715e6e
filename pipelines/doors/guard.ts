import {
  BrokenCircuitError,
  BulkheadRejectedError,
  bulkhead,
  CircuitState,
  ConsecutiveBreaker,
  circuitBreaker,
  handleWhen,
  type IPolicy,
  retry,
  TaskCancelledError,
  TimeoutStrategy,
  timeout,
} from 'cockatiel'
import type { Clock } from '../../operators/clock.ts'
import { type Reason, SinkError } from '../../sinks/store.ts'
import { fullJitter } from './backoff.ts'

export interface GuardOptions {
  /** What is called, one word: the label of its metrics. */
  readonly name: string
  /** Where it is, for messages. */
  readonly address: string
  /** Milliseconds after which nobody waits for a call any longer. */
  readonly timeout: number
  /** Calls at once, and calls that may wait for one of these places. */
  readonly concurrent: number
  readonly waiting: number
  /** Failures in a row after which it is left alone. */
  readonly failures: number
  /** Milliseconds it is left alone at first, and at most, before one call is let through to see. */
  readonly pause: number
  readonly longestPause: number
  readonly clock: Clock
  readonly random: () => number
  /** Whether an error says that it is not there, or not up to it. Default: a `SinkError` that is retryable. */
  readonly isOutage?: (error: unknown) => boolean
  /** Whether an answer says so. Default: none does. */
  readonly isBad?: (answer: unknown) => boolean
}

/** The call was not made: what it was for is being left alone, or too many calls wait for it. */
export class NotCalled extends SinkError {}

export interface CallOptions {
  /** Whether the call may be made again at once: only what changes nothing. */
  readonly repeat?: boolean
  /**
   * What the call is about. A call about the same object while one nobody waited for is still under way is that one:
   * it is waited for again, and not made twice.
   */
  readonly about?: object
}

export type BreakerState = 'closed' | 'half-open' | 'open'

/** What became of a call. `shut`: not made, it is being left alone. `full`: not made, too many wait. */
export type Outcome = 'ok' | 'shut' | 'full' | 'late' | 'failed' | Reason

/** How things stand with what is called. */
export interface DoorState {
  readonly breaker: BreakerState
  /** Since when calls have failed, milliseconds since 1970, and how the last one did; absent: the last one did not. */
  readonly since?: number
  readonly why?: string
  /** When a call last went well; absent: none has yet. */
  readonly answeredAt?: number
}

/** Repeats of a call that changes nothing. */
const REPEATS = 2

const states: Readonly<Record<CircuitState, BreakerState>> = {
  [CircuitState.Closed]: 'closed',
  [CircuitState.HalfOpen]: 'half-open',
  [CircuitState.Open]: 'open',
  [CircuitState.Isolated]: 'open',
}

/**
 * Stands between us and one thing outside: a timeout, a limited number of calls at once and in waiting, a circuit
 * breaker, and a few repeats of what changes nothing. An open breaker answers at once with a retryable `SinkError`. Only
 * what waiting can help opens it: to be told that a row is wrong is to be answered.
 *
 * A call past its timeout keeps its place until it ends, so that what hangs cannot pile up.
 */
export class Guard {
  readonly name: string
  readonly #options: GuardOptions
  readonly #breaker: ReturnType<typeof circuitBreaker>
  readonly #once: IPolicy
  readonly #places: ReturnType<typeof bulkhead>
  readonly #repeated: IPolicy
  readonly #underWay = new WeakMap<object, Promise<unknown>>()
  readonly #calls = new Map<Outcome, number>()
  #retries = 0
  #since: number | undefined
  #why: string | undefined
  #answeredAt: number | undefined

  constructor(options: GuardOptions) {
    const { name, concurrent, waiting, failures, pause, longestPause, random, isBad } = options
    this.name = name
    this.#options = options
    const halfOpenAfter = fullJitter({ first: pause, longest: longestPause, random })
    const policy = handleWhen(error => this.#isOutage(error)).orWhenResult(answer => isBad?.(answer) ?? false)
    this.#breaker = circuitBreaker(policy, { breaker: new ConsecutiveBreaker(failures), halfOpenAfter })
    this.#once = timeout(options.timeout, { strategy: TimeoutStrategy.Aggressive, abortOnReturn: false })
    this.#places = bulkhead(concurrent, waiting)
    // Neither what was refused, nor what is being left alone.
    const isPassing = (error: unknown): boolean => this.#isOutage(error) && !(error instanceof NotCalled)
    const repeats = retry(handleWhen(isPassing), {
      maxAttempts: REPEATS,
      backoff: fullJitter({ first: pause, longest: longestPause, random }),
    })
    repeats.onRetry(() => void this.#retries++)
    this.#repeated = repeats
  }

  get state(): DoorState {
    const breaker = states[this.#breaker.state]
    return {
      breaker,
      ...(this.#since === undefined ? {} : { since: this.#since, why: this.#why ?? '' }),
      ...(this.#answeredAt === undefined ? {} : { answeredAt: this.#answeredAt }),
    }
  }

  /** Calls so far by what became of them. */
  get calls(): ReadonlyMap<Outcome, number> {
    return this.#calls
  }

  /** Calls that were made again, here or by who waits for the door. */
  get retries(): number {
    return this.#retries
  }

  retried(): void {
    this.#retries++
  }

  /** @throws what `call` throws; {SinkError} `unreachable` or `overloaded` if it was not made or not answered in time */
  run<T>(call: () => Promise<T>, { repeat = false, about }: CallOptions = {}): Promise<T> {
    const work = () =>
      this.#try(signal => {
        const placed = () => this.#places.execute(call, signal)
        return about ? this.#joined(about, placed) : placed()
      })
    return repeat ? this.#repeated.execute(work) : work()
  }

  async #try<T>(call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      const answer = await this.#breaker.execute(() => this.#once.execute(({ signal }) => call(signal)))
      this.#note('ok', this.#options.isBad?.(answer) ? 'a bad answer' : undefined)
      return answer
    } catch (error) {
      throw this.#explain(error)
    }
  }

  #joined<T>(about: object, call: () => Promise<T>): Promise<T> {
    const before = this.#underWay.get(about) as Promise<T> | undefined
    if (before) return before
    const made = call().finally(() => this.#underWay.delete(about))
    this.#underWay.set(about, made)
    return made
  }

  #isOutage(error: unknown): boolean {
    // Places that are all taken are a sign of many callers; but not while one call alone is let through.
    if (error instanceof BulkheadRejectedError) return this.#breaker.state === CircuitState.HalfOpen
    if (error instanceof TaskCancelledError) return true
    const { isOutage = isRetryable } = this.#options
    return isOutage(error)
  }

  #explain(error: unknown): unknown {
    const { timeout, concurrent, waiting } = this.#options
    if (error instanceof BrokenCircuitError) {
      this.#count('shut')
      return this.#notCalled('unreachable', `left alone for a moment: ${this.#why ?? 'it failed too often'}`)
    }
    if (error instanceof BulkheadRejectedError) {
      this.#count('full')
      return this.#notCalled('overloaded', `${concurrent} calls are under way and ${waiting} wait; none more is taken`)
    }
    if (error instanceof TaskCancelledError) {
      const message = `no answer in ${timeout / 1_000} s`
      this.#note('late', message)
      return new SinkError(this.#where, 'unreachable', message, { cause: error })
    }
    const outage = this.#isOutage(error)
    this.#note(error instanceof SinkError ? error.reason : 'failed', outage ? (error as Error).message : undefined)
    return error
  }

  #notCalled(reason: Reason, message: string): NotCalled {
    return new NotCalled(this.#where, reason, message)
  }

  get #where(): string {
    return `${this.name} ${this.#options.address}`
  }

  #note(outcome: Outcome, trouble: string | undefined): void {
    this.#count(outcome)
    this.#why = trouble
    const now = this.#options.clock.now()
    if (trouble !== undefined) this.#since ??= now
    else {
      this.#since = undefined
      this.#answeredAt = now
    }
  }

  #count(outcome: Outcome): void {
    this.#calls.set(outcome, (this.#calls.get(outcome) ?? 0) + 1)
  }
}

const isRetryable = (error: unknown): boolean => error instanceof SinkError && error.retryable
