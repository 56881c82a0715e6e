/** How far one partition may be read ahead of another, in milliseconds of when their records were appended. */
const AHEAD = 60_000

/**
 * Lets partitions be read side by side, as their records came: what is read far ahead would have to be held in memory
 * until the watermark, which waits for the slowest, lets it through.
 */
export class Pace {
  readonly #next = new Map<string, number>()
  #changed = Promise.withResolvers<void>()

  /** From now on others wait for this partition, until it comes to its turn or is through. */
  expect(at: string): void {
    this.#next.set(at, Number.NEGATIVE_INFINITY)
  }

  /** Resolves when records appended at this time may be read, or the signal is aborted. */
  async turn(at: string, appendedAt: number, signal: AbortSignal): Promise<void> {
    this.#set(() => this.#next.set(at, appendedAt))
    const stopped = Promise.withResolvers<void>()
    const stop = () => stopped.resolve()
    signal.addEventListener('abort', stop)
    while (!signal.aborted && appendedAt - Math.min(...this.#next.values()) > AHEAD)
      await Promise.race([this.#changed.promise, stopped.promise])
    signal.removeEventListener('abort', stop)
  }

  /** The partition is through. */
  end(at: string): void {
    this.#set(() => this.#next.delete(at))
  }

  #set(change: () => void): void {
    change()
    this.#changed.resolve()
    this.#changed = Promise.withResolvers<void>()
  }
}
