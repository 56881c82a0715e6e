/** Thrown when no connection came free in time. */
export class PoolExhausted extends Error {
  constructor(size: number, waited: number) {
    super(`connection pool exhausted: 0 of ${size} connections free after ${waited} ms`)
  }
}

interface Waiter {
  take(): void
}

/** A fixed number of connections, handed out in the order they were asked for. */
export class Pool {
  readonly size: number
  #free: number
  readonly #waiting: Waiter[] = []

  constructor(size: number) {
    this.size = size
    this.#free = size
  }

  get free(): number {
    return this.#free
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /** Resolves with how to give the connection back; rejects with PoolExhausted after `timeout` ms. */
  async acquire(timeout: number): Promise<() => void> {
    if (this.#free > 0) this.#free -= 1
    else await this.#wait(timeout)
    let held = true
    return () => {
      if (!held) return
      held = false
      const next = this.#waiting.shift()
      if (next) next.take()
      else this.#free += 1
    }
  }

  #wait(timeout: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        take: () => {
          clearTimeout(timer)
          resolve()
        },
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1)
        reject(new PoolExhausted(this.size, timeout))
      }, timeout)
      this.#waiting.push(waiter)
    })
  }
}
