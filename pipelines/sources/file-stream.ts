import type { Clock } from '../../operators/clock.ts'
import type { EventTime } from '../../operators/operator.ts'
import { isHeading } from '../decode/csv.ts'
import { decode } from '../decode/decode.ts'
import { type DecodeContext, type Decoded, entryHeaders } from '../decode/decoded.ts'
import { encodeMark } from '../runtime/marks.ts'
import { type Chunk, chunksOf, lastLineOf, linesBehind } from './file-chunks.ts'
import { FileError } from './file-error.ts'
import { fileHeaders } from './file-headers.ts'

export interface FileTiming {
  /** How far past its newest time a file's closing mark lies, in milliseconds. */
  readonly closingHorizon: number
  /** How many records ahead are minded for lines that go back in time. What goes back later than that is late. */
  readonly lookahead: number
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

/** Value and headers of a record. */
export interface Content {
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

/** What reading a chunk has told. */
interface Entry {
  readonly offset: number
  readonly lastLine: number
  /** Oldest time in it; infinity if it holds no event. */
  readonly oldest: EventTime
  /** Time of the line before it. */
  readonly previous: EventTime | undefined
  readonly parts: number
}

/**
 * One file as an origin stream: its records and its marks. The file is read twice. Since the first reading tells what is
 * to come, marks are exact: behind each record stands the oldest time of those that follow it, so that a file whose lines
 * go back in time (servers' logs put behind each other) has no late line.
 */
export class FileStream {
  readonly name: string
  readonly size: number
  readonly #options: FileStreamOptions
  readonly #headers: Record<string, string>
  readonly #entries: Entry[] = []
  #chunks: AsyncGenerator<Chunk>
  #next = 0
  #newest: EventTime | null = null
  /** The oldest time of each entry and those behind it, as far as is looked ahead. */
  #upcoming: readonly EventTime[] = []
  #announced = Number.NEGATIVE_INFINITY
  #end = 0
  #passed = 0
  #parts = 0
  #complete = false

  constructor(options: FileStreamOptions) {
    this.name = `file:${options.path}`
    this.size = options.size
    this.#options = options
    this.#headers = fileHeaders(options, this.name)
    this.#chunks = this.#fromBeginning()
  }

  /** Everything of the file is in the topic, its closing mark too. */
  get complete(): boolean {
    return this.#complete
  }

  /** Lines or points of the file, whether they are appended now or were before. */
  get parts(): number {
    return this.#parts
  }

  /** Bytes that were gone through in the reading under way. */
  get bytesRead(): number {
    return this.#complete ? this.size : Math.min(this.#passed, this.size)
  }

  /** Nothing older is to come; negative infinity: nothing is known. */
  get position(): EventTime {
    const oldest = this.#upcoming[this.#next] ?? Number.POSITIVE_INFINITY
    return oldest === Number.POSITIVE_INFINITY ? (this.#newest ?? Number.NEGATIVE_INFINITY) : oldest
  }

  /** Reads the file through; to be called once, first. `onChunk` is called now and then. */
  async scan(onChunk: () => void): Promise<void> {
    let previous: EventTime | undefined
    for await (const chunk of this.#chunks) {
      const decoded = this.#decode(chunk, previous)
      const times = decoded.events.map(({ time }) => time)
      const oldest = times.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
      this.#newest = times.reduce((a, b) => Math.max(a, b), this.#newest ?? Number.NEGATIVE_INFINITY)
      const parts = partsOf(decoded)
      this.#entries.push({ offset: chunk.offset, lastLine: lastLineOf(chunk), oldest, previous, parts })
      this.#parts += parts
      previous = times.at(-1) ?? previous
      this.#end = chunk.end
      this.#passed = chunk.end
      onChunk()
    }
    const { appended, timing } = this.#options
    this.#upcoming = slidingMinimum(
      this.#entries.map(({ oldest }) => oldest),
      timing.lookahead,
    )
    const fresh = this.#entries.findIndex(({ lastLine }) => lastLine > appended)
    this.#next = fresh < 0 ? this.#entries.length : fresh
    this.#complete = appended >= this.#end
    this.#passed = 0
    this.#chunks = this.#fromBeginning()
  }

  /** The stream's first mark; `siblings` are the streams appended beside it. Not `timed`: it is only said to exist. */
  announcement(siblings: readonly string[], timed: boolean): Content {
    const time = timed ? this.position : Number.NaN
    return encodeMark({ stream: this.name, time: Number.isFinite(time) ? time : null, idle: false, siblings })
  }

