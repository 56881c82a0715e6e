import type { Ledger } from './run.ts'

/** Where a record stands. `live`: it was written after we began to own the partition; what is older only informs. */
export interface Position {
  readonly partition: number
  readonly offset: number
  readonly live: boolean
}

/** All an executor knows of a partition, for its checkpoint. */
export interface ExecutorState {
  readonly offset: number
  readonly ledgers: Readonly<Record<string, Ledger>>
}

/** One partition while it is ours. */
export interface Owned {
  offset: number
  readonly ledgers: Map<string, Ledger>
  readonly stop: AbortController
  /** Runs being worked on; true: something has happened meanwhile. */
  readonly busy: Map<string, boolean>
  /** What we have written for a run and not read back yet. */
  readonly pending: Map<string, string>
  /** Intents we have written and not acted upon yet. */
  readonly mine: Set<string>
  /** Intents that appeared while we owned the partition: if not ours, somebody else is acting now. */
  readonly seenLive: Set<string>
  readonly timers: Map<string, AbortController>
  readonly work: Set<Promise<void>>
}

/** A partition that has just become ours, as of the state of its checkpoint. What was under way before is not ours. */
export function own(state: ExecutorState): Owned {
  return {
    offset: state.offset,
    ledgers: new Map(Object.entries(structuredClone(state.ledgers))),
    stop: new AbortController(),
    busy: new Map(),
    pending: new Map(),
    mine: new Set(),
    seenLive: new Set(),
    timers: new Map(),
    work: new Set(),
  }
}
