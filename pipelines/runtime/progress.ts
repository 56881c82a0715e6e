import type { EventTime } from '../../operators/operator.ts'
import type { Mark } from '../../operators/watermark.ts'

export interface ProgressOptions {
  /** How far the events of the stream may be out of order, in milliseconds. */
  readonly outOfOrderness: number
  /** Marks are at multiples of this, so that they fall between the same two events however a batch is cut. */
  readonly quantum: number
  /** Silence, in milliseconds of the wall clock, after which a stream read to its end holds nobody back. */
  readonly idleAfter: number
}

/**
 * The progress of an origin that does not announce its own: a partition of a topic that telemetry arrives in. Trails the
 * newest event; which events are late, and where the marks fall between them, depends on the events alone. The wall
 * clock is asked only when the partition has been read to its end.
 */
export class OriginProgress {
  readonly #stream: string
  readonly #options: ProgressOptions
  #announced: EventTime | null
  #newest: EventTime | null
  #quietSince: number | null = null
  #idle = false

  constructor(stream: string, options: ProgressOptions, announced: EventTime | null) {
    this.#stream = stream
    this.#options = options
    this.#announced = announced
    // After a restart the newest event is not known any more, but it was at least this new.
    this.#newest = announced === null ? null : announced + options.outOfOrderness
  }

  /** Whether the stream had passed this time already. */
  isLate(time: EventTime): boolean {
    return this.#announced !== null && time < this.#announced
  }

  /** Takes note of an event; the mark to send behind it, if one is due. */
  observe(time: EventTime): Mark | undefined {
    this.#newest = this.#newest === null ? time : Math.max(this.#newest, time)
    this.#quietSince = null
    const { outOfOrderness, quantum } = this.#options
    const reached = Math.floor((this.#newest - outOfOrderness) / quantum) * quantum
    const moved = this.#announced === null || reached > this.#announced
    if (!moved && !this.#idle) return undefined
    if (moved) this.#announced = reached
    this.#idle = false
    return this.#mark()
  }

  /** The partition is read to its end at this wall-clock time: an idle mark, if the silence has lasted long enough. */
  rest(now: number): Mark | undefined {
    if (this.#quietSince === null) {
      this.#quietSince = now
      // A stream of which nothing ever came has nothing to wait for.
      if (this.#newest !== null || this.#announced !== null) return undefined
      this.#idle = true
      return this.#mark()
    }
    const quiet = now - this.#quietSince
    if (quiet < this.#options.idleAfter) return undefined
    this.#idle = true
    const newest = this.#newest
    if (newest !== null)
      this.#announced = Math.max(this.#announced ?? newest, newest + quiet - this.#options.outOfOrderness)
    return this.#mark()
  }

  #mark(): Mark {
    return { stream: this.#stream, time: this.#announced, idle: this.#idle, siblings: [] }
  }
}
