import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { FileError } from './file-error.ts'

/** Some whole lines of a file. */
export interface Chunk {
  readonly value: Buffer
  /** Where its first byte lies in the file, unpacked. */
  readonly offset: number
  /** Where the next chunk begins, or the file ends. */
  readonly end: number
  /** The chunk is the beginning of one line, longer than a record may be: its bytes. */
  readonly lineBytes?: number
}

export interface ChunkLimits {
  /** Bytes a chunk has at most, but for a single line. */
  readonly chunkBytes: number
  /** A longer line is cut. */
  readonly maxLineBytes: number
}

/** How much of a line that is too long is kept, as evidence. */
const excerpt = 4_096
const newline = 10
const block = 256 * 1024

/** Where the last line of a chunk begins. */
export function lastLineOf({ value, offset }: Pick<Chunk, 'value' | 'offset'>): number {
  return value.length < 2 ? offset : offset + value.lastIndexOf(newline, value.length - 2) + 1
}

/** The lines of a chunk that begin behind `position`; undefined: none. */
export function linesBehind(chunk: Chunk, position: number): Chunk | undefined {
  if (chunk.offset > position) return chunk
  if (lastLineOf(chunk) <= position) return undefined
  const from = chunk.value.indexOf(newline, position - chunk.offset) + 1
  return { ...chunk, value: chunk.value.subarray(from), offset: chunk.offset + from }
}

/**
 * Reads a file as chunks of whole lines; `.gz` is unpacked on the way. A byte order mark is left out.
 * @throws {FileError} naming the file, if it cannot be read
 */
export async function* chunksOf(path: string, limits: ChunkLimits): AsyncGenerator<Chunk> {
  const cutter = new Cutter(limits)
  try {
    for await (const bytes of path.endsWith('.gz') ? unpacked(path) : blocksOf(path)) yield* cutter.add(bytes)
  } catch (error) {
    throw new FileError(`file '${path}': unreadable (${(error as Error).message})`, { cause: error })
  }
  yield* cutter.end()
}

/** Opens the file for each block, so that a replay of thousands of files holds none open. */
async function* blocksOf(path: string): AsyncGenerator<Buffer> {
  for (let position = 0; ; ) {
    const file = await open(path)
    const buffer = Buffer.allocUnsafe(block)
    const { bytesRead } = await file.read(buffer, 0, block, position).finally(() => file.close())
    if (bytesRead === 0) return
    position += bytesRead
    yield buffer.subarray(0, bytesRead)
  }
}

async function* unpacked(path: string): AsyncGenerator<Buffer> {
  const file = createReadStream(path)
  const gunzip = createGunzip()
  file.on('error', error => gunzip.destroy(error))
  try {
    for await (const bytes of file.pipe(gunzip)) yield bytes as Buffer
  } finally {
    file.destroy()
  }
}

/** Cuts a stream of bytes behind line ends. */
class Cutter {
  readonly #limits: ChunkLimits
  #rest: Buffer = Buffer.alloc(0)
  #offset = 0
  /** Bytes of a line that is too long and has not ended, 0 if there is none; its beginning, and where it begins. */
  #long = 0
  #start: Buffer = Buffer.alloc(0)
  #startOffset = 0
  #begun = false

  constructor(limits: ChunkLimits) {
    this.#limits = limits
  }

  *add(bytes: Buffer): Generator<Chunk> {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    if (!this.#begun && this.#rest.length >= 3) this.#skipMark()
    while (this.#rest.length > this.#limits.chunkBytes || this.#long > 0) {
      const chunk = this.#next()
      if (chunk === undefined) return
      if (chunk.value.length > 0) yield chunk
    }
  }

  *end(): Generator<Chunk> {
    if (!this.#begun) this.#skipMark()
    while (this.#rest.length > 0) {
      const chunk = this.#next() ?? this.#take(this.#rest.length)
      if (chunk.value.length > 0) yield chunk
    }
    if (this.#long > 0) yield this.#cut()
  }

  #skipMark(): void {
    this.#begun = true
    if (this.#rest.subarray(0, 3).equals(Buffer.from('\ufeff'))) this.#take(3)
  }

  /** Undefined: more bytes are needed to tell. */
  #next(): Chunk | undefined {
    const { chunkBytes, maxLineBytes } = this.#limits
    if (this.#long > 0) return this.#swallow()
    if (this.#rest.length <= chunkBytes) return undefined
    const end = this.#rest.lastIndexOf(newline, chunkBytes - 1)
    if (end >= 0) return this.#take(end + 1)
    const late = this.#rest.indexOf(newline, chunkBytes)
    if (late >= 0 && late <= maxLineBytes) return this.#take(late + 1)
    if (late < 0 && this.#rest.length <= maxLineBytes) return undefined
    this.#start = this.#rest.subarray(0, excerpt)
    this.#startOffset = this.#offset
    return this.#swallow()
  }

  /** Reads on to the end of the line that is too long. */
  #swallow(): Chunk | undefined {
    const end = this.#rest.indexOf(newline)
    const size = end < 0 ? this.#rest.length : end
    this.#long += size
    this.#take(end < 0 ? size : size + 1)
    return end < 0 ? undefined : this.#cut()
  }

  #cut(): Chunk {
    const lineBytes = this.#long
    this.#long = 0
    return { value: Buffer.from(this.#start), offset: this.#startOffset, end: this.#offset, lineBytes }
  }

  #take(size: number): Chunk {
    const value = this.#rest.subarray(0, size)
    const offset = this.#offset
    this.#rest = this.#rest.subarray(size)
    this.#offset += size
    return { value, offset, end: this.#offset }
  }
}
