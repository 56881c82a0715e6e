import { randomUUID } from 'node:crypto'
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
  /**
   * Resolves once it is durable; after a rejection the same call may be made again. Changes build on what this very
   * object loaded or saved last. Names are not empty.
   */
  save(at: CheckpointKey, changes: CheckpointChanges): Promise<void>
}

/** One call of `save`: its name, and how many entries it wrote. */
type Save = readonly [id: string, rows: number]

/** The saves that make up a checkpoint, the full one first. */
interface Chain {
  readonly generation: number
  /** How many saves the partition has had: tells two of the same offset apart. */
  readonly sequence: number
  readonly saves: readonly Save[]
}

interface Manifest extends Chain {
  readonly next: number
}

export interface StoredCheckpointsOptions {
  /** Tells the saves of this process from those of all others. */
  readonly writer?: string
  /** Full saves of a partition between two looks for what can be dropped. */
  readonly pruneEvery?: number
}

/** The entry of the row that is written last and says which others count. */
const MANIFEST = ''
const FORMAT = 1

/** Entries read by one query: what its rows weigh is what the event loop is held for. */
const PAGE = 1_000

/**
 * Checkpoints in the table of that name. A save writes the entries that changed, then the manifest: a row with the next
 * offset and the names of all saves since the last full one, its own included. Rows count only through a manifest that
 * names their save, so what a crash or a process without its partition leaves behind is never read; the manifest with
 * the highest offset is the one that is valid. A full save begins a new generation; those nobody needs are
 * dropped now and then.
 */
export function storedCheckpoints(store: Store, options: StoredCheckpointsOptions = {}): Checkpoints {
  const { writer = randomUUID(), pruneEvery = 8 } = options
  const chains = new Map<string, Chain>()
  const fulls = new Map<string, number>()
  let saves = 0
  return {
    async load(at) {
      const found = await newest(store, at)
      if (found) chains.set(nameOf(at), found.manifest)
      return found && { next: found.manifest.next, entries: found.entries }
    },

    async save(at, { next, full, changed, removed }) {
      const known = chains.get(nameOf(at))
      if (!full && !known)
        throw new Error(`checkpoint of ${nameOf(at)}: changes build on nothing; load it, or save the whole state first`)
      const before = known ?? (await manifestsOf(store, at))[0]
      const id = `${writer}/${++saves}`
      const chain = following(before, next, full, [id, changed.size + removed.length])
      const row = (entry: string, value: string, gone: boolean): Row => ({
        ...{ pipeline: at.pipeline, topic: at.topic, partition: at.partition, generation: chain.generation, entry },
        ...{ save: id, sequence: chain.sequence, next, removed: gone, value },
      })
      const entries = [...changed].map(([name, json]) => row(written(name), json, false))
      for (const name of removed) entries.push(row(written(name), '', true))
      await store.insert('checkpoints', entries)
      const manifest = JSON.stringify({ format: FORMAT, saves: chain.saves })
      await store.insert('checkpoints', [row(MANIFEST, manifest, false)])
      chains.set(nameOf(at), chain)
      if (!full) return
      const count = (fulls.get(nameOf(at)) ?? 0) + 1
      fulls.set(nameOf(at), count)
      if (count % pruneEvery === 0) await prune(store, at)
    },
  }
}

const nameOf = ({ pipeline, topic, partition }: CheckpointKey): string => `${pipeline} ${topic}/${partition}`

function following(before: Chain | undefined, next: number, full: boolean, save: Save): Chain {
  const sequence = (before?.sequence ?? 0) + 1
  return full || !before
    ? { generation: next, sequence, saves: [save] }
    : { generation: before.generation, sequence, saves: [...before.saves, save] }
}

const HERE = 'pipeline = {pipeline:String} AND topic = {topic:String} AND partition = {partition:UInt32}'

async function newest(
  store: Store,
  at: CheckpointKey,
): Promise<{ manifest: Manifest; entries: Map<string, string> } | undefined> {
  const manifests = await manifestsOf(store, at)
  for (const manifest of manifests) {
    const entries = await entriesOf(store, at, manifest)
    // Looked at afterwards: a full save elsewhere may have dropped the generation while it was being read.
    if (await isComplete(store, at, manifest)) return { manifest, entries }
  }
  if (manifests.length === 0) return undefined
  throw new Error(
    `checkpoint of ${nameOf(at)} in ${store.address}: entries of it are missing; restore the table checkpoints, or delete its rows to start afresh`,
  )
}

