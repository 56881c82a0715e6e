import { type Call, UsageError } from './command.ts'

/** The time a flag gives, in milliseconds since 1970; undefined: it was not given. */
export function timeOf(call: Call, flag: string): number | undefined {
  const text = call.text(flag)
  if (text === undefined) return undefined
  // Without a zone, Date.parse takes a time of day for local time.
  const time = Date.parse(/T.*(Z|[+-]\d\d:?\d\d)$|^\d{4}-\d\d-\d\d$/.test(text) ? text : `${text}Z`)
  if (Number.isNaN(time))
    throw new UsageError(`--${flag} '${text}' is not a time; write 2026-11-22 or 2026-11-22T10:00:00Z`)
  return time
}
