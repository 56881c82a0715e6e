import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
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

/** What it is made of: how many saves, and how many entries those have written. */
export interface CheckpointExtent {
  readonly saves: number
  readonly written: number
}

export type LoadedCheckpoint = Checkpoint & CheckpointExtent

export interface CheckpointChanges {
  readonly next: number
  /** `entries` is the whole state, and what it lacks is gone. */
  readonly full: boolean
  /** Names with their JSON, or null where the name is gone; each once, and asked for as it is written. */
  readonly entries: Iterable<readonly [name: string, json: string | null]>
}

/** What a save wrote, and what the checkpoint is now made of. */
export interface Saved extends CheckpointExtent {
  readonly entries: number
  /** Characters of JSON. */
  readonly bytes: number
}

/**
 * Where state and offset of a partition are kept, as one consistent value. Whoever works on the same records computes
 * the same state, so a late write by a process that has lost its partition does no harm.
 */
export interface Checkpoints {
  /** The newest one that was written whole; undefined: never checkpointed. */
  load(at: CheckpointKey): Promise<LoadedCheckpoint | undefined>
  /**
   * Resolves once it is durable. Changes build on what this very object loaded or saved last; after a rejection that is
   * still what was before, so the next save has to be a full one. Names are not empty.
   */
  save(at: CheckpointKey, changes: CheckpointChanges): Promise<Saved>
}

/** One call of `save`: its name, and how many blocks and entries it wrote. */
type Save = readonly [id: string, blocks: number, entries: number]

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

/** The block that is written last and says which others count. */
const MANIFEST = 0
const FORMAT = 2

/** Characters of one block: a row holds many entries, so that a state of very many is few rows. */
const BLOCK = 256 * 1024
/** Blocks written by one insert, and read by one query. */
const BLOCKS = 8
/** How long the event loop may be held before others get their turn, in milliseconds. */
const TURN = 10

/**
 * Checkpoints in the table of that name. A save writes what changed in blocks of many entries, then the manifest: a row
 * with the next offset and the names of all saves since the last full one, its own included; a later save says more of
 * an entry than an earlier one. Blocks count only through a manifest that names their save, so what a crash or a process
 * without its partition leaves behind is never read; the manifest with the highest offset is the one that is valid. A
 * full save begins a new generation; those nobody needs are dropped now and then.
 */
export function storedCheckpoints(store: Store, options: StoredCheckpointsOptions = {}): Checkpoints {
  const { writer = randomUUID(), pruneEvery = 8 } = options
  const chains = new Map<string, Chain>()
  const fulls = new Map<string, number>()
  let saves = 0
  return {
    async load(at) {
      const found = await newest(store, at)
      if (!found) return undefined
      chains.set(nameOf(at), found.manifest)
      return { next: found.manifest.next, entries: found.entries, ...extentOf(found.manifest) }
    },

    async save(at, { next, full, entries }) {
      const known = chains.get(nameOf(at))
      if (!full && !known)
        throw new Error(`checkpoint of ${nameOf(at)}: changes build on nothing; load it, or save the whole state first`)
      const before = known ?? (await manifestsOf(store, at))[0]
      const id = `${writer}/${++saves}`
      const place = { generation: full || !before ? next : before.generation, sequence: (before?.sequence ?? 0) + 1 }
      const row = (block: number, value: string): Row => ({
        ...{ pipeline: at.pipeline, topic: at.topic, partition: at.partition, ...place, save: id, block, next, value },
      })
      const size = await insertAll(store, entries, row)
      const earlier = full ? [] : (before?.saves ?? [])
      const chain: Chain = { ...place, saves: [...earlier, [id, size.blocks, size.entries]] }
      await store.insert('checkpoints', [row(MANIFEST, JSON.stringify({ format: FORMAT, saves: chain.saves }))])
      chains.set(nameOf(at), chain)
      if (full) await pruneNowAndThen(at)
      return { entries: size.entries, bytes: size.bytes, ...extentOf(chain) }
    },
  }

  async function pruneNowAndThen(at: CheckpointKey): Promise<void> {
    const count = (fulls.get(nameOf(at)) ?? 0) + 1
    fulls.set(nameOf(at), count)
    if (count % pruneEvery === 0) await prune(store, at)
  }
}

/** Writes the entries block by block, giving way to others in between. */
async function insertAll(
  store: Store,
  entries: CheckpointChanges['entries'],
  row: (block: number, value: string) => Row,
): Promise<{ blocks: number; entries: number; bytes: number }> {
  const total = { blocks: 0, entries: 0, bytes: 0 }
  let rows: Row[] = []
  let lines: string[] = []
  let size = 0
  const cut = (): void => {
    rows.push(row(++total.blocks, packed(lines.join('\n'))))
    lines = []
    size = 0
  }
  let turn = performance.now()
  for (const [name, json] of entries) {
    const line = lineOf(name, json)
    lines.push(line)
    size += line.length
    total.entries++
    total.bytes += json?.length ?? 0
    if (size >= BLOCK) cut()
    if (rows.length >= BLOCKS) {
      await store.insert('checkpoints', rows)
      rows = []
    } else if (performance.now() - turn < TURN) continue
    else await setImmediate()
    turn = performance.now()
  }
  if (lines.length > 0) cut()
  await store.insert('checkpoints', rows)
  return total
}

const extentOf = ({ saves }: Chain): CheckpointExtent => ({
  saves: saves.length,
  written: saves.reduce((sum, [, , entries]) => sum + entries, 0),
})

const nameOf = ({ pipeline, topic, partition }: CheckpointKey): string => `${pipeline} ${topic}/${partition}`

