import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises'
import type { Clock } from '../../operators/clock.ts'
import { SinkError } from '../../sinks/store.ts'
import { syncDirectory } from './durable-file.ts'
import type { LogRecord, NewRecord } from './log.ts'
import type { Logger } from './logger.ts'
import { FrameWindow, Segment } from './segment.ts'
import { FrameWriter, frameOffset, frameSize, isFrame, MAGIC, readFrame } from './segment-format.ts'

const WRITE_CHUNK = 256 * 1024

export interface PartitionOptions {
  readonly folder: string
  readonly topic: string
  readonly partition: number
  readonly clock: Clock
  readonly logger: Logger
  /** A segment this large, in bytes, is followed by a new one. */
  readonly segmentBytes: number
  /** Milliseconds after which whole segments are removed; null: never. */
  readonly retention: number | null
}

interface Waiting {
  readonly records: readonly NewRecord[]
  resolve(): void
  reject(error: unknown): void
}

/** One partition: a folder of segments, written by one process, in which only the last segment grows. */
export class PartitionFiles {
  readonly #options: PartitionOptions
  readonly #segments: Segment[]
  readonly #frames = new FrameWriter(64 * 1024)
  #end: number
  #file: FileHandle | undefined
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  #readers = new Set<() => void>()

  private constructor(options: PartitionOptions, segments: Segment[], end: number) {
    this.#options = options
    this.#segments = segments
    this.#end = end
  }

  /** Opens the folder, making it if need be, and cuts off what a crash left of a record that was being written. */
  static async open(options: PartitionOptions): Promise<PartitionFiles> {
    const { folder } = options
    await mkdir(folder, { recursive: true })
    const bases = (await readdir(folder)).map(Segment.baseOf).filter(base => base !== undefined)
    const segments = bases.sort((a, b) => a - b).map(base => new Segment(folder, base))
    const last = segments.at(-1)
    for (const segment of segments) if (segment !== last) await segment.adopt()
    const files = new PartitionFiles(options, segments, last ? await recover(last, options) : 0)
    if (last) await files.#removeExpired()
    else await files.#startSegment()
    return files
  }

  /** The offset of the oldest record that is kept. */
  get start(): number {
    return this.#segments[0]!.base
  }

  /** The offset the next record will get; all before it are durable. */
  get end(): number {
    return this.#end
  }

