import type { Row } from '../sinks/store.ts'
import { type BatchReport, batches, type EmissionReport, emissions } from './runtime/reports.ts'
import type { Logger } from './sources/logger.ts'

/** Event time without sampling after which it is over, in slots. */
const QUIET = 6

/** Sampling of one service, from its first slot on. */
interface Spell {
  readonly since: number
  until: number
  slot: number
  lines: number
  kept: number
}

/** Says when lines of a service begin to be sampled, and when they no longer are, until `stop` is called. */
export function announceSampling(logger: Logger): { stop(): void } {
  const spells = new Map<string, Spell>()
  const emitted = (message: unknown): void => {
    for (const row of (message as EmissionReport).emitted.rows.get('log_sampling') ?? []) begin(row)
  }
  const begin = (row: Row): void => {
    const { environment, service, start, end, lines, kept, errors, errors_kept: errorsKept } = row as Sampled
    const name = `${environment}/${service}`
    const spell = spells.get(name) ?? { since: start, until: end, slot: end - start, lines: 0, kept: 0 }
    if (!spells.has(name))
      logger.warn(
        { environment, service, lines: lines + errors, kept: kept + errorsKept, seconds: (end - start) / 1_000 },
        `lines of ${name} are sampled: there are more than detection.sample allows; counts stay exact`,
      )
    spell.until = Math.max(spell.until, end)
    spell.lines += lines + errors
    spell.kept += kept + errorsKept
    spells.set(name, spell)
  }
  const worked = (message: unknown): void => {
    const { pipeline, watermark } = message as BatchReport
    if (pipeline !== 'logs' || watermark === null) return
    for (const [name, { since, until, slot, lines, kept }] of spells) {
      if (watermark < until + QUIET * slot) continue
      spells.delete(name)
      const [from, to] = [new Date(since).toISOString(), new Date(until).toISOString()]
      logger.info({ lines, kept, from, to }, `lines of ${name} are all kept again`)
    }
  }
  emissions.subscribe(emitted)
  batches.subscribe(worked)
  return {
    stop() {
      emissions.unsubscribe(emitted)
      batches.unsubscribe(worked)
    },
  }
}

/** A row of `log_sampling`. */
type Sampled = Readonly<
  { environment: string; service: string } & Record<
    'start' | 'end' | 'lines' | 'kept' | 'errors' | 'errors_kept',
    number
  >
>
