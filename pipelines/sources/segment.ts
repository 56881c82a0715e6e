import { type FileHandle, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { SinkError } from '../../sinks/store.ts'
import { frameOffset, frameSize, isFrame, MAGIC } from './segment-format.ts'

const INDEX_EVERY = 64 * 1024
const CHUNK = 256 * 1024
const NAME = /^(\d{16})\.log$/

/** One file of a partition: the records from `base` on. Its index says where about a record lies. */
export class Segment {
  readonly base: number
  readonly path: string
  /** Bytes that are durable, whole records; readers go no further. */
  size = MAGIC.length
  /** Offset and position of one record in about every 64 KiB, ascending. */
  #index: { offset: number; position: number }[] = []
  #indexed = false

  constructor(folder: string, base: number) {
    this.base = base
    this.path = join(folder, `${String(base).padStart(16, '0')}.log`)
  }

  /** The first offset of the segment with this file name; undefined: not a segment. */
  static baseOf(name: string): number | undefined {
    const digits = NAME.exec(name)?.[1]
    return digits === undefined ? undefined : Number(digits)
  }

  /** Says that a record lies at `position`; to be called in ascending order. */
  note(offset: number, position: number): void {
    this.#indexed = true
    const last = this.#index.at(-1)
    if (last === undefined || position - last.position >= INDEX_EVERY) this.#index.push({ offset, position })
  }

  /** A position at or before the record with this offset, and not far before. */
  async seek(offset: number): Promise<number> {
    if (!this.#indexed) await this.#scan(false)
    let position = MAGIC.length
    for (const entry of this.#index) {
      if (entry.offset > offset) break
      position = entry.position
    }
    return position
  }

  /** Takes a segment that is written no more: its size is the file's. */
  async adopt(): Promise<void> {
    this.size = (await stat(this.path)).size
  }

  /**
   * Checks every record of the last segment of a partition, and answers how many bytes its file has behind the last
   * whole one (written in part when the machine or the process died, never acknowledged) and the offset to go on with.
   */
  async recover(): Promise<{ torn: number; end: number }> {
    const { size } = await stat(this.path)
    this.size = size
    const { position, end } = await this.#scan(true)
    this.size = position
    return { torn: size - position, end }
  }

  /** Walks over the frames up to `size`, filling the index; stops at the first that is not whole. */
  async #scan(verify: boolean): Promise<{ position: number; end: number }> {
    const window = await FrameWindow.open(this.path)
    try {
      let position = await window.checkMagic()
      let end = this.base
      while (position > 0) {
        const at = window.frameAt(position)
        if (at === undefined) {
          if (await window.fill(position, this.size)) continue
          break
        }
        if (verify && !isFrame(window.bytes, at)) break
        const offset = frameOffset(window.bytes, at)
        this.note(offset, position)
        position += frameSize(window.bytes, at)!
        end = offset + 1
      }
      this.#indexed = true
      return { position, end }
    } finally {
      await window.close()
    }
  }
}

/** A stretch of a segment file in memory, to walk from frame to frame. */
export class FrameWindow {
  readonly #file: FileHandle
  readonly #path: string
  #start = 0
  bytes = Buffer.alloc(0)

  private constructor(file: FileHandle, path: string) {
    this.#file = file
    this.#path = path
  }

  static async open(path: string): Promise<FrameWindow> {
    return new FrameWindow(await open(path, 'r'), path)
  }

  /** Where in `bytes` the whole frame lies that begins at this position of the file; undefined: not in memory. */
  frameAt(position: number): number | undefined {
    const at = position - this.#start
    if (at < 0) return undefined
    const size = frameSize(this.bytes, at)
    return size === undefined || at + size > this.bytes.length ? undefined : at
  }

  /** Brings the frame at `position` into memory, and more; false: no whole frame lies between there and `limit`. */
  async fill(position: number, limit: number): Promise<boolean> {
    await this.#load(position, Math.min(CHUNK, limit - position))
    const size = frameSize(this.bytes, 0)
    if (size === undefined || position + size > limit) return false
    if (size > this.bytes.length) await this.#load(position, size)
    return size <= this.bytes.length
  }

  /**
   * The position behind the file's first bytes; 0 where a crash came before they were written, and any record.
   * @throws {SinkError} if they are not those of a segment
   */
  async checkMagic(): Promise<number> {
    await this.#load(0, CHUNK)
    const magic = this.bytes.subarray(0, MAGIC.length)
    if (magic.equals(MAGIC)) return MAGIC.length
    if (magic.length < MAGIC.length || magic.every(byte => byte === 0)) return 0
    throw new SinkError('embedded log', 'rejected', `'${this.#path}' is not a segment of this version; move it away`)
  }

  async #load(position: number, length: number): Promise<void> {
    const bytes = Buffer.allocUnsafe(Math.max(0, length))
    let filled = 0
    while (filled < bytes.length) {
      const { bytesRead } = await this.#file.read(bytes, filled, bytes.length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    this.bytes = bytes.subarray(0, filled)
    this.#start = position
  }

  close(): Promise<void> {
    return this.#file.close()
  }
}
