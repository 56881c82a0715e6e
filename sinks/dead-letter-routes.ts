import { z } from 'zod'
import {
  DeadCount,
  type DeadFilter,
  DeadPart,
  DeadSummary,
  deadCounts,
  deadLetters,
  deadParts,
} from './dead-letters.ts'
import { HttpError } from './http-error.ts'
import { ask } from './query.ts'
import { limit, Moment, ok, type Route, route } from './routes.ts'

const whole = z.coerce.number().int().nonnegative()
const filters = {
  topic: z.string().min(1).optional().describe('Only records of this topic.'),
  reason: z.string().min(1).optional().describe('Only for this reason.'),
  from: Moment.optional().describe('Only records the log took at or after this time.'),
  to: Moment.optional().describe('Only records the log took before this time.'),
}

const list = route({
  method: 'GET',
  url: '/v1/dead-letters',
  summary: 'What could not be read, newest first, and counted by topic and reason.',
  querystring: z.strictObject({ ...filters, limit }),
  answers: { 200: z.strictObject({ counts: z.array(DeadCount), letters: z.array(DeadSummary) }) },
  refuses: [400, 401, 503],
  async answer({ limit, ...filter }, { store }) {
    const [counts, letters] = await Promise.all([
      ask(store, deadCounts, given(filter)),
      ask(store, deadLetters, { ...given(filter), limit }),
    ])
    return ok({ counts, letters })
  },
})

const show = route({
  method: 'GET',
  url: '/v1/dead-letters/:topic/:partition/:offset',
  summary: 'One record that could not be read, or not wholly: why, its headers and its bytes.',
  params: z.strictObject({ topic: z.string().min(1), partition: whole, offset: whole }),
  answers: { 200: z.strictObject({ parts: z.array(DeadPart).describe('At most 1,000, in order.') }) },
  refuses: [400, 401, 404, 503],
  async answer(place, { store }) {
    const parts = await ask(store, deadParts, place)
    if (parts.length > 0) return ok({ parts })
    const at = `${place.topic}/${place.partition}/${place.offset}`
    throw new HttpError('OPS_NOT_FOUND', `no dead letter '${at}'; GET /v1/dead-letters lists them`)
  },
})

/** What became of the dead letters that were to be sent in again. */
export const DeadReplayed = z.strictObject({
  dryRun: z.boolean().describe('True: nothing was done.'),
  letters: z.int().describe('Dead letters sent in again.'),
  records: z.int().describe('Records they were parts of.'),
  refused: z
    .array(z.strictObject({ at: z.string().describe('topic/partition/offset of the record.'), why: z.string() }))
    .describe('Records that cannot be sent in again, at most 100 of them.'),
})
export type DeadReplayed = z.output<typeof DeadReplayed>

const replay = route({
  method: 'POST',
  url: '/v1/dead-letters/replay',
  summary: 'Sends records that could not be read in again, into the topics they came from, oldest first.',
  body: z.strictObject({
    ...filters,
    partition: whole.optional().describe('With topic and offset: only this record.'),
    offset: whole.optional().describe('With topic and partition: only this record.'),
    index: whole.optional().describe('With a record: only this part of it.'),
    dryRun: z.boolean().default(false).describe('Says what would be done, and does nothing.'),
    limit: z.int().min(1).max(100_000).default(10_000).describe('Most dead letters sent in again at once.'),
  }),
  answers: { 200: DeadReplayed },
  refuses: [400, 401, 404, 409, 503],
  async answer({ dryRun, limit, ...filter }, { hooks }) {
    if (!hooks?.replayDead) throw new HttpError('OPS_UNAVAILABLE', 'no agent runs here; ask one that does')
    return ok(await hooks.replayDead({ filter: given(filter), dryRun, limit }))
  },
})

/** Only what was asked for. */
const given = (filter: { [K in keyof DeadFilter]?: DeadFilter[K] | undefined }): DeadFilter =>
  Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)) as DeadFilter

export const deadLetterRoutes: readonly Route[] = [list, show, replay]
