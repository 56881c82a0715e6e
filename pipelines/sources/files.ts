import { glob, stat } from 'node:fs/promises'
import type { Clock } from '../../operators/clock.ts'
import type { EventTime } from '../../operators/operator.ts'
import type { DecodeContext } from '../decode/decoded.ts'
import { isMark } from '../runtime/marks.ts'
import { lastLineOf } from './file-chunks.ts'
import { FileError } from './file-error.ts'
import { type Content, FileStream, type FileStreamOptions, type FileTiming } from './file-stream.ts'
import type { Log, LogRecord, NewRecord } from './log.ts'

export interface ReplayOptions {
  readonly log: Log
  readonly topic: string
  /** Everything of one replay goes into this partition, so that one watermark minds all its files. */
  readonly partition: number
  readonly kind: 'logs' | 'metrics'
  /** Patterns of paths, as the shell writes them. */
  readonly globs: readonly string[]
  /** What the records will be decoded with. */
  readonly context: DecodeContext
  readonly clock: Clock
  /** Years missing in lines are counted back from here. Absent: from each file's own date. */
  readonly now?: EventTime
  /** Absent: the base name of a log file, the folder of a metrics file. */
  readonly service?: string
  readonly environment?: string
  /** The highest byte offset of a line already appended, by stream; what lies at or below is not appended again. */
  readonly appended?: ReadonlyMap<string, number>
  readonly timing?: Partial<FileTiming>
  /** Bytes of lines in one record. Default 64 KiB. */
  readonly recordBytes?: number
  /**
   * Awaited when every file has been announced without a time, which holds every watermark, before any says its time:
   * for replays that run beside each other.
   */
  readonly onAnnounced?: () => Promise<void>
  readonly onProgress?: (progress: ReplayProgress) => void
  readonly signal?: AbortSignal
}

export interface ReplayProgress {
  /** Files are read through once before anything is appended. */
  readonly phase: 'reading' | 'appending'
  readonly files: number
  /** Files read to their end. */
  readonly done: number
  /** Bytes gone through in this phase, as they lie on the disk; an estimate for packed files. */
  readonly bytes: number
  readonly totalBytes: number
  /** Parts of the records appended so far: lines of logs, points of metrics. */
  readonly parts: number
  /** Parts of all files, whether they are appended now or were before. */
  readonly totalParts: number
  readonly records: number
}

/** Kafka's limit is on a batch; half of it leaves room for headers. */
const batchBytes = 512 * 1024

/** 512 records of 64 KiB are some 300,000 lines, which readers can hold back. */
const defaultTiming: FileTiming = { closingHorizon: 3_600_000, lookahead: 512 }

/**
 * Appends the lines of files to a topic, each file an origin stream of its own (`file:<path as given>`, positions are
 * byte offsets of lines), many lines a record, with marks that tell the watermark how far each file is:
 *
 * - first every file is read through, and announced, so that none can be overtaken unheard;
 * - records follow from the file that holds the watermark back, so that readers hold back little; each has a mark behind
 *   it: the oldest time still to come from its file;
 * - a file's last mark is idle, `closingHorizon` past its newest time, so that its windows close.
 *
 * Called again with what it appended before (`appendedSoFar`), it appends nothing.
 * @throws {FileError} if a pattern matches nothing or a file cannot be read; {SinkError} if the log does not take a record
 */
export async function replayFiles(options: ReplayOptions): Promise<ReplayProgress> {
  const streams = await openStreams(options)
  const replay = new Replay(options, streams)
  for (const stream of streams) await stream.scan(() => replay.tell())
  const open = streams.filter(stream => !stream.complete)
  if (options.onAnnounced) {
    await replay.announce(open, false)
    await replay.flush()
    await options.onAnnounced()
  }
  await replay.announce(open, true)
  while (open.length > 0) {
    options.signal?.throwIfAborted()
    const least = open.reduce((a, b) => (b.position < a.position ? b : a))
    await replay.append(least)
    if (least.complete) open.splice(open.indexOf(least), 1)
  }
  await replay.flush()
  return replay.progress()
}

