import type { z } from 'zod'
import type { Clock } from '../operators/clock.ts'
import { Incident, LogLine, Sample, Signal } from '../operators/signal.ts'
import type { DeadReplayRequest } from '../sinks/api.ts'
import type { DeadReplayed } from '../sinks/dead-letter-routes.ts'
import { type DeadFilter, type DeadSummary, deadLetters, deadToReplay } from '../sinks/dead-letters.ts'
import { HttpError } from '../sinks/http-error.ts'
import { ask } from '../sinks/query.ts'
import type { Row, Store } from '../sinks/store.ts'
import { replayHeaders } from './decode/replayed.ts'
import type { Log, LogRecord, NewRecord } from './sources/log.ts'
import { MissingTopics } from './sources/topics.ts'
import { topics } from './topics.ts'

export interface DeadReplayDoors {
  readonly log: Log
  readonly store: Store
  readonly clock: Clock
}

/** Records appended, and remembered as sent in again, at once. */
const MOST_RECORDS = 500
const MOST_BYTES = 4 * 1024 * 1024
/** Refusals told one by one. */
const MOST_REFUSED = 100

const GONE = 'it is not in the topic of dead letters: retention has removed it, or it was never put there'

/**
 * Sends dead letters in again: the records as they came, into the partitions they came from, with what says who they
 * are. A part is sent once; it is remembered in `dead_replays`. A crash in between can send some a second time, whose
 * rows then replace their equals.
 * @throws {HttpError} if one record is named that is no dead letter, or was sent in again before
 * @throws {SinkError} if log or store do not answer
 */
export async function replayDead(
  { log, store, clock }: DeadReplayDoors,
  { filter, dryRun, limit }: DeadReplayRequest,
): Promise<DeadReplayed> {
  const letters = await ask(store, deadToReplay, { ...filter, limit })
  if (letters.length === 0 && filter.offset !== undefined) await refuseNamed(store, filter)
  const wanted = Map.groupBy(letters, identityOf)
  const refused: DeadReplayed['refused'] = []
  const totals = { letters: 0, records: 0 }
  for (const topic of new Set(letters.map(({ topic }) => topic))) {
    let batch: { record: NewRecord; letters: readonly DeadSummary[] }[] = []
    let bytes = 0
    const send = async () => {
      if (!dryRun) await sendIn({ log, store, clock }, batch)
      batch = []
      bytes = 0
    }
    for await (const dead of deadRecordsOf(log, topic)) {
      const { 'ops-dead-at': at = '', 'ops-dead-step': step = '', 'ops-origin': origin = '' } = dead.headers
      const identity = [at, step, step && origin].join(' ')
      const parts = wanted.get(identity)
      // A crash can have put a record into the dead letters twice.
      if (!parts || !wanted.delete(identity)) continue
      const why = whyNot(dead)
      if (why !== undefined) {
        refused.push({ at, why })
        continue
      }
      batch.push({ record: original(dead, parts), letters: parts })
      totals.letters += parts.length
      totals.records++
      bytes += dead.value?.length ?? 0
      if (batch.length >= MOST_RECORDS || bytes >= MOST_BYTES) await send()
    }
    await send()
  }
  refused.push(...[...wanted.values()].map(([letter]) => ({ at: placeOf(letter!), why: GONE })))
  return { dryRun, ...totals, refused: refused.slice(0, MOST_REFUSED) }
}

/** One call after the other: two at once would both find the same dead letters. */
export function inTurn<Q, A>(work: (request: Q) => Promise<A>): (request: Q) => Promise<A> {
  let last: Promise<unknown> = Promise.resolve()
  return request => {
    const next = last.then(() => work(request))
    last = next.catch(() => undefined)
    return next
  }
}

const identityOf = (letter: DeadSummary): string => [placeOf(letter), letter.step, letter.originStream].join(' ')