  /** Resolves when the records are durable. Appends that come while others are being written share one fsync. */
  append(records: readonly NewRecord[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ records, resolve, reject })
    this.#writing ??= this.#drain()
    return promise
  }

  /** Calls `wake` once, when records have been added. Answers how to take that back. */
  onGrowth(wake: () => void): () => void {
    this.#readers.add(wake)
    return () => this.#readers.delete(wake)
  }

  /** Reads on from an offset; older than the oldest record: from there. */
  read(from: number): PartitionCursor {
    return new PartitionCursor(this, Math.max(from, this.start), this.#options)
  }

  /** The segment that holds, or will hold, the record with this offset. */
  segmentOf(offset: number): Segment {
    return this.#segments.findLast(segment => segment.base <= offset) ?? this.#segments[0]!
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#file?.close()
    this.#file = undefined
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0)
      try {
        await this.#write(group)
        for (const { resolve } of group) resolve()
      } catch (error) {
        for (const { reject } of group) reject(this.#failure(error))
      }
    }
    this.#writing = undefined
  }

  /** Writes the group and makes it durable, or leaves the partition as it was. */
  async #write(group: readonly Waiting[]): Promise<void> {
    if (this.#segments.at(-1)!.size >= this.#options.segmentBytes) await this.#startSegment()
    const segment = this.#segments.at(-1)!
    const file = await this.#open(segment)
    const appendedAt = this.#options.clock.now()
    const chunks: { offset: number; position: number }[] = []
    let position = segment.size
    let offset = this.#end
    try {
      for (const { records } of group)
        for (const record of records) {
          if (this.#frames.size === 0) chunks.push({ offset, position })
          this.#frames.write(record, offset++, appendedAt)
          if (this.#frames.size >= WRITE_CHUNK) position += await this.#flush(file, position)
        }
      position += await this.#flush(file, position)
      await file.datasync()
    } catch (error) {
      this.#frames.clear()
      this.#file = undefined
      await file.close().catch(() => undefined) // it is opened anew, and cut to its size, before the next write
      throw error
    }
    for (const chunk of chunks) segment.note(chunk.offset, chunk.position)
    segment.size = position
    this.#end = offset
    for (const wake of [...this.#readers]) wake()
    this.#readers.clear()
  }

  async #open(segment: Segment): Promise<FileHandle> {
    if (this.#file) return this.#file
    const file = await open(segment.path, 'r+')
    try {
      await file.truncate(segment.size)
    } catch (error) {
      await file.close()
      throw error
    }
    this.#file = file
    return file
  }

  async #flush(file: FileHandle, position: number): Promise<number> {
    const { bytes } = this.#frames
    for (let written = 0; written < bytes.length; )
      written += (await file.write(bytes, written, bytes.length - written, position + written)).bytesWritten
    this.#frames.clear()
    return bytes.length
  }

  #failure(cause: unknown): SinkError {
    const { code, message } = cause as NodeJS.ErrnoException
    const { topic, partition, folder } = this.#options
    const where = `topic '${topic}' partition ${partition}`
    if (code === 'ENOSPC' || code === 'EDQUOT')
      return new SinkError('embedded log', 'overloaded', `${where}: no space left; free some under '${folder}'`, {
        cause,
      })
    return new SinkError('embedded log', 'unreachable', `${where}: ${message}`, { cause })
  }

  async #startSegment(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
    const segment = new Segment(this.#options.folder, this.#end)
    const file = await open(segment.path, 'w+')
    try {
      await file.write(MAGIC)
      await file.datasync()
      await syncDirectory(this.#options.folder)
    } catch (error) {
      await file.close().catch(() => undefined) // made anew by the next write
      throw error
    }
    this.#file = file
    this.#segments.push(segment)
    await this.#removeExpired()
  }

  /** Removes segments from the old end whose newest record, the one before the next segment, is past retention. */
  async #removeExpired(): Promise<void> {
    const { retention, clock, logger, topic, partition } = this.#options
    if (retention === null) return
    try {
      while (this.#segments.length > 1 && (await this.#newestOfOldest()) < clock.now() - retention) {
        const [oldest] = this.#segments.splice(0, 1)
        await rm(oldest!.path)
      }
    } catch (error) {
      logger.warn({ topic, partition, error }, 'embedded log: could not remove records that are past retention')
    }
  }

  /** When the newest record of the oldest segment was written. */
  async #newestOfOldest(): Promise<number> {
    const cursor = this.read(this.#segments[1]!.base - 1)
    try {
      return (await cursor.next(1, 1))[0]?.appendedAt ?? Number.POSITIVE_INFINITY
    } finally {
      await cursor.close()
    }
  }
}

/** Cuts off the torn tail of the last segment; answers the offset to go on with. */
async function recover(segment: Segment, options: PartitionOptions): Promise<number> {
  const { torn, end } = await segment.recover()
  const { topic, partition, logger } = options
  const file = await open(segment.path, 'r+')
  try {
    if (torn > 0) {
      await file.truncate(segment.size)
      logger.warn(
        { topic, partition, bytes: torn, offset: end, path: segment.path },
        `embedded log: cut off a torn record at the end of '${topic}' partition ${partition}; it was never acknowledged`,
      )
    }
    if (segment.size === 0) {
      await file.write(MAGIC, 0, MAGIC.length, 0)
      segment.size = MAGIC.length
    }
    await file.datasync()
  } finally {
    await file.close()
  }
  return end
}

/** A place in a partition from which to read on. Cheap to read from again and again; for one reader. */
export class PartitionCursor {
  readonly #files: PartitionFiles
  readonly #options: PartitionOptions
  #segment: Segment | undefined
  #window: FrameWindow | undefined
  #position = 0
  #offset: number

  constructor(files: PartitionFiles, offset: number, options: PartitionOptions) {
    this.#files = files
    this.#offset = offset
    this.#options = options
  }

  /** The offset to be read next. */
  get offset(): number {
    return this.#offset
  }

  /** The next records, at least one unless the end is reached, of at most about `maxBytes`. @throws {SinkError} */
  async next(maxRecords: number, maxBytes: number): Promise<LogRecord[]> {
    const records: LogRecord[] = []
    let bytes = 0
    while (records.length < maxRecords && bytes < maxBytes && this.#offset < this.#files.end) {
      const window = await this.#open()
      const at = window.frameAt(this.#position)
      if (at === undefined) {
        if (await window.fill(this.#position, this.#segment!.size)) continue
        throw this.#corrupt()
      }
      if (!isFrame(window.bytes, at)) throw this.#corrupt()
      const size = frameSize(window.bytes, at)!
      this.#position += size
      const offset = frameOffset(window.bytes, at)
      if (offset < this.#offset) continue
      records.push(readFrame(window.bytes, at, this.#options.topic, this.#options.partition))
      this.#offset = offset + 1
      bytes += size
    }
    return records
  }

  async close(): Promise<void> {
    await this.#window?.close()
    this.#window = undefined
  }

  /** The window over the segment of the next offset, which is not always the one just read. */
  async #open(): Promise<FrameWindow> {
    if (this.#window && this.#position < this.#segment!.size) return this.#window
    const segment = this.#files.segmentOf(this.#offset)
    if (segment === this.#segment && this.#window) return this.#window
    await this.close()
    this.#window = await FrameWindow.open(segment.path)
    this.#segment = segment
    this.#position = await segment.seek(this.#offset)
    return this.#window
  }

  #corrupt(): SinkError {
    const { topic, partition } = this.#options
    const where = `'${this.#segment!.path}' at byte ${this.#position}`
    return new SinkError(
      'embedded log',
      'rejected',
      `topic '${topic}' partition ${partition}: the record with offset ${this.#offset} is damaged (${where}); restore the file`,
    )
  }
}
