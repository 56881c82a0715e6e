import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** Where a secret comes from: its text, a file that holds it, or an environment variable that holds it. */
export type SecretSource = string | { readonly file: string } | { readonly env: string }

/** What reading a secret may touch, handed in so that tests own it. */
export interface SecretReader {
  readonly env: Readonly<Record<string, string | undefined>>
  file(path: string): string
}

export const fromMachine = (env: Readonly<Record<string, string | undefined>>): SecretReader => ({
  env,
  file: path => readFileSync(path, 'utf8'),
})

const hidden = '***'

/**
 * A value nobody may see by accident: printed, logged, inspected or put into JSON it is `***`. `reveal` is the one way
 * to it, and is called where the value is handed to a client.
 */
export class Secret {
  readonly #source: SecretSource
  #value: string | undefined

  constructor(source: SecretSource) {
    this.#source = source
    this.#value = typeof source === 'string' ? source : undefined
  }

  /** Fetches the value. @throws {Error} naming the file or variable and the fix, if there is nothing there */
  resolve(reader: SecretReader): void {
    const source = this.#source
    if (typeof source === 'string') return
    if ('env' in source) {
      this.#value = reader.env[source.env]
      if (!this.#value) throw new Error(`environment variable '${source.env}' is not set; set it to the secret`)
      return
    }
    try {
      // Files written by editors and by secret stores end in a newline that is no part of the secret.
      this.#value = reader.file(source.file).replace(/\r?\n$/, '')
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      throw new Error(`secret file '${source.file}' cannot be read (${code}); create it or correct the path`, {
        cause: error,
      })
    }
    if (this.#value === '') throw new Error(`secret file '${source.file}' is empty; write the secret into it`)
  }

  /** The value itself. @throws {Error} if it was never resolved */
  reveal(): string {
    if (this.#value === undefined) throw new Error('secret: read before it was resolved')
    return this.#value
  }

  toString(): string {
    return hidden
  }
  toJSON(): string {
    return hidden
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return hidden
  }
}

/** A secret as it is written in a configuration. */
export const SecretText = z
  .union([
    z.string().min(1),
    z.strictObject({ file: z.string().min(1).describe('File that holds the secret.') }),
    z.strictObject({ env: z.string().min(1).describe('Environment variable that holds the secret.') }),
  ])
  .transform(source => new Secret(source))

/** Every secret inside a value, however deep. */
export function secretsIn(value: unknown): Secret[] {
  if (value instanceof Secret) return [value]
  if (value === null || typeof value !== 'object') return []
  return Object.values(value).flatMap(secretsIn)
}

/**
 * Replaces the values of the secrets wherever they appear in a text, as they are and as base64, base64url or
 * URL-encoded text would show them. The last guard before a log line or an error report, not the first.
 */
export function masker(secrets: readonly Secret[]): (text: string) => string {
  const values = new Set<string>()
  for (const secret of secrets) {
    const value = secret.reveal()
    // Shorter values would blank out ordinary words.
    if (value.length < 4) continue
    const bytes = Buffer.from(value)
    for (const form of [value, bytes.toString('base64'), bytes.toString('base64url'), encodeURIComponent(value)])
      values.add(form).add(JSON.stringify(form).slice(1, -1))
  }
  const longestFirst = [...values].sort((a, b) => b.length - a.length)
  return text => longestFirst.reduce((masked, value) => masked.replaceAll(value, hidden), text)
}
