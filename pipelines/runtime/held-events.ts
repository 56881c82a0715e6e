import type { Event, EventTime } from '../../operators/operator.ts'

/** An event waiting behind the watermark; `edge` says by which of the step's inputs it came. */
export interface Held {
  readonly event: Event<unknown>
  readonly edge: number
}

/** Characters of JSON in one chunk, about. */
const CHUNK = 256 * 1024
/** Events noted for the next save before it is looked which of them wait no longer. */
const FEW = 16_384

interface Chunk {
  readonly number: number
  /** The newest of its events: when the step's time has passed it, nothing of the chunk is waiting any more. */
  readonly newest: EventTime
}

/**
 * What a checkpoint keeps of the events that wait in a step: a log in chunks. An event is written once, in the chunk of
 * the first save that finds it waiting, and its chunk is dropped when the step's time has passed all of it. So a save
 * costs what has come since the last one, however much is waiting.
 */
export class HeldEvents {
  #unsaved: Held[] = []
  #chunks: Chunk[] = []
  #next = 0
  #most = FEW

  get chunks(): number {
    return this.#chunks.length
  }

  /** Notes an event that waits; the step's time is `time`. */
  add(held: Held, time: EventTime | null): void {
    this.#unsaved.push(held)
    if (this.#unsaved.length < this.#most) return
    this.#unsaved = this.#unsaved.filter(({ event }) => isWaiting(event.time, time))
    this.#most = Math.max(FEW, 2 * this.#unsaved.length)
  }

  /** Chunks to write and, as null, to drop, by number, where the step's time is `time`. Forgets what it has said. */
  *changes(time: EventTime | null): Generator<[chunk: number, json: string | null]> {
    const passed = this.#chunks.filter(({ newest }) => !isWaiting(newest, time))
    this.#chunks = this.#chunks.filter(({ newest }) => isWaiting(newest, time))
    for (const { number } of passed) yield [number, null]
    const waiting = this.#unsaved.filter(({ event }) => isWaiting(event.time, time))
    this.#unsaved = []
    yield* this.#write(waiting)
  }

  /** All that is waiting, as chunks that take the place of those before. */
  *snapshot(waiting: Iterable<Held>): Generator<[chunk: number, json: string]> {
    this.#unsaved = []
    this.#chunks = []
    yield* this.#write(waiting)
  }

  /** Takes over a chunk; the events of it that the step, at `time`, has not passed. */
  restore(number: number, json: string, time: EventTime | null): Held[] {
    const all = JSON.parse(json) as [edge: number, event: Event<unknown>][]
    const held = all.map(([edge, event]) => ({ edge, event }))
    this.#next = Math.max(this.#next, number + 1)
    this.#chunks.push({ number, newest: Math.max(...held.map(({ event }) => event.time)) })
    return held.filter(({ event }) => isWaiting(event.time, time))
  }

  *#write(waiting: Iterable<Held>): Generator<[chunk: number, json: string]> {
    let texts: string[] = []
    let size = 0
    let newest = Number.NEGATIVE_INFINITY
    const cut = (): [number, string] => {
      const number = this.#next++
      this.#chunks.push({ number, newest })
      const json = `[${texts.join(',')}]`
      texts = []
      size = 0
      newest = Number.NEGATIVE_INFINITY
      return [number, json]
    }
    for (const { edge, event } of waiting) {
      const text = JSON.stringify([edge, event])
      texts.push(text)
      size += text.length
      newest = Math.max(newest, event.time)
      if (size >= CHUNK) yield cut()
    }
    if (texts.length > 0) yield cut()
  }
}

const isWaiting = (at: EventTime, time: EventTime | null): boolean => time === null || at >= time
