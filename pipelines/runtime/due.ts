import type { EventTime } from '../../operators/operator.ts'

/** Which keys want to be looked at when: a binary heap by time, then key, so that the order is the same everywhere. */
export class Due {
  #times: EventTime[] = []
  #keys: string[] = []

  get size(): number {
    return this.#times.length
  }

  add(time: EventTime, key: string): void {
    let at = this.#times.push(time) - 1
    this.#keys.push(key)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(at, parent)) break
      this.#swap(at, parent)
      at = parent
    }
  }

  /** Takes out the first entry whose time is at or before `until`. */
  take(until: EventTime): { time: EventTime; key: string } | undefined {
    const time = this.#times[0]
    if (time === undefined || time > until) return undefined
    const key = this.#keys[0]!
    const lastTime = this.#times.pop()!
    const lastKey = this.#keys.pop()!
    if (this.#times.length > 0) {
      this.#times[0] = lastTime
      this.#keys[0] = lastKey
      this.#sink()
    }
    return { time, key }
  }

  #sink(): void {
    let at = 0
    for (;;) {
      const left = 2 * at + 1
      if (left >= this.#times.length) return
      const right = left + 1
      const least = right < this.#times.length && this.#before(right, left) ? right : left
      if (!this.#before(least, at)) return
      this.#swap(at, least)
      at = least
    }
  }

  #before(a: number, b: number): boolean {
    const difference = this.#times[a]! - this.#times[b]!
    return difference !== 0 ? difference < 0 : this.#keys[a]! < this.#keys[b]!
  }

  #swap(a: number, b: number): void {
    const time = this.#times[a]!
    const key = this.#keys[a]!
    this.#times[a] = this.#times[b]!
    this.#keys[a] = this.#keys[b]!
    this.#times[b] = time
    this.#keys[b] = key
  }
}
