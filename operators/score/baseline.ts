import { quantile } from '../quantile.ts'

/**
 * What is known of one series: the levels of its recent normal windows, and, while it is anomalous, those of the windows
 * since, set aside so that they do not become normal too soon. Survives JSON.
 */
export interface BaselineState {
  /** Levels of normal windows, oldest first. */
  ring: number[]
  /** Levels since an anomaly began, oldest first, and how many there were in all. */
  aside: number[]
  asideCount: number
  /** The newest windows as bits, newest last: 1 where the level was beyond the line. */
  beyond: number
  /** Windows beyond the line since the level left it. */
  run: number
  /** How often it left the line and was back within a few windows; fades. */
  bursts: number
  /** Mean and mean absolute deviation of the logarithm of the spread inside a window; null before the first. */
  spread: { mean: number; deviation: number } | null
}

export interface BaselineOptions {
  /** Normal windows remembered. */
  readonly memory: number
  /** Windows before the first verdict. */
  readonly warmup: number
  /** Windows after which a lasting shift is the new normal. */
  readonly learnAfter: number
}

/** One window of a series. */
export interface Observation {
  readonly level: number
  /** Deviation inside the window; undefined where there are too few points to tell. */
  readonly spread: number | undefined
  /** The least size of one usual deviation of a series with this median: below it a change is of no interest. */
  readonly floor: (median: number) => number
}

/** What the baseline makes of a window, in usual deviations. */
export interface Assessment {
  /** False during warm-up: then all is 0. */
  readonly ready: boolean
  readonly expected: { readonly yhat: number; readonly lower: number; readonly upper: number }
  /** Signed distance from the median. */
  readonly distance: number
  /** Signed distance from the level before. */
  readonly jump: number
  /** Signed rise over the last windows. */
  readonly trend: number
  /** Signed distance of the spread inside the window from the usual one. */
  readonly unrest: number
}

/** Distance from the median at which a level alone is anomalous. */
export const line = 6
const trendWindows = 12

export const newBaseline = (): BaselineState => ({
  ring: [],
  aside: [],
  asideCount: 0,
  beyond: 0,
  run: 0,
  bursts: 0,
  spread: null,
})

/**
 * Compares a window with those before it, never with itself. The scale of a usual deviation is taken on either side of
 * the median apart, for latencies and rates are skew, as the largest of 1.48 times the median absolute deviation, the
 * distance of the outer decile, and the floor; it is wider while few windows are known.
 */
export function assess(state: BaselineState, { level, spread, floor }: Observation, warmup: number): Assessment {
  const { ring } = state
  if (ring.length < warmup) {
    const expected = { yhat: level, lower: level, upper: level }
    return { ready: false, expected, distance: 0, jump: 0, trend: 0, unrest: 0 }
  }
  const sorted = ring.toSorted((a, b) => a - b)
  const median = quantile(sorted, 0.5)
  const widening = 1 + 3 / ring.length
  const least = floor(median)
  const below = widening * sideScale(sorted.map(value => median - value).reverse(), least)
  const above =
    widening *
    sideScale(
      sorted.map(value => value - median),
      least,
    )
  const recent = state.aside.length > 0 ? state.aside : ring
  const noise = noiseOf(ring, least)
  return {
    ready: true,
    expected: { yhat: median, lower: median - line * below, upper: median + line * above },
    distance: ratio(level - median, level < median ? below : above),
    jump: ratio(level - recent.at(-1)!, noise),
    trend: trendOf(state, level, noise),
    unrest: unrestOf(state.spread, spread, least),
  }
}

/**
 * Takes the window in. Normal levels join the ring; levels beyond the line are cut to it, so that a blip does not shift
 * the baseline; anomalous ones are set aside, and replace the ring once they have lasted for `learnAfter` windows.
 */
export function learn(
  state: BaselineState,
  { level, spread, floor }: Observation,
  assessment: Assessment,
  anomalous: boolean,
  { memory, learnAfter }: BaselineOptions,
): void {
  const { lower, upper } = assessment.expected
  if (anomalous) {
    push(state.aside, short(level), memory)
    state.asideCount++
    if (state.asideCount >= learnAfter) {
      state.ring = state.aside
      forgetEpisode(state)
      state.beyond = 0
    }
    return
  }
  push(state.ring, short(assessment.ready ? Math.min(upper, Math.max(lower, level)) : level), memory)
  if ((state.beyond & 7) === 0) forgetEpisode(state)
  if (spread === undefined) return
  const size = Math.log(spread + floor(level) + Number.MIN_VALUE)
  if (!Number.isFinite(size)) return
  if (state.spread === null) state.spread = { mean: short(size), deviation: 0.5 }
  else {
    const off = size - state.spread.mean
    state.spread.mean = short(state.spread.mean + off / 20)
    state.spread.deviation = short(state.spread.deviation + (Math.abs(off) - state.spread.deviation) / 20)
  }
}

function forgetEpisode(state: BaselineState): void {
  state.aside = []
  state.asideCount = 0
}

/** Scale of one side, from distances whose upper half lies on that side, smallest first. */
function sideScale(distances: readonly number[], least: number): number {
  const side = distances.slice(Math.floor(distances.length / 2))
  return Math.max(1.4826 * quantile(side, 0.5), quantile(side, 0.8) / 1.2816, least)
}

/** What one window usually differs from the next by, as a deviation. */
function noiseOf(ring: readonly number[], least: number): number {
  const steps = ring.slice(1).map((value, at) => Math.abs(value - ring[at]!))
  return Math.max(
    (1.4826 *
      quantile(
        steps.sort((a, b) => a - b),
        0.5,
      )) /
      Math.SQRT2,
    least,
  )
}

/**
 * Rise of the line through the last windows in terms of the noise, or of the largest rise of the past half-way, so that
 * a series that climbs and falls all day is not told for it.
 */
function trendOf(state: BaselineState, level: number, noise: number): number {
  const past = [...state.ring, ...state.aside]
  const newest = [...past.slice(1 - trendWindows), level]
  if (newest.length < trendWindows) return 0
  let usual = noise
  for (let end = past.length - trendWindows; end >= trendWindows; end -= trendWindows)
    usual = Math.max(usual, Math.abs(rise(past.slice(end - trendWindows, end))) / 3)
  return ratio(rise(newest), usual)
}

/** How far the least-squares line through the values climbs from the first to the last. */
function rise(values: readonly number[]): number {
  const middle = (values.length - 1) / 2
  let product = 0
  let square = 0
  values.forEach((value, at) => {
    product += (at - middle) * value
    square += (at - middle) ** 2
  })
  return (product / square) * (values.length - 1)
}

function unrestOf(usual: BaselineState['spread'], spread: number | undefined, least: number): number {
  if (usual === null || spread === undefined) return 0
  const size = Math.log(spread + least + Number.MIN_VALUE)
  return Number.isFinite(size) ? ratio(size - usual.mean, 1.25 * Math.max(usual.deviation, 0.2)) : 0
}

const most = 1_000

/** Without any scale to go by, a change is of twice the line: clear, and in need of a second window to be believed. */
function ratio(difference: number, scale: number): number {
  if (difference === 0) return 0
  if (scale <= 0) return Math.sign(difference) * 2 * line
  return Math.max(-most, Math.min(most, difference / scale))
}

function push(values: number[], value: number, most: number): void {
  values.push(value)
  if (values.length > most) values.splice(0, values.length - most)
}

/** Six digits: more would say nothing and weigh in every checkpoint. */
export const short = (value: number): number => Number(value.toPrecision(6))
