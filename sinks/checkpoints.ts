import type { Row, Store } from './store.ts'

/** One partition of one pipeline. */
export interface CheckpointKey {
  readonly pipeline: string
  readonly topic: string
  readonly partition: number
}

/** State as of the records before `next`: names to JSON texts. */
export interface Checkpoint {
  readonly next: number
  readonly entries: Map<string, string>
}

export interface CheckpointChanges {
  readonly next: number
  /** `changed` is the whole state, and what it lacks is gone. */
  readonly full: boolean
  readonly changed: ReadonlyMap<string, string>
  readonly removed: readonly string[]
}

/**
 * Where state and offset of a partition are kept, as one consistent value. Whoever works on the same records computes
 * the same state, so a late write by a process that has lost its partition does no harm.
 */
export interface Checkpoints {
  /** The newest one that was written whole; undefined: never checkpointed. */
  load(at: CheckpointKey): Promise<Checkpoint | undefined>
  /** Resolves once it is durable. `next` must not be below that of the checkpoint it builds on. */
  save(at: CheckpointKey, changes: CheckpointChanges): Promise<void>
}

/** The name of the row that is written last and makes the others count. */
const MANIFEST = ''

/** Checkpoints in the table of that name: what changed, then the manifest. */
export function storedCheckpoints(store: Store): Checkpoints {
  return {
    async load(at) {
      const [manifest] = await store.query<{ next: number; whole: number }>(
        `SELECT next, whole FROM checkpoints FINAL WHERE ${HERE} AND name = '' ORDER BY next DESC LIMIT 1`,
        { ...at },
      )
      if (!manifest) return undefined
      const rows = await store.query<{ name: string; json: string; gone: boolean }>(
        `SELECT name, argMax(json, next) AS json, argMax(gone, next) AS gone FROM checkpoints
         WHERE ${HERE} AND next >= {whole:UInt64} AND next <= {next:UInt64} AND name != '' GROUP BY name`,
        { ...at, ...manifest },
      )
      const entries = new Map(rows.filter(({ gone }) => !gone).map(({ name, json }) => [name, json]))
      return { next: manifest.next, entries }
    },

    async save(at, { next, full, changed, removed }) {
      const whole = full ? next : await wholeBefore(store, at)
      const row = (name: string, json: string, gone: boolean): Row => ({ ...at, next, name, json, gone, whole })
      const rows = [
        ...[...changed].map(([name, json]) => row(name, json, false)),
        ...removed.map(name => row(name, '', true)),
      ]
      await store.insert('checkpoints', rows)
      await store.insert('checkpoints', [row(MANIFEST, '', false)])
      if (full) await store.command(forget(at, next))
    },
  }
}

const HERE = 'pipeline = {pipeline:String} AND topic = {topic:String} AND partition = {partition:UInt32}'

async function wholeBefore(store: Store, at: CheckpointKey): Promise<number> {
  const [manifest] = await store.query<{ whole: number }>(
    `SELECT whole FROM checkpoints FINAL WHERE ${HERE} AND name = '' ORDER BY next DESC LIMIT 1`,
    { ...at },
  )
  if (!manifest) throw new Error(`checkpoint of ${at.pipeline} ${at.topic}/${at.partition}: the first must be whole`)
  return manifest.whole
}

/** Older states are of no use once a whole one stands; lightweight, and lazily merged away. */
function forget({ pipeline, topic, partition }: CheckpointKey, next: number): string {
  const text = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  return `DELETE FROM checkpoints WHERE pipeline = ${text(pipeline)} AND topic = ${text(topic)} AND partition = ${partition} AND next < ${next}`
}

/** Checkpoints that are gone with the process; for tests and for what need not survive. */
export function memoryCheckpoints(): Checkpoints {
  const kept = new Map<string, Checkpoint>()
  const nameOf = ({ pipeline, topic, partition }: CheckpointKey): string => `${pipeline}\n${topic}\n${partition}`
  return {
    async load(at) {
      const checkpoint = kept.get(nameOf(at))
      return checkpoint && { next: checkpoint.next, entries: new Map(checkpoint.entries) }
    },
    async save(at, { next, full, changed, removed }) {
      const before = kept.get(nameOf(at))
      if (before && before.next > next) return
      const entries = new Map(full ? [] : before?.entries)
      for (const [name, json] of changed) entries.set(name, json)
      for (const name of removed) entries.delete(name)
      kept.set(nameOf(at), { next, entries })
    },
  }
}
