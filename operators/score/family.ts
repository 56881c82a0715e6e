import { type Forest, growForest, scoreRows } from './forest.ts'

/**
 * The windows of all series of a service, as rows of features that mean the same for each (distances in usual
 * deviations), and the forest grown on them. Rows of the next generation are gathered apart, so that the forest in use
 * can be grown again from this state alone. Survives JSON.
 */
export interface FamilyState {
  generation: number
  rows: number[][]
  fresh: number[][]
  /** Windows since the forest was last grown. */
  windows: number
}

export interface FamilyOptions {
  readonly trees: number
  /** Rows kept, and what each tree is grown on. */
  readonly sample: number
  /** Windows between two forests. */
  readonly retrainEvery: number
}

/** A forest with what it makes of the rows it was grown on: the score of the middle row, and of one in a hundred. */
export interface Judge {
  readonly generation: number
  readonly forest: Forest
  readonly usual: number
  readonly rare: number
}

export const newFamily = (): FamilyState => ({ generation: 0, rows: [], fresh: [], windows: 0 })

const fewest = 64

/** Rows that one window may add: no more than fill the next generation evenly. */
export const rowsPerWindow = ({ sample, retrainEvery }: FamilyOptions): number => Math.ceil(sample / retrainEvery)

/** Ends a window; true if the next generation has begun and the forest is to be grown anew. */
export function turn(state: FamilyState, { sample, retrainEvery }: FamilyOptions): boolean {
  state.windows++
  if (state.windows < retrainEvery || state.rows.length + state.fresh.length < fewest) return false
  state.rows = [...state.rows, ...state.fresh].slice(-sample)
  state.fresh = []
  state.windows = 0
  state.generation++
  return true
}

/** Grows the forest of the present generation; undefined while too few windows are known. */
export function appoint(state: FamilyState, { trees, sample }: FamilyOptions): Judge | undefined {
  if (state.generation === 0) return undefined
  const forest = growForest(state.rows, { trees, sample, seed: state.generation })
  const scores = scoreRows(forest, state.rows).sort()
  const usual = scores[Math.floor(scores.length / 2)]!
  const rare = scores[Math.floor(scores.length * 0.99)]!
  return { generation: state.generation, forest, usual, rare: Math.max(rare, usual + 0.02) }
}

/** How rare each row is: 0 as the middle one, 1 as the rarest in a hundred. */
export function vote({ forest, usual, rare }: Judge, rows: readonly (readonly number[])[]): number[] {
  return Array.from(scoreRows(forest, rows), score => (score - usual) / (rare - usual))
}
