import pino from 'pino'
import type { Logger } from './sources/logger.ts'

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** One line a message for people, instead of one JSON object for machines. */
  readonly pretty: boolean
  /** Applied to each line before it is written: hides what must not be seen. */
  readonly mask: (text: string) => string
  write(text: string): void
}

/** The log of this process: pino, each line masked as a whole, so that no field and no error can hold a secret. */
export function openLogger({ level, pretty, mask, write }: LoggerOptions): Logger {
  const destination = { write: (line: string) => write(mask(pretty ? prettyLine(line) : line)) }
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: label => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    destination,
  )
}

/** `12:00:01 warn  kafka 127.0.0.1:9092: unreachable  topic=telemetry.logs partition=3` */
export function prettyLine(line: string): string {
  const { level, time, msg, error, ...fields } = JSON.parse(line) as Record<string, unknown> & {
    error?: { message?: string }
  }
  const rest = Object.entries(fields).map(
    ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  const why = error?.message === undefined ? [] : [`(${error.message})`]
  return `${[String(time).slice(11, 19), String(level).padEnd(5), msg, ...why, ...rest].join(' ')}\n`
}
