import { type Assessment, type BaselineState, line } from './baseline.ts'

export interface Vote {
  readonly name: string
  readonly score: number
  readonly why: string
}

/** Score from which one window is enough. */
const extreme = 4
/** Bursts so short are a series' way of life once there were some of them; then only what lasts longer is anomalous. */
const shortBurst = 3
const usualBursts = 1.5
const burstFades = 0.002

/**
 * One score of several voters; 1 is the line. The distance from the baseline is the score. The others move it: a trend
 * or an unrest beyond the usual raises it, and so does a forest that finds the window rare; a forest that finds it
 * ordinary lowers it by at most a quarter. None of them makes an anomaly of a level that is not out of the ordinary.
 */
export function combine(
  { distance, trend, unrest }: Assessment,
  describe: string,
  forest: number | undefined,
): { score: number; votes: Vote[] } {
  const level = Math.abs(distance) / line
  const votes: Vote[] = [{ name: 'baseline', score: level, why: describe }]
  let factor = 1
  const climb = trend * distance > 0 ? Math.abs(trend) / line : 0
  if (climb > 1) {
    factor += 0.5 * Math.min(1, climb - 1)
    const way = trend > 0 ? 'rising' : 'falling'
    votes.push({ name: 'trend', score: climb, why: `${way} over the last windows as it usually does not` })
  }
  const stir = unrest / line
  if (stir > 1) {
    factor += 0.25 * Math.min(1, stir - 1)
    votes.push({ name: 'unrest', score: stir, why: 'more restless inside the window than usual' })
  }
  if (forest !== undefined) {
    factor += 0.25 * Math.max(-1, Math.min(1, 2 * forest - 1))
    const why =
      forest >= 1 ? 'as rare as the rarest of a hundred windows' : 'together with its neighbours, nothing rare'
    votes.push({ name: 'forest', score: Math.max(0, forest), why: `${why} of this service` })
  }
  return { score: level * factor, votes }
}

/**
 * The score that is told: at or above 1 only if two of the last three windows were beyond the line, or this one is far
 * beyond. A series known for short bursts has to stay beyond for longer than those.
 */
export function confirm(state: BaselineState, score: number): number {
  const before = state.beyond
  const beyond = score >= 1
  state.beyond = ((before << 1) | (beyond ? 1 : 0)) & 7
  state.bursts = Math.max(0, Number((state.bursts - burstFades).toFixed(3)))
  if (beyond) state.run++
  else if ((state.beyond & 3) === 0 && state.run > 0) {
    if (state.run <= shortBurst) state.bursts = Math.min(8, state.bursts + 1)
    state.run = 0
  }
  if (!beyond) return score
  const enough = state.bursts >= usualBursts ? state.run > shortBurst : (before & 3) !== 0 || score >= extreme
  return enough ? score : Math.min(score, 0.99)
}
