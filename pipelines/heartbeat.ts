import type { Clock } from '../operators/clock.ts'
import type { Guard } from './doors/guard.ts'
import type { Logger } from './sources/logger.ts'

export interface HeartbeatOptions {
  /** Asked for with GET, as healthchecks.io and Dead Man's Snitch expect it. A secret: it is never printed. */
  readonly url: string
  /** Milliseconds between two. */
  readonly every: number
  /** Why there should be none now; undefined: all is well. */
  readonly obstacle: () => Promise<string | undefined>
  readonly guard: Guard
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Tells somebody outside, again and again, that the agent gets on with its work; silence is the alarm. It is silent when
 * the process is gone, when its event loop hangs, when a door it needs is shut, and when any pipeline stands still.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  #said: string | undefined

  constructor(options: HeartbeatOptions) {
    this.#options = options
    this.#done = this.#run()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { clock, every } = this.#options
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#beat()
      await clock.sleep(every, signal)
    }
  }

  async #beat(): Promise<void> {
    const { obstacle, guard } = this.#options
    try {
      const why = await obstacle()
      if (why === undefined) await guard.run(() => this.#send(), { repeat: true })
      this.#say(why)
    } catch (error) {
      this.#say(`it is not taken: ${(error as Error).message}`)
    }
  }

  async #send(): Promise<void> {
    const response = await fetch(this.#options.url, { signal: this.#stop.signal }).catch((error: Error) => {
      throw new Error((error.cause as Error | undefined)?.message ?? error.message, { cause: error })
    })
    await response.body?.cancel()
    if (!response.ok) throw new Error(`HTTP ${response.status}`)
  }

  /** One line when it falls silent, when the reason changes, and when it is heard again. */
  #say(why: string | undefined): void {
    const { logger } = this.#options
    if (this.#stop.signal.aborted || why === this.#said) return
    if (why === undefined) logger.info({}, 'heartbeat: heard again')
    else logger.warn({}, `heartbeat: silent, for ${why}`)
    this.#said = why
  }
}
