import assert from 'node:assert/strict'
import type { Clock } from '../../operators/clock.ts'
import type { Batch, LogRecord, Reader } from '../../pipelines/sources/log.ts'
import type { Logger } from '../../pipelines/sources/logger.ts'

/** The machine's own time. */
export const realClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise(resolve => {
      if (signal?.aborted) return resolve()
      const end = () => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', end)
        resolve()
      }
      const timer = setTimeout(end, ms)
      signal?.addEventListener('abort', end)
    }),
}

export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

/** A logger whose lines can be looked at. */
export function recordingLogger(): Logger & { readonly lines: Line[] } {
  const lines: Line[] = []
  const at = (level: Line['level']) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message })
  }
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/**
 * A reader that keeps what it is given and asserts what the contract promises: calls for a partition never overlap, it
 * is assigned before anything else comes for it, and nothing comes after it was revoked.
 */
export class RecordingReader implements Reader {
  readonly records: LogRecord[] = []
  readonly batches: Batch[] = []
  readonly idles: string[] = []
  readonly owned = new Set<string>()
  readonly events: string[] = []
  #busy = new Set<string>()
  #waiting: { until(): boolean; resolve(): void }[] = []
  readonly #starts: (topic: string, partition: number) => number | undefined
  readonly #work: ((batch: Batch) => Promise<void>) | undefined

  constructor(
    options: {
      starts?: (topic: string, partition: number) => number | undefined
      work?: (batch: Batch) => Promise<void>
    } = {},
  ) {
    this.#starts = options.starts ?? (() => undefined)
    this.#work = options.work
  }

  assigned(topic: string, partition: number): Promise<number | undefined> {
    return this.#call('assigned', topic, partition, async () => {
      this.owned.add(`${topic}/${partition}`)
      return this.#starts(topic, partition)
    })
  }

  batch(batch: Batch): Promise<void> {
    return this.#call('batch', batch.topic, batch.partition, async () => {
      assert.ok(batch.records.length > 0, 'a batch is never empty')
      assert.equal(batch.next, batch.records.at(-1)!.offset + 1)
      assert.ok(batch.end >= batch.next)
      await this.#work?.(batch)
      this.batches.push(batch)
      this.records.push(...batch.records)
    })
  }

  idle(topic: string, partition: number): Promise<void> {
    return this.#call('idle', topic, partition, async () => {
      this.idles.push(`${topic}/${partition}`)
    })
  }

  revoked(topic: string, partition: number): Promise<void> {
    return this.#call('revoked', topic, partition, async () => {
      this.owned.delete(`${topic}/${partition}`)
    })
  }

  /** Values read from a topic, in the order of partition and offset. */
  values(topic: string): string[] {
    return this.records
      .filter(record => record.topic === topic)
      .sort((a, b) => a.partition - b.partition || a.offset - b.offset)
      .map(record => String(record.value))
  }

  /** Resolves when the condition holds; looked at after each call. */
  until(condition: () => boolean): Promise<void> {
    if (condition()) return Promise.resolve()
    return new Promise(resolve => this.#waiting.push({ until: condition, resolve }))
  }

  async #call<T>(name: string, topic: string, partition: number, work: () => Promise<T>): Promise<T> {
    const at = `${topic}/${partition}`
    assert.ok(!this.#busy.has(at), `${name} of ${at} overlaps another call`)
    if (name === 'assigned') assert.ok(!this.owned.has(at), `${at} is assigned twice`)
    else assert.ok(this.owned.has(at), `${name} of ${at}, which is not ours`)
    this.#busy.add(at)
    try {
      await Promise.resolve()
      return await work()
    } finally {
      this.#busy.delete(at)
      this.events.push(`${name} ${at}`)
      const met = this.#waiting.filter(({ until }) => until())
      this.#waiting = this.#waiting.filter(waiting => !met.includes(waiting))
      for (const { resolve } of met) resolve()
    }
  }
}
