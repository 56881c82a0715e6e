import { basename, dirname } from 'node:path'
import type { Clock } from '../../operators/clock.ts'
import type { EventTime } from '../../operators/operator.ts'
import { isHeading } from '../decode/csv.ts'
import { decode } from '../decode/decode.ts'
import { type DecodeContext, type Decoded, entryHeaders } from '../decode/decoded.ts'
import { encodeMark } from '../runtime/marks.ts'
import { type Chunk, chunksOf, linesBehind } from './file-chunks.ts'

export interface FileTiming {
  /** How far lines may be out of order, in milliseconds: marks trail the newest time by this. */
  readonly outOfOrderness: number
  /** How far past its newest time a file's closing mark lies, in milliseconds. */
  readonly closingHorizon: number
}

export interface FileStreamOptions {
  readonly path: string
  readonly size: number
  readonly kind: 'logs' | 'metrics'
  readonly topic: string
  readonly partition: number
  readonly context: DecodeContext
  readonly clock: Clock
  readonly reference: EventTime
  readonly service: string | undefined
  readonly environment: string | undefined
  /** Lines that begin at or below this byte were appended before. */
  readonly appended: number
  readonly timing: FileTiming
  readonly recordBytes: number
}

interface Content {
  readonly value: Buffer | string
  readonly headers: Readonly<Record<string, string>>
}

/** A record of lines with the mark behind it, or a file's closing mark, the last piece. */
export interface Piece {
  readonly records: readonly Content[]
  /** How many lines or points the record holds. */
  readonly parts: number
  readonly last: boolean
}

/** One file as an origin stream: its records, one ahead, and its marks. */
export class FileStream {
  readonly name: string
  readonly size: number
  readonly #options: FileStreamOptions
  readonly #chunks: AsyncGenerator<Chunk>
  readonly #headers: Record<string, string>
  #ahead: { piece: Piece; newest: EventTime | null } | undefined
  #newest: EventTime | null = null
  #startsAt: EventTime | null = null
  #previous: EventTime | undefined
  #announced: EventTime | null = null
  #read = 0
  #complete = false