const HERE = 'pipeline = {pipeline:String} AND topic = {topic:String} AND partition = {partition:UInt32}'

async function newest(
  store: Store,
  at: CheckpointKey,
): Promise<{ manifest: Manifest; entries: Map<string, string> } | undefined> {
  const manifests = await manifestsOf(store, at)
  for (const manifest of manifests) {
    const entries = await entriesOf(store, at, manifest)
    if (entries) return { manifest, entries }
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
     WHERE ${HERE} AND block = 0 ORDER BY next DESC, sequence DESC, save DESC LIMIT 1 BY save LIMIT 5`,
    { ...at },
  )
  return rows.map(({ value, ...rest }) => {
    const { format, saves } = JSON.parse(value) as { format: number; saves: Save[] }
    if (format !== FORMAT)
      throw new Error(
        `checkpoint of ${nameOf(at)}: it has format ${format}, and this ops-agent reads ${FORMAT}; ` +
          (format > FORMAT ? 'upgrade it' : 'delete the rows of the table checkpoints to start afresh'),
      )
    return { ...rest, saves }
  })
}

interface Block {
  readonly sequence: number
  readonly save: string
  readonly block: number
  readonly value: string
}

/** What the saves of a manifest say together; undefined: blocks of one are missing, for it was dropped meanwhile. */
async function entriesOf(
  store: Store,
  at: CheckpointKey,
  manifest: Manifest,
): Promise<Map<string, string> | undefined> {
  const { generation, saves } = manifest
  const entries = new Map<string, string>()
  const missing = new Map(saves.map(([id, blocks]) => [id, blocks]))
  const chain = { ...at, generation, saves: saves.map(([id]) => id), page: BLOCKS }
  let last: Omit<Block, 'value'> = { sequence: 0, save: '', block: 0 }
  for (;;) {
    const rows = await store.query<Block>(
      `SELECT sequence, save, block, value FROM checkpoints
       WHERE ${HERE} AND generation = {generation:UInt64} AND block > 0 AND save IN {saves:Array(String)}
         AND (sequence, save, block) > ({sequence:UInt32}, {save:String}, {block:UInt32})
       ORDER BY sequence, save, block LIMIT 1 BY sequence, save, block LIMIT {page:UInt32}`,
      { ...chain, sequence: last.sequence, save: last.save, block: last.block },
    )
    for (const { save, value } of rows) {
      for (const line of unpacked(value).split('\n')) note(entries, line)
      missing.set(save, missing.get(save)! - 1)
      await setImmediate()
    }
    if (rows.length < BLOCKS) break
    last = rows.at(-1)!
  }
  return [...missing.values()].every(blocks => blocks === 0) ? entries : undefined
}

/**
 * Drops the generations before that of the valid checkpoint. Which that is, is asked and not remembered: a process that
 * has lost its partition may not take the ground from under the one that has it.
 */
async function prune(store: Store, at: CheckpointKey): Promise<void> {
  const generations = await store.query<{ generation: number }>(
    `SELECT DISTINCT generation FROM checkpoints WHERE ${HERE} AND generation < (
       SELECT generation FROM checkpoints WHERE ${HERE} AND block = 0 ORDER BY next DESC, sequence DESC LIMIT 1)`,
    { ...at },
  )
  const text = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  for (const { generation } of generations)
    await store.command(
      `ALTER TABLE checkpoints DROP PARTITION (${text(at.pipeline)}, ${text(at.topic)}, ${at.partition}, ${generation})`,
    )
}

// States are very much alike: packed here they are a tenth, and the store has that much less to read and to pack itself.
const fast = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
const packed = (text: string): string => zstdCompressSync(Buffer.from(text), fast).toString('base64')
const unpacked = (value: string): string => zstdDecompressSync(Buffer.from(value, 'base64')).toString()

/** An entry as a line of a block. JSON has no line break and no tab outside of its texts, and in those they are escaped. */
function lineOf(name: string, json: string | null): string {
  if (name === '') throw new Error('checkpoint: an entry without a name')
  return `${JSON.stringify(name)}\t${json ?? ''}`
}

function note(entries: Map<string, string>, line: string): void {
  const cut = line.indexOf('\t')
  const name = JSON.parse(line.slice(0, cut)) as string
  const json = line.slice(cut + 1)
  if (json === '') entries.delete(name)
  else entries.set(name, json)
}

/** Checkpoints that are gone with the process; for tests and for what need not survive. */
export function memoryCheckpoints(): Checkpoints {
  const kept = new Map<string, LoadedCheckpoint>()
  return {
    async load(at) {
      const checkpoint = kept.get(nameOf(at))
      return checkpoint && { ...checkpoint, entries: new Map(checkpoint.entries) }
    },
    async save(at, { next, full, entries }) {
      const before = kept.get(nameOf(at))
      if (!before && !full)
        throw new Error(`checkpoint of ${nameOf(at)}: changes build on nothing; load it, or save the whole state first`)
      const state = new Map(full ? [] : before?.entries)
      const size = { entries: 0, bytes: 0 }
      for (const [name, json] of entries) {
        if (json === null) state.delete(name)
        else state.set(name, json)
        size.entries++
        size.bytes += json?.length ?? 0
      }
      const extent = full || !before ? { saves: 0, written: 0 } : before
      const grown = { saves: extent.saves + 1, written: extent.written + size.entries }
      if (!before || before.next <= next) kept.set(nameOf(at), { next, entries: state, ...grown })
      return { ...size, ...grown }
    },
  }
}
