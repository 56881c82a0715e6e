import type { Store } from '../../sinks/store.ts'

// A day of log lines of a fleet, made inside the engine from the number of each line: the same for the same parameters.

export const services = 20

/** Begin of the day, in milliseconds since 1970. */
export const begin = Date.UTC(2026, 10, 17)
export const day = 86_400_000

/** Lines of one INSERT. */
const PIECE = 250_000

/** One line in so many says `deadlock`, and one is fatal. */
export const rare = 100_003

const id = (salt: number) => `lower(hex(cityHash64(number, ${salt})))`
const drawn = (salt: number, below: number) => `toString(cityHash64(number, ${salt}) % ${below})`

const bodies = [
  `'order ', ${drawn(1, 100_000_000)}, ' placed by user ', ${drawn(2, 1_000_000)}, ' in ', ${drawn(3, 900)}, ' ms'`,
  `'GET /api/v1/items/', ${drawn(1, 1_000_000)}, ' 200 ', ${drawn(3, 900)}, 'ms request=', ${id(4)}`,
  `'connection to 10.', ${drawn(1, 256)}, '.', ${drawn(2, 256)}, '.7:5432 timed out after ', ${drawn(3, 9_000)}, ' ms'`,
  `'支付处理完成: 订单 ', ${drawn(1, 100_000_000)}, ' 用户 ', ${drawn(2, 1_000_000)}, ' 已确认'`,
  `'cache miss for key session:', ${id(4)}, ' in region eu-west-', ${drawn(2, 3)}`,
  `'unhandled exception in handler checkout: card of user ', ${drawn(2, 1_000_000)}, ' was declined'`,
]

const kind = `cityHash64(number, 11) % ${bodies.length}`

const body = `multiIf(number % ${rare} = 7, concat('deadlock detected on table orders by transaction ', ${id(4)}),
  number % ${rare} = 9, concat('支付失败: 订单 ', ${drawn(1, 100_000_000)}, ' 超时未响应'),
  ${bodies.map((text, kind) => `${kind < bodies.length - 1 ? `kind = ${kind}, ` : ''}concat(${text})`).join(', ')})`

/** Fills the tables of lines, their patterns and their counts; `lines` in all. */
export async function fill(store: Store, lines: number, told: (written: number) => void): Promise<void> {
  for (let at = 0; at < lines; at += PIECE) {
    const count = Math.min(PIECE, lines - at)
    await store.command(
      `INSERT INTO log_lines (environment, service, time, severity, pattern, body, attributes, trace_id, span_id,
                              origin_stream, origin_offset, origin_index)
       SELECT 'production', concat('service-', toString(cityHash64(number, 10) % ${services})),
              fromUnixTimestamp64Milli(toInt64(${begin} + floor(number * ${day / lines}))),
              multiIf(number % ${rare} = 7, 21, kind IN (2, 5), 17, 9), concat('p', toString(kind), '-', ${drawn(10, services)}),
              ${body},
              map('status', multiIf(kind = 2, '504', '200'), 'latency', ${drawn(3, 900)}, 'user', ${drawn(2, 1_000_000)}),
              if(kind = 1, ${id(5)}, ''), '', 'kafka:telemetry.logs/0', number, 0
       FROM (SELECT number, ${kind} AS kind FROM numbers(${at}, ${count}))`,
    )
    told(at + count)
  }
  await store.command(
    `INSERT INTO log_counts (environment, service, pattern, start, end, severity, count)
     SELECT environment, service, pattern, toStartOfMinute(time) AS begin, begin + INTERVAL 1 MINUTE, max(severity), count()
     FROM log_lines GROUP BY environment, service, pattern, begin`,
  )
  await store.command(
    `INSERT INTO log_patterns (environment, service, pattern, version, template, example, severity, first_seen)
     SELECT environment, service, pattern, 1, any(body), any(body), max(severity), min(time)
     FROM log_lines GROUP BY environment, service, pattern`,
  )
}

/** What no other lines have, of lines behind a number: the id of a request and its trace, and the user of an order. */
export async function marksOf(store: Store, number: number): Promise<{ id: string; user: string; trace: string }> {
  const [found] = await store.query<{ id: string; user: string; trace: string }>(
    `SELECT anyIf(${id(4)}, kind = 1) AS id, anyIf(${drawn(2, 1_000_000)}, kind = 0) AS user, anyIf(${id(5)}, kind = 1) AS trace
     FROM (SELECT number, ${kind} AS kind FROM numbers(${number}, 1000) WHERE number % ${rare} NOT IN (7, 9))`,
  )
  return found!
}
