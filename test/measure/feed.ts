import { setTimeout as sleep } from 'node:timers/promises'
import type { Request } from './load.ts'
import type { Reading } from './probe.ts'
import type { Subject } from './subject.ts'

/** Requests under way at once. */
const PARALLEL = 4

/** Events that may wait inside an agent that is fed as fast as it takes them. */
const BACKLOG = 40_000

/** Milliseconds between two looks at how far the agent is. */
const LOOK = 200

/** What has gone through both pipelines that telemetry goes to. */
export const worked = ({ events }: Reading): number => (events.logs ?? 0) + (events.metrics ?? 0)

/** Sends requests to an agent, and knows how many events it was sent. */
export class Feed {
  readonly #subject: Subject
  readonly #requests: Iterator<Request>
  sent = 0

  constructor(subject: Subject, requests: Iterator<Request>) {
    this.#subject = subject
    this.#requests = requests
  }

  /** Sends so many events, `rate` a second or as fast as they are worked through; told of every look. */
  async send(events: number, rate: number | undefined, look: (reading: Reading) => void): Promise<void> {
    const until = this.sent + events
    const [began, before] = [performance.now(), this.sent]
    let done = worked(await this.#subject.reading())
    const looking = this.#look(
      () => this.sent < until,
      reading => {
        done = worked(reading)
        look(reading)
      },
    )
    const mayGo = () =>
      rate === undefined
        ? this.sent - done < BACKLOG
        : (this.sent - before) / rate <= (performance.now() - began) / 1_000
    const sender = async () => {
      while (this.sent < until) {
        if (!mayGo()) await sleep(5)
        else await this.#one()
      }
    }
    await Promise.all(Array.from({ length: PARALLEL }, sender))
    await looking
  }

  /** Resolves once everything sent has been worked through. */
  async drained(): Promise<Reading> {
    for (;;) {
      const reading = await this.#subject.reading()
      if (worked(reading) >= this.sent) return reading
      await sleep(LOOK)
    }
  }

  async #one(): Promise<void> {
    const request = this.#requests.next().value as Request
    this.sent += request.events
    await this.#subject.send(request)
  }

  async #look(more: () => boolean, look: (reading: Reading) => void): Promise<void> {
    while (more()) {
      await sleep(LOOK)
      look(await this.#subject.reading())
    }
  }
}
