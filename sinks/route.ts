import { z } from 'zod'
import type { ApiOptions } from './api.ts'

type Method = 'GET' | 'POST' | 'DELETE'

/** A path of the API: what may be asked, what is answered, and how. The document and the checks are derived from it. */
export interface Route {
  readonly method: Method
  readonly url: string
  readonly summary: string
  readonly params?: z.ZodObject
  readonly querystring?: z.ZodObject
  readonly body?: z.ZodType<object>
  /** Bytes of the largest request; absent: 64 KiB. */
  readonly largest?: number
  readonly answers: Readonly<Record<number, z.ZodType>>
  /** Statuses it may refuse with. */
  readonly refuses: readonly number[]
  answer(asked: never, options: ApiOptions): Promise<{ status: number; value: unknown }>
}

type Asked<P, Q, B> = (P extends z.ZodObject ? z.output<P> : unknown) &
  (Q extends z.ZodObject ? z.output<Q> : unknown) &
  (B extends z.ZodType ? z.output<B> : unknown)

/** Gives `answer` the type of what the route's schemas let through. */
export function route<
  P extends z.ZodObject | undefined = undefined,
  Q extends z.ZodObject | undefined = undefined,
  B extends z.ZodType<object> | undefined = undefined,
>(definition: {
  method: Method
  url: string
  summary: string
  params?: P
  querystring?: Q
  body?: B
  largest?: number
  answers: Route['answers']
  refuses: readonly number[]
  answer(asked: Asked<P, Q, B>, options: ApiOptions): Promise<{ status: number; value: unknown }>
}): Route {
  return definition as unknown as Route
}

export const ok = (value: unknown, status = 200) => ({ status, value })

/** A moment as a request gives it: RFC 3339, a day, or milliseconds since 1970. */
export const Moment = z.string().transform((text, context) => {
  const time = /^\d{12,}$/.test(text) ? Number(text) : Date.parse(text)
  if (!Number.isNaN(time)) return time
  context.addIssue({ code: 'custom', message: `'${text}' is not a time; write 2026-11-22T10:00:00Z` })
  return z.NEVER
})

/** Where a page ended: opaque to callers, `number:id` inside. */
export const Cursor = z.string().transform((text, context) => {
  const [, number, id] = /^(\d+):(.+)$/.exec(Buffer.from(text, 'base64url').toString()) ?? []
  if (number !== undefined && id !== undefined) return { number: Number(number), id }
  context.addIssue({ code: 'custom', message: 'is not a cursor of ours; take `next` of the answer before' })
  return z.NEVER
})
export const cursorOf = (number: number, id: string): string => Buffer.from(`${number}:${id}`).toString('base64url')

export const limit = z.coerce.number().int().min(1).max(500).default(50).describe('Most results of one answer.')
export const environment = z.string().min(1).optional().describe('Only of this environment.')
export const service = z.string().min(1).optional().describe('Only of this service.')