/** Newest first. One is enough but for a drop in the middle of a load. */
async function manifestsOf(store: Store, at: CheckpointKey): Promise<Manifest[]> {
  const rows = await store.query<Omit<Manifest, 'saves'> & { value: string }>(
    `SELECT next, generation, sequence, value FROM checkpoints
     WHERE ${HERE} AND entry = '' ORDER BY next DESC, sequence DESC, save DESC LIMIT 1 BY save LIMIT 5`,
    { ...at },
  )
  return rows.map(({ value, ...rest }) => {
    const { format, saves } = JSON.parse(value) as { format: number; saves: Save[] }
    if (format !== FORMAT)
      throw new Error(
        `checkpoint of ${nameOf(at)}: it has format ${format}, and this ops-agent reads ${FORMAT}; upgrade it`,
      )
    return { ...rest, saves }
  })
}

async function entriesOf(
  store: Store,
  at: CheckpointKey,
  { generation, saves }: Manifest,
): Promise<Map<string, string>> {
  const entries = new Map<string, string>()
  const chain = { ...at, generation, saves: saves.map(([id]) => id), page: PAGE }
  for (let after = MANIFEST; ; ) {
    const rows = await store.query<{ entry: string; value: string; removed: boolean }>(
      `SELECT entry, value, removed FROM checkpoints
       WHERE ${HERE} AND generation = {generation:UInt64} AND entry > {after:String} AND save IN {saves:Array(String)}
       ORDER BY entry, sequence DESC LIMIT 1 BY entry LIMIT {page:UInt32}`,
      { ...chain, after },
    )
    for (const { entry, value, removed } of rows) if (!removed) entries.set(read(entry), value)
    if (rows.length < PAGE) return entries
    after = rows.at(-1)!.entry
  }
}

async function isComplete(store: Store, at: CheckpointKey, { generation, saves }: Manifest): Promise<boolean> {
  const rows = await store.query<{ save: string; rows: number }>(
    `SELECT save, uniqExact(entry) AS rows FROM checkpoints
     WHERE ${HERE} AND generation = {generation:UInt64} AND entry != '' AND save IN {saves:Array(String)} GROUP BY save`,
    { ...at, generation, saves: saves.map(([id]) => id) },
  )
  const found = new Map(rows.map(row => [row.save, row.rows]))
  return saves.every(([id, count]) => (found.get(id) ?? 0) === count)
}

/**
 * Drops the generations before that of the valid checkpoint. Which that is, is asked and not remembered: a process that
 * has lost its partition may not take the ground from under the one that has it.
 */
async function prune(store: Store, at: CheckpointKey): Promise<void> {
  const generations = await store.query<{ generation: number }>(
    `SELECT DISTINCT generation FROM checkpoints WHERE ${HERE} AND generation < (
       SELECT generation FROM checkpoints WHERE ${HERE} AND entry = '' ORDER BY next DESC, sequence DESC LIMIT 1)`,
    { ...at },
  )
  const text = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  for (const { generation } of generations)
    await store.command(
      `ALTER TABLE checkpoints DROP PARTITION (${text(at.pipeline)}, ${text(at.topic)}, ${at.partition}, ${generation})`,
    )
}

/** A name as it is stored: the store keeps no half surrogate pairs, and the state of such a key must be found again. */
function written(name: string): string {
  if (name === MANIFEST) throw new Error('checkpoint: an entry without a name')
  return name.isWellFormed() && !name.startsWith('"') ? name : JSON.stringify(name)
}

const read = (entry: string): string => (entry.startsWith('"') ? (JSON.parse(entry) as string) : entry)

/** Checkpoints that are gone with the process; for tests and for what need not survive. */
export function memoryCheckpoints(): Checkpoints {
  const kept = new Map<string, Checkpoint>()
  return {
    async load(at) {
      const checkpoint = kept.get(nameOf(at))
      return checkpoint && { next: checkpoint.next, entries: new Map(checkpoint.entries) }
    },
    async save(at, { next, full, changed, removed }) {
      const before = kept.get(nameOf(at))
      if (!before && !full)
        throw new Error(`checkpoint of ${nameOf(at)}: changes build on nothing; load it, or save the whole state first`)
      if (before && before.next > next) return
      const entries = new Map(full ? [] : before?.entries)
      for (const [name, json] of changed) entries.set(name, json)
      for (const name of removed) entries.delete(name)
      kept.set(nameOf(at), { next, entries })
    },
  }
}
