import type { Context } from './command.ts'

export interface Step {
  /** What is being done, for example `reading`. */
  readonly what: string
  readonly done: number
  /** Absent: not known. */
  readonly total?: number | undefined
  /** What is counted, for example `lines`. */
  readonly unit: string
}

/** Work shorter than this needs no progress. */
const patience = 2_000
/** The line is drawn at most this often. */
const pace = 200

/**
 * Shows on a terminal how far long work has come: one line, drawn over itself, from two seconds on. Elsewhere nothing.
 * `finish` wipes the line.
 */
export function progress(context: Pick<Context, 'note' | 'now' | 'terminal'>): {
  show(step: Step): void
  finish(): void
} {
  const began = context.now()
  let drawn = 0
  let shown = false
  return {
    show(step) {
      const now = context.now()
      if (!context.terminal.notes || now - began < patience || now - drawn < pace) return
      drawn = now
      shown = true
      context.note(`\r\u001b[K${lineOf(step, now - began)}`)
    },
    finish() {
      if (shown) context.note('\r\u001b[K')
    },
  }
}

function lineOf({ what, done, total, unit }: Step, elapsed: number): string {
  const count = (value: number) => Math.round(value).toLocaleString('en-US')
  const of = total === undefined ? '' : ` of ${count(total)}, ${Math.floor((100 * done) / Math.max(total, 1))} %`
  return `${what}: ${count(done)}${of} ${unit}, ${count((done * 1_000) / Math.max(elapsed, 1))}/s`
}
