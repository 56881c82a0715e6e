import type { EventTime } from './operator.ts'

/**
 * What an origin stream says of its own progress: nothing older than `time` will come from it any more. It travels in
 * the topic, behind the events it speaks of. `idle`: the stream has been read to its end and must hold nobody back.
 */
export interface Mark {
  readonly stream: string
  /** Null: announced, or idle, before its first event. */
  readonly time: EventTime | null
  readonly idle: boolean
  /** The streams that exist beside this one, itself included, so that a reader waits for those it has not heard yet. */
  readonly siblings: readonly string[]
}

/** Progress of each stream, as it is kept in a checkpoint. `time` null: announced, nothing heard yet. */
export type StreamState = Record<string, { time: EventTime | null; idle: boolean }>

/**
 * The watermark of a partition: the least time of its streams that are not idle; when all are idle, the greatest.
 * It never goes back, whatever the marks say.
 */
export class Watermark {
  #streams: Map<string, { time: EventTime | null; idle: boolean }>
  #time: EventTime | null

  constructor(expected: readonly string[] = [], streams: StreamState = {}, time: EventTime | null = null) {
    this.#streams = new Map(expected.map(stream => [stream, { time: null, idle: false }]))
    for (const [stream, state] of Object.entries(streams)) this.#streams.set(stream, { ...state })
    this.#time = time
  }

  /** Event time before which nothing more is expected, or null while nothing is known. */
  get time(): EventTime | null {
    return this.#time
  }

  /** True while every known stream has been read to its end. */
  get idle(): boolean {
    for (const { idle } of this.#streams.values()) if (!idle) return false
    return true
  }

  /** What is known of one stream: its time, or null. */
  timeOf(stream: string): EventTime | null {
    return this.#streams.get(stream)?.time ?? null
  }

  /** Whether the stream was silent when last heard of. */
  isIdle(stream: string): boolean {
    return this.#streams.get(stream)?.idle ?? false
  }

  /** The streams that are not idle, with how far each has come. */
  open(): { stream: string; time: EventTime | null }[] {
    return [...this.#streams].flatMap(([stream, { time, idle }]) => (idle ? [] : [{ stream, time }]))
  }

  /** Takes in a mark; true if the watermark moved. */
  observe(mark: Mark): boolean {
    for (const sibling of mark.siblings)
      if (!this.#streams.has(sibling)) this.#streams.set(sibling, { time: null, idle: false })
    const before = this.timeOf(mark.stream)
    const time = before === null ? mark.time : Math.max(before, mark.time ?? before)
    this.#streams.set(mark.stream, { time, idle: mark.idle })
    const next = this.#current()
    if (next === null || (this.#time !== null && next <= this.#time)) return false
    this.#time = next
    return true
  }

  snapshot(): { streams: StreamState; time: EventTime | null } {
    return { streams: Object.fromEntries(this.#streams), time: this.#time }
  }

  #current(): EventTime | null {
    let least = Number.POSITIVE_INFINITY
    let greatestIdle: EventTime | null = null
    for (const { time, idle } of this.#streams.values()) {
      if (idle) {
        if (time !== null && (greatestIdle === null || time > greatestIdle)) greatestIdle = time
      } else if (time === null) return null
      else if (time < least) least = time
    }
    return least === Number.POSITIVE_INFINITY ? greatestIdle : least
  }
}
