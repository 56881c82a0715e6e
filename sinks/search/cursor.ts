import { z } from 'zod'

/** Which end of time comes first. */
export const Order = z.enum(['newest', 'oldest'])
export type Order = z.output<typeof Order>

/** Where a line stands: by time, and among those of one time by where it entered. */
const LinePlace = z.strictObject({
  time: z.int(),
  environment: z.string(),
  service: z.string(),
  stream: z.string(),
  offset: z.int(),
  index: z.int(),
})
export type LinePlace = z.output<typeof LinePlace>

/**
 * Beyond which line a page begins, and whether it leads back the way one came. `from` and `to`: the times of the first
 * page, from which `last_5m` counts on all.
 */
const LineCursor = z.strictObject({ order: Order, back: z.boolean(), from: z.int(), to: z.int(), place: LinePlace })
export type LineCursor = z.output<typeof LineCursor>

export const writeCursor = (cursor: LineCursor): string => Buffer.from(JSON.stringify(cursor)).toString('base64url')

/** A cursor as a request gives it: opaque to callers. */
export const LineCursorText = z.string().transform((text, context): LineCursor => {
  try {
    return LineCursor.parse(JSON.parse(Buffer.from(text, 'base64url').toString()))
  } catch {
    context.addIssue({ code: 'custom', message: 'is not a cursor of ours; take `next` of the answer before' })
    return z.NEVER
  }
})
