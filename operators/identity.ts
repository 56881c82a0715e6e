import { createHash } from 'node:crypto'

/** A short, stable name for a thing: 16 hex digits of SHA-256 over its parts. Equal parts, equal name, on any machine. */
export function identify(...parts: readonly (string | number)[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${String(part).length}:${part};`)
  return hash.digest('hex').slice(0, 16)
}
