import { crc32 } from 'node:zlib'
import type { LogRecord, NewRecord } from './log.ts'

// How records lie in the files of the embedded log. A segment begins with MAGIC; each record follows as a frame:
//
//   u32 length of the body, u32 CRC-32 of the body,
//   body: f64 offset, f64 appendedAt, i32 key length (-1: null), i32 value length (-1: null), u16 number of headers,
//         key, value, then per header u16 name length, i32 value length, name, value
//
// All numbers are little-endian, all text UTF-8.

/** First bytes of every segment; the digit is the version of the format. */
export const MAGIC = Buffer.from('opslog1\n')

const FRAME = 8
const FIXED = 26

/** Encodes records one behind the other into one buffer that grows as needed and is used again after `clear`. */
export class FrameWriter {
  #buffer: Buffer
  #size = 0

  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafe(capacity)
  }

  get size(): number {
    return this.#size
  }

  /** What has been written since `clear`; valid until the next call of `write`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#size)
  }

  clear(): void {
    this.#size = 0
  }

  write(record: NewRecord, offset: number, appendedAt: number): void {
    const headers = record.headers === undefined ? [] : Object.entries(record.headers)
    this.#reserve(FRAME + FIXED + mostBytes(record, headers))
    const buffer = this.#buffer
    const start = this.#size
    const body = start + FRAME
    buffer.writeDoubleLE(offset, body)
    buffer.writeDoubleLE(appendedAt, body + 8)
    buffer.writeUInt16LE(headers.length, body + 24)
    let at = body + FIXED
    at += writeData(buffer, record.key, at, body + 16)
    at += writeData(buffer, record.value, at, body + 20)
    for (const [name, value] of headers) {
      buffer.writeUInt16LE(Buffer.byteLength(name), at)
      const nameAt = at + 6
      const valueAt = nameAt + buffer.write(name, nameAt)
      at = valueAt + writeData(buffer, value, valueAt, at + 2)
    }
    buffer.writeUInt32LE(at - body, start)
    buffer.writeUInt32LE(crc32(buffer.subarray(body, at)), start + 4)
    this.#size = at
  }

  #reserve(bytes: number): void {
    if (this.#size + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#size + bytes))
    this.#buffer.copy(larger, 0, 0, this.#size)
    this.#buffer = larger
  }
}

/** An upper bound without looking at the text: a UTF-16 unit takes at most three bytes of UTF-8. */
function mostBytes(record: NewRecord, headers: readonly (readonly [string, string])[]): number {
  let bytes = (record.key?.length ?? 0) * 3
  if (record.value !== null) bytes += record.value.length * (typeof record.value === 'string' ? 3 : 1)
  for (const [name, value] of headers) bytes += 6 + (name.length + value.length) * 3
  return bytes
}

/** Writes the data at `at` and its length at `lengthAt`; answers the length. */
function writeData(buffer: Buffer, data: string | Buffer | null, at: number, lengthAt: number): number {
  if (data === null) {
    buffer.writeInt32LE(-1, lengthAt)
    return 0
  }
  const length = typeof data === 'string' ? buffer.write(data, at) : data.copy(buffer, at)
  buffer.writeInt32LE(length, lengthAt)
  return length
}

/** Bytes of the whole frame at `at`, or undefined where fewer than its first 8 bytes are there. */
export function frameSize(bytes: Buffer, at: number): number | undefined {
  return at + FRAME > bytes.length ? undefined : FRAME + bytes.readUInt32LE(at)
}

/** The offset of the record whose frame begins at `at`. */
export function frameOffset(bytes: Buffer, at: number): number {
  return bytes.readDoubleLE(at + FRAME)
}

/** Whether a whole frame begins at `at` and its checksum is right. */
export function isFrame(bytes: Buffer, at: number): boolean {
  const size = frameSize(bytes, at)
  if (size === undefined || size < FRAME + FIXED || at + size > bytes.length) return false
  return crc32(bytes.subarray(at + FRAME, at + size)) === bytes.readUInt32LE(at + 4)
}

/** The record whose frame begins at `at`; its value shares the bytes' memory. */
export function readFrame(bytes: Buffer, at: number, topic: string, partition: number): LogRecord {
  const body = at + FRAME
  const keyLength = bytes.readInt32LE(body + 16)
  const valueLength = bytes.readInt32LE(body + 20)
  const headerCount = bytes.readUInt16LE(body + 24)
  const keyAt = body + FIXED
  const valueAt = keyAt + Math.max(0, keyLength)
  return {
    topic,
    partition,
    offset: bytes.readDoubleLE(body),
    appendedAt: bytes.readDoubleLE(body + 8),
    key: keyLength < 0 ? null : bytes.toString('utf8', keyAt, valueAt),
    value: valueLength < 0 ? null : bytes.subarray(valueAt, valueAt + valueLength),
    headers: headerCount === 0 ? {} : readHeaders(bytes, valueAt + Math.max(0, valueLength), headerCount),
  }
}

function readHeaders(bytes: Buffer, start: number, count: number): Record<string, string> {
  const headers: Record<string, string> = {}
  let at = start
  for (let left = count; left > 0; left--) {
    const nameAt = at + 6
    const valueAt = nameAt + bytes.readUInt16LE(at)
    const end = valueAt + bytes.readInt32LE(at + 2)
    headers[bytes.toString('utf8', nameAt, valueAt)] = bytes.toString('utf8', valueAt, end)
    at = end
  }
  return headers
}
