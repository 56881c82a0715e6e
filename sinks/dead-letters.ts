import { z } from 'zod'
import { query } from './query.ts'

// How dead letters are read back. A filter that is not given is bound as '' or 0 and then lets every row through.

const at = z.number().describe('Milliseconds since 1970 UTC.')

const Place = {
  topic: z.string(),
  partition: z.int(),
  offset: z.int(),
  index: z.int().describe('Position of the unreadable part in the record.'),
  step: z.string().describe('The step that failed on it, pipeline.step; empty: it could not be read.'),
  originStream: z.string().describe('With a step: where the event entered, which its offset counts in.'),
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

export const DeadPart = DeadSummary.extend({
  headers: z.record(z.string(), z.string()).describe('Of the record; in its first unreadable part only.'),
  value: z.string().describe('The first 65,536 bytes of the record in base64; in its first unreadable part only.'),
})
export type DeadPart = z.output<typeof DeadPart>

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
    FROM dead_letters AS letter FINAL
    LEFT JOIN (SELECT topic, partition, offset, \`index\`, step, origin_stream, replayed_at FROM dead_replays FINAL) AS replay
      ON letter.topic = replay.topic AND letter.partition = replay.partition AND letter.offset = replay.offset
        AND letter.\`index\` = replay.\`index\` AND letter.step = replay.step
        AND letter.origin_stream = replay.origin_stream
    WHERE ({topic:String} = '' OR letter.topic = {topic:String})
      AND ({partition:Int64} < 0 OR letter.partition = {partition:Int64})
      AND ({offset:Int64} < 0 OR letter.offset = {offset:Int64})
      AND ({index:Int64} < 0 OR letter.\`index\` = {index:Int64})
      AND ({reason:String} = '' OR letter.reason = {reason:String})
      AND letter.appended_at >= fromUnixTimestamp64Milli({from:Int64})
      AND ({to:Int64} = 0 OR letter.appended_at < fromUnixTimestamp64Milli({to:Int64}))`

const replayedAt = 'nullIf(toUnixTimestamp64Milli(replay.replayed_at), 0)'
const columns = `letter.topic AS topic, letter.partition AS partition, letter.offset AS offset, letter.\`index\` AS \`index\`,
           letter.step AS step, letter.origin_stream AS originStream, letter.reason AS reason, letter.detail AS detail, letter.value_bytes AS bytes,
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

export const deadParts = query({
  name: 'dead-parts',
  summary: 'What could not be read of one record, in order, with its bytes.',
  params: DeadFilter,
  row: DeadPart,
  sql: `
    SELECT ${columns}, letter.headers AS headers, letter.value AS value
    ${joined}
    ORDER BY step, originStream, \`index\`
    LIMIT 1000`,
  bind: bound,
})

/** Every query, for the test that asks each of real tables. */
export const deadQueries = [deadLetters, deadCounts, deadToReplay, deadParts] as const