const placeOf = ({ topic, partition, offset }: { topic: string; partition: number; offset: number }): string =>
  `${topic}/${partition}/${offset}`

async function refuseNamed(store: Store, filter: DeadFilter): Promise<never> {
  const { topic = '', partition = 0, offset = 0 } = filter
  const [found] = await ask(store, deadLetters, { ...filter, limit: 1 })
  const at = [placeOf({ topic, partition, offset }), ...(filter.index === undefined ? [] : [filter.index])].join('/')
  if (!found) throw new HttpError('OPS_NOT_FOUND', `no dead letter '${at}'; ops-agent dead list shows them`)
  const when = new Date(found.replayedAt ?? 0).toISOString()
  throw new HttpError('OPS_CONFLICT', `dead letter '${at}' was sent in again at ${when}; if it failed, it is a new one`)
}

async function* deadRecordsOf(log: Log, topic: string): AsyncGenerator<LogRecord> {
  const dead = `${topic}.dead`
  let partitions: number
  try {
    partitions = await log.partitions(dead)
  } catch (error) {
    if (error instanceof MissingTopics) return
    throw error
  }
  for (let partition = 0; partition < partitions; partition++) yield* log.read(dead, partition, 0)
}

/** What a topic of ours holds. What a step made within a pipeline is none of it, and has no other way in. */
const schemas: Readonly<Record<string, z.ZodType>> = {
  [topics.logsByService]: LogLine,
  [topics.metricsByService]: Sample,
  [topics.anomalies]: Signal,
  [topics.incidents]: Incident,
}

function whyNot({ topic, headers, value }: LogRecord): string | undefined {
  const { 'ops-dead-bytes': bytes, 'ops-dead-step': step } = headers
  if (bytes !== undefined)
    return `of its ${bytes} bytes only the first were kept, as a record holds no more; have its sender send it again`
  const schema = schemas[topic.replace(/\.dead$/, '')]
  if (step === undefined || schema === undefined || schema.safeParse(jsonOf(value)).success) return undefined
  return `step '${step}' failed on what an earlier step had made of an event; run the telemetry again with replay --into`
}

function jsonOf(value: Buffer | null): unknown {
  try {
    return JSON.parse(String(value))
  } catch {
    return undefined
  }
}

/** The record as it came, and who it was. */
function original(dead: LogRecord, letters: readonly DeadSummary[]): NewRecord {
  const { topic, partition, appendedAt } = letters[0]!
  const { 'ops-dead-at': at = '', 'ops-dead-used': used, 'ops-dead-parts': parts = '[]', ...rest } = dead.headers
  const headers = Object.fromEntries(Object.entries(rest).filter(([name]) => !name.startsWith('ops-dead-')))
  // A record of which nothing was used, and that could not be taken apart, comes in whole.
  const isWhole =
    used === undefined && !(replayHeaders.parts in headers) && (JSON.parse(parts) as unknown[]).length <= 1
  return {
    topic,
    partition,
    key: dead.key,
    value: dead.value,
    headers: {
      [replayHeaders.of]: at,
      [replayHeaders.appended]: String(appendedAt),
      // What has been sent in before stays what it was at first.
      ...headers,
      ...(isWhole ? {} : { [replayHeaders.parts]: letters.map(({ index }) => index).join(',') }),
    },
  }
}

async function sendIn(
  { log, store, clock }: DeadReplayDoors,
  batch: readonly { record: NewRecord; letters: readonly DeadSummary[] }[],
): Promise<void> {
  if (batch.length === 0) return
  await log.append(batch.map(({ record }) => record))
  const replayed_at = Math.floor(clock.now())
  const rows: Row[] = batch.flatMap(({ letters }) =>
    letters.map(({ topic, partition, offset, index, step, originStream: origin_stream }) => ({
      ...{ topic, partition, offset, index, step, origin_stream, replayed_at },
    })),
  )
  await store.insert('dead_replays', rows)
}
