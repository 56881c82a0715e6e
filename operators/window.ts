import { z } from 'zod'
import type { EventTime } from './operator.ts'

/** `[start, end)` in event time. */
export interface Window {
  readonly start: EventTime
  readonly end: EventTime
}

const units: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/**
 * Reads `250ms`, `30s`, `5m`, `1h30m`, `7d` as milliseconds.
 * @throws {Error} naming the text, if it is not a duration
 */
export function milliseconds(text: string): number {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d|w))+$/.test(text))
    throw new Error(`'${text}' is not a duration such as 250ms, 30s, 5m, 1h`)
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g))
    total += Number(amount) * (units[unit!] ?? 0)
  return total
}

/** A length of time: `30s` at the edge, milliseconds inside. */
export const Duration = z.union([
  z.number().nonnegative(),
  z.string().transform((text, context) => {
    try {
      return milliseconds(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message })
      return z.NEVER
    }
  }),
])

/** Prints milliseconds as the shortest of `1h30m`, `250ms`. */
export function duration(ms: number): string {
  if (ms === 0) return '0s'
  const parts: string[] = []
  let rest = Math.round(ms)
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
    ['ms', 1],
  ] as const) {
    const amount = Math.floor(rest / size)
    if (amount > 0) parts.push(`${amount}${unit}`)
    rest -= amount * size
  }
  return parts.join('')
}

/**
 * How events are cut into windows. Aligned windows begin at multiples of their size (tumbling) or hop (hopping) since
 * 1970; a session lasts from its first event until `gap` passes without one. `lateness`: how long after its end a
 * window still takes events.
 */
export const Windowing = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('tumbling'), size: Duration, lateness: Duration.default(0) }),
    z.strictObject({ kind: z.literal('hopping'), size: Duration, hop: Duration, lateness: Duration.default(0) }),
    z.strictObject({ kind: z.literal('session'), gap: Duration, lateness: Duration.default(0) }),
  ])
  .check(context => {
    const value = context.value
    if (value.kind === 'hopping' && value.hop > value.size)
      context.issues.push({
        code: 'custom',
        input: value,
        path: ['hop'],
        message: `hop ${duration(value.hop)} is longer than size ${duration(value.size)}, so events between windows would vanish; make hop at most size`,
      })
    const length = value.kind === 'session' ? value.gap : value.size
    if (length <= 0 || (value.kind === 'hopping' && value.hop <= 0))
      context.issues.push({ code: 'custom', input: value, message: `a ${value.kind} window needs a positive length` })
  })
export type Windowing = z.output<typeof Windowing>

export const tumbling = (size: string | number, lateness: string | number = 0): Windowing =>
  Windowing.parse({ kind: 'tumbling', size, lateness })
export const hopping = (size: string | number, hop: string | number, lateness: string | number = 0): Windowing =>
  Windowing.parse({ kind: 'hopping', size, hop, lateness })
export const session = (gap: string | number, lateness: string | number = 0): Windowing =>
  Windowing.parse({ kind: 'session', gap, lateness })

/** The windows that hold `time`, oldest first. For a session: the one this event alone would make. */
export function windowsOf(windowing: Windowing, time: EventTime): Window[] {
  if (windowing.kind === 'session') return [{ start: time, end: time + windowing.gap }]
  const hop = windowing.kind === 'tumbling' ? windowing.size : windowing.hop
  const windows: Window[] = []
  for (let start = Math.floor(time / hop) * hop; start > time - windowing.size; start -= hop)
    windows.unshift({ start, end: start + windowing.size })
  return windows
}
