import { z } from 'zod'
import { query } from './query.ts'

// How dead letters are read back. A filter that is not given is bound as '' or 0 and then lets every row through.

const at = z.number().describe('Milliseconds since 1970 UTC.')

const Place = {
  topic: z.string(),
  partition: z.int(),
  offset: z.int(),
  index: z.int().describe('Position of the unreadable part in the record.'),
}

export const DeadSummary = z.strictObject({
  ...Place,
  reason: z.string(),
  detail: z.string().describe('A sentence for people.'),
  bytes: z.int().nullable().describe('Of the record; null: it had no value.'),
  appendedAt: at.describe('When the log took the record, in milliseconds since 1970 UTC.'),
  replayedAt: at.nullable().describe('When it was sent in again; null: never.'),
  replayOf: z.string().describe('The dead letter it was before it was sent in again; empty: none.'),
})
export type DeadSummary = z.output<typeof DeadSummary>

export const DeadCount = z.strictObject({
  topic: z.string(),
  reason: z.string(),
  letters: z.int(),
  replayed: z.int().describe('How many of them were sent in again.'),
})
export type DeadCount = z.output<typeof DeadCount>

export const DeadRecord = z.strictObject({
  topic: Place.topic,
  partition: Place.partition,
  offset: Place.offset,
  headers: z.record(z.string(), z.string()),
  value: z.string().describe('The first 65,536 bytes of the record in base64.'),
  bytes: DeadSummary.shape.bytes,
  appendedAt: DeadSummary.shape.appendedAt,
  parts: z
    .array(DeadSummary.pick({ index: true, reason: true, detail: true, replayedAt: true }))
    .describe('At most 1,000, in order.'),
})
export type DeadRecord = z.output<typeof DeadRecord>

/** Which dead letters are meant. */
export const DeadFilter = z.strictObject({
  topic: z.string().optional(),
  partition: z.int().optional(),
  offset: z.int().optional(),
  index: z.int().optional(),
  reason: z.string().optional(),
  from: z.number().optional(),
  to: z.number().optional(),
})
export type DeadFilter = z.output<typeof DeadFilter>

const joined = `
    FROM (SELECT * FROM dead_letters FINAL) AS letter
    LEFT JOIN (SELECT topic, partition, offset, \`index\`, replayed_at FROM dead_replays FINAL) AS replay
      ON letter.topic = replay.topic AND letter.partition = replay.partition AND letter.offset = replay.offset
        AND letter.\`index\` = replay.\`index\`
    WHERE ({topic:String} = '' OR letter.topic = {topic:String})
      AND ({partition:Int64} < 0 OR letter.partition = {partition:Int64})
      AND ({offset:Int64} < 0 OR letter.offset = {offset:Int64})
      AND ({index:Int64} < 0 OR letter.\`index\` = {index:Int64})
      AND ({reason:String} = '' OR letter.reason = {reason:String})
      AND letter.appended_at >= fromUnixTimestamp64Milli({from:Int64})
      AND ({to:Int64} = 0 OR letter.appended_at < fromUnixTimestamp64Milli({to:Int64}))`

const replayedAt = 'nullIf(toUnixTimestamp64Milli(replay.replayed_at), 0)'
const columns = `letter.topic AS topic, letter.partition AS partition, letter.offset AS offset, letter.\`index\` AS \`index\`,
           letter.reason AS reason, letter.detail AS detail, letter.value_bytes AS bytes,
           toUnixTimestamp64Milli(letter.appended_at) AS appendedAt, ${replayedAt} AS replayedAt,
           letter.headers['ops-replay-of'] AS replayOf`

const bound = ({ topic = '', partition = -1, offset = -1, index = -1, reason = '', from = 0, to = 0 }: DeadFilter) => ({
  ...{ topic, partition, offset, index, reason, from, to },
})

export const deadLetters = query({
  name: 'dead-letters',
  summary: 'What could not be read, newest first.',
  params: DeadFilter.extend({ limit: z.int() }),
  row: DeadSummary,
  sql: `
    SELECT ${columns}
    ${joined}
    ORDER BY appendedAt DESC, topic, partition, offset DESC, \`index\` DESC
    LIMIT {limit:UInt32}`,
  bind: ({ limit, ...filter }) => ({ ...bound(filter), limit }),
})

export const deadCounts = query({
  name: 'dead-counts',
  summary: 'What could not be read, counted by topic and reason.',
  params: DeadFilter,
  row: DeadCount,
  sql: `
    SELECT letter.topic AS topic, letter.reason AS reason, toUInt32(count()) AS letters,
           toUInt32(countIf(${replayedAt} IS NOT NULL)) AS replayed
    ${joined}
    GROUP BY topic, reason
    ORDER BY letters DESC, topic, reason
    LIMIT 1000`,
  bind: bound,
})

export const deadToReplay = query({
  name: 'dead-to-replay',
  summary: 'What could not be read and was not sent in again, oldest first.',
  params: DeadFilter.extend({ limit: z.int() }),
  row: DeadSummary,
  sql: `
    SELECT ${columns}
    ${joined}
      AND ${replayedAt} IS NULL
    ORDER BY appendedAt, topic, partition, offset, \`index\`
    LIMIT {limit:UInt32}`,
  bind: ({ limit, ...filter }) => ({ ...bound(filter), limit }),
})

export const deadBytes = query({
  name: 'dead-bytes',
  summary: 'Headers and bytes of a record that could not be read.',
  params: z.strictObject({ topic: z.string(), partition: z.int(), offset: z.int() }),
  row: z.strictObject({ headers: z.record(z.string(), z.string()), value: z.string() }),
  // They stand in the row of the record's first unreadable part.
  sql: `
    SELECT headers, value
    FROM dead_letters FINAL
    WHERE topic = {topic:String} AND partition = {partition:UInt32} AND offset = {offset:UInt64}
    ORDER BY \`index\`
    LIMIT 1`,
})