  /** The next record and its mark. */
  async take(): Promise<Piece> {
    const entry = this.#entries[this.#next]
    if (entry === undefined) return this.#close()
    const chunk = await this.#read(entry)
    const fresh = linesBehind(chunk, this.#options.appended) ?? chunk
    const { previous, parts } = fresh === chunk ? entry : this.#rest(chunk, fresh, entry)
    this.#next++
    this.#passed = chunk.end
    const mark = this.#mark()
    const record = { value: fresh.value, headers: this.#headersOf(fresh, previous) }
    return { records: mark === undefined ? [record] : [record, mark], parts, last: false }
  }

  /** Chunks without a CSV file's heading, which goes into the headers. */
  async *#fromBeginning(): AsyncGenerator<Chunk> {
    const { path, recordBytes, context } = this.#options
    const maxLineBytes = Math.max(recordBytes, context.maxEventBytes)
    let first = true
    for await (const chunk of chunksOf(path, { chunkBytes: recordBytes, maxLineBytes })) {
      const rest = first && this.#isHeading(chunk) ? this.#withoutHeading(chunk) : chunk
      first = false
      if (rest.value.length > 0) yield rest
    }
  }

  async #read(entry: Entry): Promise<Chunk> {
    for (;;) {
      const { value, done } = await this.#chunks.next()
      if (done || value.offset > entry.offset)
        throw new FileError(`file '${this.#options.path}': changed while it was read; replay it again`)
      if (value.offset === entry.offset) return value
    }
  }

  /** Some lines of the chunk were appended before; they still tell the time of those behind them. */
  #rest(chunk: Chunk, fresh: Chunk, entry: Entry): Pick<Entry, 'previous' | 'parts'> {
    const before = { ...chunk, value: chunk.value.subarray(0, fresh.offset - chunk.offset) }
    const previous = this.#decode(before, entry.previous).events.at(-1)?.time ?? entry.previous
    return { previous, parts: partsOf(this.#decode(fresh, previous)) }
  }

  /** Reads the chunk as its readers will, so that times agree with theirs. */
  #decode(chunk: Chunk, previous: EventTime | undefined): Decoded {
    const { topic, partition, context, clock } = this.#options
    const headers = this.#headersOf(chunk, previous)
    return decode(
      { topic, partition, offset: 0, appendedAt: clock.now(), key: null, value: chunk.value, headers },
      context,
    )
  }

  #headersOf(chunk: Chunk, previous: EventTime | undefined): Record<string, string> {
    const headers: Record<string, string> = { ...this.#headers, [entryHeaders.offset]: String(chunk.offset) }
    if (previous !== undefined) headers[entryHeaders.previous] = String(previous)
    if (chunk.lineBytes !== undefined) headers[entryHeaders.lineBytes] = String(chunk.lineBytes)
    return headers
  }

  #mark(): Content | undefined {
    const time = this.position
    if (time <= this.#announced) return undefined
    this.#announced = time
    return encodeMark({ stream: this.name, time, idle: false, siblings: [] })
  }

  #close(): Piece {
    this.#complete = true
    const newest = this.#newest === null || !Number.isFinite(this.#newest) ? null : this.#newest
    const time = newest === null ? null : newest + this.#options.timing.closingHorizon
    const { value, headers } = encodeMark({ stream: this.name, time, idle: true, siblings: [] })
    const position = { [entryHeaders.origin]: this.name, [entryHeaders.offset]: String(this.#end) }
    return { records: [{ value, headers: { ...headers, ...position } }], parts: 0, last: true }
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

/** The least of each value and those behind it, `width` in all. */
export function slidingMinimum(values: readonly number[], width: number): number[] {
  const least = new Array<number>(values.length)
  // Positions whose values grow: the first is the window's least.
  const queue: number[] = []
  let head = 0
  for (let at = values.length - 1; at >= 0; at--) {
    while (queue.length > head && values[queue.at(-1)!]! >= values[at]!) queue.pop()
    queue.push(at)
    if (queue[head]! >= at + width) head++
    least[at] = values[queue[head]!]!
  }
  return least
}

const firstLineOf = (chunk: Chunk): string => /^[^\r\n]*/.exec(chunk.value.toString('utf8', 0, 4_096))?.[0] ?? ''

const partsOf = ({ events, dead, dropped }: Decoded): number =>
  events.length + dead.length + Object.values(dropped).reduce((a, b) => a + b, 0)
