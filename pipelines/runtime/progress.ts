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

/** While a stream is silent its time moves on in steps of this share of `idleAfter`: each is a record of the topic. */
const STEPS_PER_SILENCE = 3

/**
 * The progress of an origin that does not announce its own: a partition of a topic that telemetry arrives in. Trails the
 * newest event; which events are late, and where the marks fall between them, depends on the records alone. The wall
 * clock is asked only when the partition has been read to its end, and what it says counts from where it is written
 * into the partition: so whoever reads the partition again, after a crash or in a replay, finds it at the same place.
 */
export class OriginProgress {
  readonly #stream: string
  readonly #options: ProgressOptions
  #announced: EventTime | null
  #newest: EventTime | null
  #quietSince: number | null = null
  #idle: boolean

  /** `announced`, `idle`: how far the stream was known to be, and whether it was silent, when this began. */
  constructor(stream: string, options: ProgressOptions, announced: EventTime | null, idle = false) {
    this.#stream = stream
    this.#options = options
    this.#announced = announced
    this.#idle = idle
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

  /** Takes note of an idle mark that was read: the stream says that it has come so far. */
  heed({ time, idle }: Mark): void {
    if (time !== null) this.#announced = Math.max(this.#announced ?? time, time)
    this.#idle = idle
  }

  /**
   * The partition is read to its end at this wall-clock time: an idle mark to be written into it, if the silence has
   * lasted long enough and the last such mark does not say as much. It counts once it is heeded.
   */
  rest(now: number): Mark | undefined {
    if (this.#quietSince === null) {
      this.#quietSince = now
      // A stream of which nothing ever came has nothing to wait for.
      return this.#newest === null && this.#announced === null && !this.#idle ? this.#idleMark(null) : undefined
    }
    const { outOfOrderness, idleAfter } = this.#options
    const quiet = now - this.#quietSince
    if (quiet < idleAfter || this.#newest === null) return undefined
    const reached = this.#newest + quiet - outOfOrderness
    const step = idleAfter / STEPS_PER_SILENCE
    const isNews = !this.#idle || this.#announced === null || reached - this.#announced >= step
    return isNews ? this.#idleMark(Math.max(this.#announced ?? reached, reached)) : undefined
  }

  #idleMark(time: EventTime | null): Mark {
    return { stream: this.#stream, time, idle: true, siblings: [] }
  }

  #mark(): Mark {
    return { stream: this.#stream, time: this.#announced, idle: this.#idle, siblings: [] }
  }
}
