import { Unreadable } from './decoded.ts'

/** `counts[i]` is how many fell above `bounds[i - 1]` and at or below `bounds[i]`; the last one is above all bounds. */
export interface Buckets {
  readonly bounds: number[]
  readonly counts: number[]
}

/** One side of an exponential histogram: bucket `i` holds `(base^(offset+i), base^(offset+i+1)]`, base = 2^(2^-scale). */
export interface Side {
  readonly offset: number
  readonly counts: readonly number[]
}

/**
 * Checks explicit buckets. No bounds: only the total is known, and there are no buckets.
 * @throws {Unreadable} if the lengths do not fit or the bounds do not grow
 */
export function checkedBuckets(bounds: number[], counts: number[]): Buckets | undefined {
  if (bounds.length === 0) return undefined
  if (counts.length !== bounds.length + 1)
    throw new Unreadable(
      'wrong-type',
      `bucketCounts has ${counts.length} numbers, explicitBounds ${bounds.length}; it takes one more`,
    )
  for (let i = 0; i < bounds.length; i++)
    if (!Number.isFinite(bounds[i]) || (i > 0 && bounds[i]! <= bounds[i - 1]!))
      throw new Unreadable('wrong-type', `explicitBounds[${i}] is not above the one before it`)
  if (counts.some(count => !(count >= 0 && Number.isFinite(count))))
    throw new Unreadable('wrong-type', 'bucketCounts has a number that is no count')
  return { bounds, counts }
}

/** Eight buckets a power of two: a bound is at most 9.1 % above the one before. */
const finestScale = 3

/**
 * An exponential histogram as explicit buckets. Senders refine and shift their buckets as values come; so that two points
 * of a series can be compared, finer scales are merged to 2^(1/8), whose bounds are always the same numbers, and a side
 * begins and ends at a whole power of two.
 */
export function explicitBuckets(scale: number, zeroCount: number, positive: Side, negative: Side): Buckets | undefined {
  const above = merged(scale, positive)
  const below = merged(scale, negative)
  if (above.counts.length === 0 && below.counts.length === 0) return undefined
  const bound = (index: number): number => 2 ** (index / 2 ** Math.min(scale, finestScale))
  const bounds: number[] = []
  const counts: number[] = []
  const add = (upper: number, count: number): void => {
    bounds.push(upper)
    counts.push(count)
  }
  if (below.counts.length > 0) {
    add(-bound(below.offset + below.counts.length), 0)
    for (let i = below.counts.length - 1; i >= 0; i--) add(-bound(below.offset + i), below.counts[i]!)
  }
  add(above.counts.length > 0 ? bound(above.offset) : 0, zeroCount)
  above.counts.forEach((count, i) => {
    add(bound(above.offset + i + 1), count)
  })
  return checkedBuckets(bounds, [...counts, 0])
}

function merged(scale: number, side: Side): Side {
  if (
    !Number.isInteger(scale) ||
    !Number.isInteger(side.offset) ||
    Math.abs(side.offset) > 2 ** 31 ||
    Math.abs(scale) > 40
  )
    throw new Unreadable('wrong-type', 'scale or offset of an exponential histogram is no small integer')
  if (side.counts.length === 0) return side
  const width = 2 ** Math.max(0, scale - finestScale)
  const octave = 2 ** Math.max(0, Math.min(scale, finestScale))
  const first = Math.floor(side.offset / width)
  const last = Math.floor((side.offset + side.counts.length - 1) / width)
  const offset = Math.floor(first / octave) * octave
  const counts = new Array<number>(Math.ceil((last + 1) / octave) * octave - offset).fill(0)
  side.counts.forEach((count, i) => {
    const index = Math.floor((side.offset + i) / width) - offset
    counts[index] = counts[index]! + count
  })
  return { offset, counts }
}

/** The sum of a histogram that does not tell it, from the middles of its buckets. */
export function estimatedSum({ bounds, counts }: Buckets): number {
  let sum = 0
  for (const [i, count] of counts.entries()) {
    const upper = bounds[i] ?? bounds[i - 1]!
    const lower = i === 0 ? Math.min(0, upper) : bounds[i - 1]!
    sum += (count * (lower + upper)) / 2
  }
  return sum
}
