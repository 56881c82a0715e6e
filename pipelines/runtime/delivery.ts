import type { Clock } from '../../operators/clock.ts'
import type { Row, Store } from '../../sinks/store.ts'
import type { Log, NewRecord } from '../sources/log.ts'
import type { Logger } from '../sources/logger.ts'
import type { Output } from './engine.ts'
import { encodeMark } from './marks.ts'
import { retry } from './retry.ts'
import { encodeEvent } from './wire.ts'

export interface DeliveryOptions {
  readonly log: Log
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly random: () => number
}

/** Brings what a pipeline emits to the log and the store; waits out what waiting can help. */
export class Delivery {
  readonly #options: DeliveryOptions
  readonly #partitions = new Map<string, number>()

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  /** Resolves once the records are durable. A mark goes to every partition of its topic, behind what was before it. */
  async publish(outputs: readonly Output[]): Promise<void> {
    if (outputs.length === 0) return
    const records: NewRecord[] = []
    for (const output of outputs) {
      if (output.kind === 'event') records.push(encodeEvent(output))
      else records.push(...(await this.#everywhere(output)))
    }
    await this.append(records)
  }

  async append(records: readonly NewRecord[]): Promise<void> {
    if (records.length === 0) return
    const { log, ...rest } = this.#options
    await retry(`log ${log.address}`, () => log.append(records), rest)
  }

  /** Resolves once the rows are durable. */
  async write(tables: ReadonlyMap<string, readonly Row[]>): Promise<void> {
    const { store, ...rest } = this.#options
    for (const [table, rows] of tables)
      if (rows.length > 0) await retry(`store ${store.address}`, () => store.insert(table, rows), rest)
  }

  async #everywhere({ topic, mark }: Extract<Output, { kind: 'mark' }>): Promise<NewRecord[]> {
    let count = this.#partitions.get(topic)
    if (count === undefined) {
      const { log, ...rest } = this.#options
      count = await retry(`log ${log.address}`, () => log.partitions(topic), rest)
      this.#partitions.set(topic, count)
    }
    const { value, headers } = encodeMark(mark)
    return Array.from({ length: count }, (_, partition) => ({ topic, key: null, value, headers, partition }))
  }
}
