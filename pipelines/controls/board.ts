import type { Clock } from '../../operators/clock.ts'
import { type Control, covers, holds, modes, type Services, type Trust } from '../../operators/control.ts'
import type { Place } from '../../runbooks/guards.ts'
import type { Log, LogRecord } from '../sources/log.ts'
import type { Logger } from '../sources/logger.ts'
import { topics } from '../topics.ts'
import { decodeControl } from './record.ts'

export interface BoardOptions {
  readonly log: Pick<Log, 'read'>
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * All controls as they stand: the topic `ops.controls` whole, in every process. It is read on whenever somebody is about
 * to rely on it, and not now and then: what was acknowledged before the question is part of the answer.
 */
export class Board {
  readonly #options: BoardOptions
  readonly #byId = new Map<string, Control>()
  /** Ids whose newest record cannot be read here, with the reason. */
  readonly #unreadable = new Map<string, string>()
  #next = 0
  #reading: Promise<void> | undefined
  #queued: Promise<void> | undefined

  constructor(options: BoardOptions) {
    this.#options = options
  }

  /** Resolves when all records acknowledged before this call are known. @throws {SinkError} if the log does not answer */
  refresh(): Promise<void> {
    // A read under way may have passed the end before the newest record was there: only the one after it will do.
    if (this.#reading) this.#queued ??= this.#reading.catch(() => undefined).then(() => this.#begin())
    return this.#queued ?? this.#begin()
  }

  /** Every control that has not been forgotten, in the order they were said. */
  all(): Control[] {
    return [...this.#byId.values()].sort((a, b) => a.at - b.at || (a.id < b.id ? -1 : 1))
  }

  get(id: string): Control | undefined {
    return this.#byId.get(id)
  }

  /** Whether the newest record of an id is one that this version cannot read. */
  isUnreadable(id: string): boolean {
    return this.#unreadable.has(id)
  }

  /** Why no action may be begun at a place now, or undefined. What cannot be read might say so, and counts as such. */
  paused(place: Place): string | undefined {
    const [unread] = this.#unreadable
    if (unread) return `control '${unread[0]}' cannot be read (${unread[1]}); replace or remove it`
    const pause = this.#holding().find(control => control.type === 'pause' && covers(control, place))
    return pause && `paused by ${pause.by}${pause.reason ? `: ${pause.reason}` : ''} (control ${pause.id})`
  }

  /** The most that a runbook may do at a place now, where somebody has lowered it; of several the lowest. */
  trust(runbook: string, place: Place): { mode: Trust['mode']; why: string } | undefined {
    const lowest = this.#holding()
      .filter(control => control.type === 'trust')
      .filter(control => control.runbook === runbook && covers(control, place))
      .sort((a, b) => modes.indexOf(a.mode) - modes.indexOf(b.mode))[0]
    if (!lowest) return undefined
    const { mode, by, reason, id } = lowest
    return { mode, why: `lowered by ${by}${reason ? `: ${reason}` : ''} (control ${id})` }
  }

  /** The service catalogue that holds now, if somebody has given one. */
  services(): Services | undefined {
    return this.#holding().find(control => control.type === 'services')
  }

  /** Those that hold now. What was said to hold at once does, even where our clock is behind that of who took it. */
  #holding(): Control[] {
    const now = this.#options.clock.now()
    return this.all().filter(control =>
      holds(control, control.validFrom <= control.at ? Math.max(now, control.validFrom) : now),
    )
  }

  #begin(): Promise<void> {
    this.#queued = undefined
    const reading = this.#read().finally(() => {
      if (this.#reading === reading) this.#reading = undefined
    })
    this.#reading = reading
    return reading
  }

  async #read(): Promise<void> {
    for await (const record of this.#options.log.read(topics.controls, 0, this.#next)) {
      this.#take(record)
      this.#next = record.offset + 1
    }
  }

  #take({ key, value, headers, offset }: LogRecord): void {
    const id = key ?? ''
    this.#byId.delete(id)
    this.#unreadable.delete(id)
    if (value === null) return
    const read = decodeControl(value, headers)
    if ('control' in read) this.#byId.set(id, read.control)
    else {
      this.#unreadable.set(id, read.detail)
      this.#options.logger.error(
        { id, offset },
        `control '${id}' cannot be read, so no action is begun: ${read.detail}`,
      )
    }
  }
}