/**
 * What a partition holds of files already: the highest offset by stream. A file's closing mark counts as the offset of
 * its end.
 */
export async function appendedSoFar(records: AsyncIterable<LogRecord>): Promise<Map<string, number>> {
  const appended = new Map<string, number>()
  for await (const record of records) {
    const stream = record.headers['ops-origin']
    const offset = Number(record.headers['ops-offset'] ?? Number.NaN)
    if (stream === undefined || !stream.startsWith('file:') || Number.isNaN(offset) || record.value === null) continue
    const last = isMark(record) ? offset : lastLineOf({ value: record.value, offset })
    appended.set(stream, Math.max(appended.get(stream) ?? -1, last))
  }
  return appended
}

/** Files the patterns match, each once, in order of their names. */
async function filesOf(globs: readonly string[]): Promise<string[]> {
  const found = new Set<string>()
  for (const pattern of globs) {
    let matches = 0
    for await (const entry of glob(pattern)) {
      // A link to nowhere, or a file rotated away since it was listed, is none: the others are still to be read.
      if (!(await stat(entry).catch(() => undefined))?.isFile()) continue
      found.add(entry)
      matches++
    }
    if (matches === 0)
      throw new FileError(`files '${pattern}': no file matches; correct the pattern, and quote it in a shell`)
  }
  return [...found].sort()
}

async function openStreams(options: ReplayOptions): Promise<FileStream[]> {
  const timing = { ...defaultTiming, ...options.timing }
  const streams: FileStream[] = []
  for (const path of await filesOf(options.globs)) {
    const { mtimeMs, size } = await stat(path)
    const stream: FileStreamOptions = {
      path,
      size,
      kind: options.kind,
      topic: options.topic,
      partition: options.partition,
      context: options.context,
      clock: options.clock,
      reference: options.now ?? Math.floor(mtimeMs),
      service: options.service,
      environment: options.environment,
      appended: options.appended?.get(`file:${path}`) ?? -1,
      timing,
      recordBytes: options.recordBytes ?? 64 * 1024,
    }
    streams.push(new FileStream(stream))
  }
  return streams
}

/** Gathers records into appends, and counts. */
class Replay {
  readonly #options: ReplayOptions
  readonly #streams: readonly FileStream[]
  #batch: NewRecord[] = []
  #bytes = 0
  #parts = 0
  #records = 0
  #phase: ReplayProgress['phase'] = 'reading'

  constructor(options: ReplayOptions, streams: readonly FileStream[]) {
    this.#options = options
    this.#streams = streams
  }

  progress(): ReplayProgress {
    const sum = (value: (stream: FileStream) => number): number => this.#streams.reduce((a, b) => a + value(b), 0)
    return {
      phase: this.#phase,
      files: this.#streams.length,
      done: sum(stream => (stream.complete ? 1 : 0)),
      bytes: sum(stream => stream.bytesRead),
      totalBytes: sum(stream => stream.size),
      parts: this.#parts,
      totalParts: sum(stream => stream.parts),
      records: this.#records,
    }
  }

  tell(): void {
    this.#options.onProgress?.(this.progress())
  }

  async announce(streams: readonly FileStream[], timed: boolean): Promise<void> {
    this.#phase = 'appending'
    const siblings = streams.map(stream => stream.name)
    for (const stream of streams) await this.#add(stream.announcement(siblings, timed))
  }

  async append(stream: FileStream): Promise<void> {
    const piece = await stream.take()
    for (const content of piece.records) await this.#add(content)
    this.#parts += piece.parts
    if (!piece.last) this.#records++
  }

  async flush(): Promise<void> {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    this.#bytes = 0
    await this.#options.log.append(batch)
    this.tell()
  }

  async #add({ value, headers }: Content): Promise<void> {
    const { topic, partition } = this.#options
    const size = Buffer.byteLength(value) + 512
    if (this.#bytes + size > batchBytes) await this.flush()
    this.#batch.push({ topic, partition, key: null, value, headers })
    this.#bytes += size
  }
}
