import { isUtf8 } from 'node:buffer'

// Text of strangers on a terminal: control characters, which could move the cursor, change its title or hide text, are
// written as what they are.

const CONTROL = /[\p{Cc}\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

/** One line of text without control characters. */
export const printable = (text: string): string =>
  text.toWellFormed().replaceAll(CONTROL, character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)

const ROW = 16

/** Bytes as people can read them: lines of text if they are UTF-8 text, else their numbers beside what is ASCII of them. */
export function readable(bytes: Buffer): string {
  if (isText(bytes))
    return bytes
      .toString('utf8')
      .split(/\r?\n/)
      .map(line => line.split('\t').map(printable).join('\t'))
      .join('\n')
  const rows: string[] = []
  for (let at = 0; at < bytes.length; at += ROW) {
    const row = bytes.subarray(at, at + ROW)
    const numbers = [...row].map(byte => byte.toString(16).padStart(2, '0')).join(' ')
    const ascii = [...row].map(byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
    rows.push(`${at.toString(16).padStart(8, '0')}  ${numbers.padEnd(3 * ROW - 1)}  ${ascii}`)
  }
  return rows.join('\n')
}

/** UTF-8 with few control characters; what was cut may end within a character. */
function isText(bytes: Buffer): boolean {
  const whole = [0, 1, 2, 3].some(cut => cut <= bytes.length && isUtf8(bytes.subarray(0, bytes.length - cut)))
  if (!whole) return false
  let control = 0
  for (const byte of bytes)
    if (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d && byte !== 0x1b) control++
  return control * 20 <= bytes.length
}
