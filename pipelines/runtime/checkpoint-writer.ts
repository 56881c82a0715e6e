import type { Clock } from '../../operators/clock.ts'
import type { CheckpointKey, Checkpoints, LoadedCheckpoint } from '../../sinks/checkpoints.ts'
import { type CheckpointReport, checkpointed } from './checkpoint-report.ts'
import type { Engine } from './engine.ts'

export interface CheckpointWriterOptions {
  readonly at: CheckpointKey
  readonly checkpoints: Checkpoints
  readonly clock: Clock
  /** Least milliseconds between two checkpoints. */
  readonly every: number
}

/**
 * Turning state into text may take this share of the time, so that a partition with very many keys is not busy with its
 * checkpoints alone: they come further apart instead. Writing the text costs about twice as much again.
 */
const SHARE = 1 / 30

/** The whole state is written again when the saves since hold this many times as many entries as it has, */
const OVERGROWN = 3
/** unless they are fewer than this, */
const FEW = 1_000
/** and after this many saves in any case: a load asks for each by name. */
const MOST_SAVES = 200

/**
 * When and how the state of one partition is saved. Changes build on each other until they outgrow the state itself; so
 * what is written, over time, is in proportion to what changes, and what is kept to what is known.
 */
export class CheckpointWriter {
  readonly #options: CheckpointWriterOptions
  #savedAt: number
  /** Milliseconds that turning the state into text took at the last save. */
  #cost = 0
  #saves: number
  #written: number

  constructor(options: CheckpointWriterOptions, loaded: LoadedCheckpoint | undefined) {
    this.#options = options
    this.#savedAt = options.clock.now()
    this.#saves = loaded?.saves ?? 0
    this.#written = loaded?.written ?? 0
  }

  get isDue(): boolean {
    const { clock, every } = this.#options
    return clock.now() - this.#savedAt >= Math.max(every, this.#cost / SHARE)
  }

  /** Resolves when the engine's state as of the records before `next` is durable. The engine has to rest meanwhile. */
  async save(engine: Engine, next: number): Promise<void> {
    const { at, checkpoints, clock } = this.#options
    const began = clock.now()
    const overgrown = this.#written > Math.max(FEW, OVERGROWN * engine.size)
    const full = this.#saves === 0 || this.#saves >= MOST_SAVES || overgrown
    const timed = new Timed(full ? engine.snapshot() : engine.changes())
    this.#saves = 0 // what was begun and failed has to be made up for by the whole state
    const { entries, bytes, saves, written } = await checkpoints.save(at, { next, full, entries: timed })
    this.#saves = saves
    this.#written = written
    this.#cost = timed.took
    this.#savedAt = clock.now()
    const report: CheckpointReport = { ...at, entries, bytes, full, took: this.#savedAt - began, at: this.#savedAt }
    checkpointed.publish(report)
  }
}

/** Passes things on, and adds up how long they took to make, in milliseconds. */
class Timed<T> implements Iterable<T> {
  took = 0
  readonly #things: Iterable<T>

  constructor(things: Iterable<T>) {
    this.#things = things
  }

  *[Symbol.iterator](): Generator<T> {
    let began = performance.now()
    for (const thing of this.#things) {
      this.took += performance.now() - began
      yield thing
      began = performance.now()
    }
  }
}
