import type { Clock } from '../../operators/clock.ts'
import type { Row, Store } from '../../sinks/store.ts'
import type { Log, NewRecord } from '../sources/log.ts'
import type { Logger } from '../sources/logger.ts'
import type { Output } from './engine.ts'
import { encodeMark } from './marks.ts'
import { type Refusal, refusals, refusedRecord, refusedRow, writeWhatIsTaken } from './refused.ts'
import type { Patience } from './retry.ts'
import { encodeEvent } from './wire.ts'

export interface DeliveryOptions {
  readonly log: Log
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  readonly patience: Patience
}

/**
 * Brings what a pipeline emits to the log and the store; waits out what waiting can help. What a door will never take
 * becomes a dead letter, and the rest goes on without it.
 */
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
    const { log, clock, patience } = this.#options
    const refused = await writeWhatIsTaken(records, part => patience.retry('log', () => log.append(part)))
    const letters = refused.map(each => refusedRecord(each, clock.now()))
    await this.#setAside('record-rejected', letters, refused[0]?.why)
  }

  /** Resolves once the rows are durable. */
  async write(tables: ReadonlyMap<string, readonly Row[]>): Promise<void> {
    const { clock } = this.#options
    for (const [table, rows] of tables) {
      if (rows.length === 0) continue
      const refused = await writeWhatIsTaken(rows, part => this.#insert(table, part))
      const letters = refused.map(each => refusedRow(table, each, clock.now()))
      await this.#setAside('row-rejected', letters, refused[0]?.why)
    }
  }

  /** Offsets after the last record of each partition. */
  ends(topic: string): Promise<readonly number[]> {
    const { log, patience } = this.#options
    return patience.retry('log', () => log.ends(topic))
  }

  /** Does work that needs the log from its beginning again, until it is done. */
  withLog<T>(work: () => Promise<T>): Promise<T> {
    return this.#options.patience.retry('log', work)
  }

  #insert(table: string, rows: readonly Row[]): Promise<void> {
    const { store, patience } = this.#options
    return patience.retry('store', () => store.insert(table, rows))
  }

  async #setAside(reason: Refusal['reason'], letters: readonly Row[], why: string | undefined): Promise<void> {
    if (letters.length === 0) return
    const { logger } = this.#options
    logger.error({ reason, count: letters.length }, `${letters.length} refused for good, now dead letters: ${why}`)
    await this.#insert('dead_letters', letters)
    const refusal: Refusal = { reason, count: letters.length }
    refusals.publish(refusal)
  }

  async #everywhere({ topic, mark }: Extract<Output, { kind: 'mark' }>): Promise<NewRecord[]> {
    let count = this.#partitions.get(topic)
    if (count === undefined) {
      const { log, patience } = this.#options
      count = await patience.retry('log', () => log.partitions(topic))
      this.#partitions.set(topic, count)
    }
    const { value, headers } = encodeMark(mark)
    return Array.from({ length: count }, (_, partition) => ({ topic, key: null, value, headers, partition }))
  }
}

/** A store that is waited for, however long it takes; what it refuses is thrown. */
export const waitingStore = (store: Store, patience: Patience): Store => ({
  address: store.address,
  insert: (table, rows) => patience.retry('store', () => store.insert(table, rows)),
  query: (sql, params) => patience.retry('store', () => store.query(sql, params)),
  command: sql => patience.retry('store', () => store.command(sql)),
  check: () => store.check(),
  close: () => store.close(),
})
