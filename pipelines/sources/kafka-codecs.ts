import { promisify } from 'node:util'
import zlib from 'node:zlib'
import lz4 from 'lz4-napi'
import snappy from 'snappyjs'

/** How kafkajs wants a codec: the records of one batch in and out. */
export interface Codec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00])
const XERIAL_HEADER = 16

/**
 * Java's producers frame snappy in blocks behind a header (snappy-java's SnappyOutputStream: 8 bytes of magic, two
 * 32-bit versions, then per block its length, big-endian, and raw snappy); others write one raw block. Reads both and
 * writes the latter, which brokers and clients take.
 */
export const snappyCodec: Codec = {
  compress: async ({ buffer }) => Buffer.from(snappy.compress(buffer)),
  decompress: async bytes => {
    if (!bytes.subarray(0, XERIAL.length).equals(XERIAL)) return Buffer.from(snappy.uncompress(bytes))
    const blocks: Buffer[] = []
    for (let at = XERIAL_HEADER; at < bytes.length; ) {
      const length = bytes.readUInt32BE(at)
      at += 4
      blocks.push(Buffer.from(snappy.uncompress(bytes.subarray(at, at + length))))
      at += length
    }
    return Buffer.concat(blocks)
  },
}

/** LZ4 in its frame format, blocks independent of each other as Kafka's reader requires. */
export const lz4Codec: Codec = {
  compress: ({ buffer }) => lz4.compressFrame(buffer),
  decompress: bytes => lz4.decompressFrame(bytes),
}

const zstdCompress = promisify(zlib.zstdCompress)
const zstdDecompress = promisify(zlib.zstdDecompress)

export const zstdCodec: Codec = {
  compress: ({ buffer }) => zstdCompress(buffer),
  decompress: bytes => zstdDecompress(bytes),
}
