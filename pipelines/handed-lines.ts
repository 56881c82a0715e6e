import { setImmediate } from 'node:timers/promises'
import { Anomaly } from '../operators/signal.ts'
import { tumbling } from '../operators/window.ts'
import type { DetectedAnomalies, HandedLines } from '../sinks/search/detect-anomalies.ts'
import type { Row } from '../sinks/store.ts'
import type { Config } from './config.ts'
import { decode } from './decode/decode.ts'
import { entryHeaders } from './decode/decoded.ts'
import { logs } from './logs.ts'
import { Engine } from './runtime/engine.ts'

/** Lines after which others on the event loop get their turn. */
const TURN = 500

/** What of a configuration it takes. */
export type DetectionConfig = Pick<Config, 'detection' | 'decode' | 'environment'>

/**
 * Runs lines through the pipeline of logs as it is configured, in memory. Nothing is kept and nothing published.
 * @param now milliseconds since 1970: the time of lines that have none, and from where missing years are counted back
 * @param progress told how many lines have been read
 */
export async function detectInLines(
  config: DetectionConfig,
  handed: HandedLines,
  now: number,
  progress: (lines: number) => void = () => {},
): Promise<DetectedAnomalies> {
  const { detection } = config
  const graph = logs({ upstream: [], ...detection, window: tumbling(detection.window) })
  const engine = new Engine(graph, { stream: NAME, siblings: [NAME] })
  const seen = new Seen()
  for (let at = 0; at < handed.lines.length; at += TURN) {
    for (const event of seen.read(config, handed, handed.lines.slice(at, at + TURN), now)) engine.event(event)
    progress(Math.min(handed.lines.length, at + TURN))
    await setImmediate()
  }
  // Behind the last window, so that every one is closed.
  const end = seen.latest + 2 * detection.window + detection.outOfOrderness
  for (const _ of engine.marking({ stream: NAME, time: end, idle: false, siblings: [] })) await setImmediate()
  seen.keep(engine.take().emitted.rows)
  return seen.result(detection.scoreCounts.warmup)
}

const NAME = 'handed-lines'

/** What is known of the lines so far. */
class Seen {
  latest = 0
  #bytes = 0
  #lines = 0
  #unread = 0
  readonly #windows = new Set<unknown>()
  readonly #examples = new Map<unknown, string>()
  readonly #anomalies: Anomaly[] = []

  /** The lines as events. */
  read(config: DetectionConfig, { service, environment }: HandedLines, lines: readonly string[], now: number) {
    const value = Buffer.from(lines.map(line => `${line}\n`).join(''))
    const headers = {
      [entryHeaders.contentType]: 'text/plain',
      [entryHeaders.origin]: NAME,
      [entryHeaders.offset]: String(this.#bytes),
      [entryHeaders.reference]: String(now),
      [entryHeaders.historical]: '1',
      ...(this.latest > 0 ? { [entryHeaders.previous]: String(this.latest) } : {}),
      ...(service === undefined ? {} : { [entryHeaders.service]: service }),
      ...(environment === undefined ? {} : { [entryHeaders.environment]: environment }),
    }
    const record = { topic: NAME, partition: 0, offset: this.#bytes, appendedAt: now, key: null, value, headers }
    const { events, dead } = decode(record, { environment: config.environment, ...config.decode })
    this.#bytes += value.length
    const read = events.filter(({ value: { type } }) => type === 'log')
    this.#lines += read.length
    this.#unread += dead.length + events.length - read.length
    this.latest = read.reduce((latest, { time }) => Math.max(latest, time), this.latest)
    return read
  }

  /** Takes from rows of tables what is to be answered. */
  keep(rows: ReadonlyMap<string, readonly Row[]>): void {
    for (const { start } of rows.get('log_counts') ?? []) this.#windows.add(start)
    for (const { pattern, example } of rows.get('log_patterns') ?? []) this.#examples.set(pattern, String(example))
    for (const { body } of rows.get('anomalies') ?? []) this.#anomalies.push(Anomaly.parse(JSON.parse(String(body))))
  }

  result(warmup: number): DetectedAnomalies {
    const anomalies = this.#anomalies
      .filter(({ score }) => score >= 1)
      .map(anomaly => ({ ...anomaly, example: this.#examples.get(anomaly.signal) ?? '' }))
      .sort((a, b) => b.end - a.end || b.score - a.score)
    return {
      anomalies,
      lines: this.#lines,
      unread: this.#unread,
      patterns: this.#examples.size,
      windows: this.#windows.size,
      warmup,
    }
  }
}