  constructor(options: FileStreamOptions) {
    const { path, size, recordBytes, context } = options
    this.name = `file:${path}`
    this.size = size
    this.#options = options
    this.#headers = headersOf(options, this.name)
    this.#chunks = chunksOf(path, {
      chunkBytes: recordBytes,
      maxLineBytes: Math.max(recordBytes, context.maxEventBytes),
    })
  }

  /** Everything of the file is in the topic, its closing mark too. */
  get complete(): boolean {
    return this.#complete
  }

  /** Bytes of the file that have been read, never more than it has. */
  get bytesRead(): number {
    return this.#complete ? this.size : Math.min(this.#read, this.size)
  }

  /** Event time up to which the next record brings the stream. */
  get position(): EventTime {
    return this.#ahead?.newest ?? Number.NEGATIVE_INFINITY
  }

  /** Before its next record nothing older is to be expected; null: nothing is known. */
  get startsAt(): EventTime | null {
    return this.#startsAt === null ? null : this.#startsAt - this.#options.timing.outOfOrderness
  }

  /** Reads the next record; to be called once before the first `take`. */
  async advance(): Promise<void> {
    for (;;) {
      const next = await this.#chunks.next()
      if (next.done) return this.#close()
      const headed = this.#read === 0 && this.#isHeading(next.value)
      this.#read = next.value.end
      const fresh = headed ? this.#withoutHeading(next.value) : next.value
      if (fresh.value.length > 0 && this.#prepare(fresh)) return
    }
  }

  /** The next record and its mark. */
  async take(): Promise<Piece> {
    const ahead = this.#ahead
    if (ahead === undefined) throw new Error(`file '${this.#options.path}': read past its end`)
    this.#ahead = undefined
    if (ahead.piece.last) this.#complete = true
    else await this.advance()
    return ahead.piece
  }

  /** Reads a chunk; false if all of it was appended before. */
  #prepare(chunk: Chunk): boolean {
    const { appended } = this.#options
    const fresh = linesBehind(chunk, appended)
    // What was appended before still tells times to the lines behind it.
    if (fresh === undefined) {
      this.#observe(this.#decode(chunk).decoded)
      return false
    }
    if (fresh !== chunk) {
      const before = chunk.value.subarray(0, fresh.offset - chunk.offset)
      this.#observe(this.#decode({ ...chunk, value: before }).decoded)
    }
    const { decoded, headers } = this.#decode(fresh)
    const parts = partsOf(decoded)
    this.#observe(decoded)
    const records: Content[] = [{ value: fresh.value, headers }]
    const mark = this.#mark()
    if (mark !== undefined) records.push(mark)
    this.#ahead = { piece: { records, parts, last: false }, newest: this.#newest }
    return true
  }

  /** Reads the chunk as its readers will, so that marks and times agree with theirs. */
  #decode(chunk: Chunk): { decoded: Decoded; headers: Record<string, string> } {
    const { topic, partition, context, clock } = this.#options
    const headers: Record<string, string> = { ...this.#headers, [entryHeaders.offset]: String(chunk.offset) }
    if (this.#previous !== undefined) headers[entryHeaders.previous] = String(this.#previous)
    if (chunk.lineBytes !== undefined) headers[entryHeaders.lineBytes] = String(chunk.lineBytes)
    const record = { topic, partition, offset: 0, appendedAt: clock.now(), key: null, value: chunk.value, headers }
    return { decoded: decode(record, context), headers }
  }

  #observe({ events }: Decoded): void {
    this.#previous = events.at(-1)?.time ?? this.#previous
    let oldest = Number.POSITIVE_INFINITY
    for (const { time } of events) {
      if (this.#newest === null || time > this.#newest) this.#newest = time
      if (time < oldest) oldest = time
    }
    if (this.#startsAt === null && events.length > 0) this.#startsAt = oldest
  }

  #mark(): Content | undefined {
    if (this.#newest === null) return undefined
    const time = this.#newest - this.#options.timing.outOfOrderness
    if (this.#announced !== null && time <= this.#announced) return undefined
    this.#announced = time
    return encodeMark({ stream: this.name, time, idle: false, siblings: [] })
  }

  #close(): void {
    if (this.#options.appended >= this.#read) {
      this.#complete = true
      return
    }
    const time = this.#newest === null ? null : this.#newest + this.#options.timing.closingHorizon
    const { value, headers } = encodeMark({ stream: this.name, time, idle: true, siblings: [] })
    const position = { [entryHeaders.origin]: this.name, [entryHeaders.offset]: String(this.#read) }
    this.#ahead = {
      piece: { records: [{ value, headers: { ...headers, ...position } }], parts: 0, last: true },
      newest: this.#newest,
    }
  }

  #isHeading(chunk: Chunk): boolean {
    return this.#headers[entryHeaders.contentType] === 'text/csv' && isHeading(firstLineOf(chunk))
  }

  #withoutHeading(chunk: Chunk): Chunk {
    this.#headers[entryHeaders.columns] = firstLineOf(chunk)
    const newline = chunk.value.indexOf(10)
    const from = newline < 0 ? chunk.value.length : newline + 1
    return { ...chunk, value: chunk.value.subarray(from), offset: chunk.offset + from }
  }
}

const firstLineOf = (chunk: Chunk): string => /^[^\r\n]*/.exec(chunk.value.toString('utf8', 0, 4_096))?.[0] ?? ''

const partsOf = ({ events, dead, dropped }: Decoded): number =>
  events.length + dead.length + Object.values(dropped).reduce((a, b) => a + b, 0)

function headersOf({ path, kind, reference, service, environment }: FileStreamOptions, name: string) {
  const plain = path.replace(/\.gz$/, '')
  const base = basename(plain).replace(/(?<=.)\.[^.]+$/, '')
  const folder = basename(dirname(path))
  const headers: Record<string, string> = {
    [entryHeaders.contentType]: kind === 'logs' ? 'text/plain' : contentTypeOf(plain),
    [entryHeaders.origin]: name,
    [entryHeaders.reference]: String(reference),
    [entryHeaders.historical]: '1',
  }
  const of = service ?? (kind === 'logs' ? base : folder)
  if (of !== '' && of !== '.' && of !== '..') headers[entryHeaders.service] = of
  if (environment !== undefined) headers[entryHeaders.environment] = environment
  if (kind === 'metrics') headers[entryHeaders.metric] = base
  return headers
}

function contentTypeOf(path: string): string {
  if (path.endsWith('.csv')) return 'text/csv'
  if (/\.(jsonl|ndjson|json)$/.test(path)) return 'application/x-ndjson'
  throw new Error(`metrics file '${path}': neither .csv nor .jsonl; rename it, or correct the pattern`)
}
