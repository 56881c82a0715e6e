import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbeddedStore } from '../../sinks/embedded-store.ts'
import { migrate } from '../../sinks/migrate.ts'
import { aggregateLogs, type GroupKey } from '../../sinks/search/aggregate-logs.ts'
import { parseSearch } from '../../sinks/search/parse.ts'
import { printSearch } from '../../sinks/search/print.ts'
import { queryOf } from '../../sinks/search/query.fixture.ts'
import { SearchError } from '../../sinks/search/search.ts'
import { searchLogs } from '../../sinks/search/search-logs.ts'
import type { Store } from '../../sinks/store.ts'
import { begin, day, fill, marksOf, rare, services } from './lines.ts'
import type { Measurement, Outcome, Progress } from './measurement.ts'

/** What a search, and what a count of everything may take, in milliseconds: 95 of 100. */
const LIMITS = { search: 1_000, aggregate: 3_000 } as const

/** Longest that merges are waited for before anything is asked, in milliseconds. */
const SETTLE = 60_000

const whole = { from: begin, to: begin + day }

/** What is asked, each time with another number. */
const searches: Readonly<
  Record<string, (mark: { id: string; user: string; trace: string }, number: number) => string>
> = {
  'an id': ({ id }) => id,
  'a part of an id': ({ id }) => id.slice(2, 12),
  'a phrase': ({ user }) => `"placed by user ${user} in"`,
  'a rare word': () => 'deadlock',
  'a part of a run of Chinese': () => '超时',
  'an attribute': ({ user }) => `user:${user}`,
  'a trace': ({ trace }) => `trace:${trace}`,
  'errors of a service in ten minutes': (_, number) =>
    `level:error service:service-${number % services} timestamp:[${new Date(begin + day / 2).toISOString()} TO ${new Date(begin + day / 2 + 600_000).toISOString()}]`,
  'fatal lines': () => 'level:fatal',
  'the newest of all': () => '*',
  'the newest of many': () => 'timed -status:200',
  'what is not there': (_, number) => `nowhere${number}`,
}

const aggregates: Readonly<Record<string, { by: readonly GroupKey[]; query?: string; bucket?: number }>> = {
  'by service and severity': { by: ['service', 'severity'] },
  'by pattern': { by: ['pattern'] },
  'by service and hour': { by: ['service', 'time'], bucket: 3_600_000 },
  'errors by service and hour': { by: ['service', 'time'], bucket: 3_600_000, query: 'level:error' },
  'a word by service': { by: ['service'], query: '"timed out"' },
  'latency over 800 by service': { by: ['service'], query: 'latency:>800' },
}

interface Times {
  readonly name: string
  readonly p50: number
  readonly p95: number
  /** Lines found, or counted, by the last one. */
  readonly found: number
}

export const search: Measurement = {
  name: 'search',
  summary: 'Searching and counting millions of lines in the embedded store, and the parser against a flood of queries.',
  options: {
    millions: { default: '10', summary: 'Million lines.' },
    rounds: { default: '20', summary: 'Times each thing is asked.' },
    queries: { default: '1000000', summary: 'Queries made up for the parser.' },
  },
  async run(options, progress) {
    const lines = Number(options.millions) * 1_000_000
    const rounds = Number(options.rounds)
    const parsed = flood(Number(options.queries), progress)
    const path = await mkdtemp(join(tmpdir(), 'ops-measure-'))
    const store = await openEmbeddedStore({ path, timeout: 300_000 })
    try {
      await migrate(store)
      await fill(store, lines, written => progress(`${written} of ${lines} lines written`))
      await settled(store)
      progress(`${lines} lines written\n`)
      const size = await sizeOf(store)
      const found = await timed(Object.entries(searches), rounds, progress, async (make, round) => {
        const number = Math.floor((lines / rounds) * (round + 0.5))
        const query = make(await marksOf(store, number), number)
        return async () => (await searchLogs(store, query, whole, { limit: 50 })).lines.length
      })
      const counted = await timed(
        Object.entries(aggregates),
        rounds,
        progress,
        async asked => async () => (await aggregateLogs(store, whole, { ...asked, limit: 1_000 })).total,
      )
      return outcomeOf(lines, parsed, size, found, counted)
    } finally {
      await store.close()
      await rm(path, { recursive: true, force: true })
    }
  },
}

/** Reads made-up queries: each is one, which reads the same when printed, or an error of the language's own. */
function flood(queries: number, progress: Progress): { queries: number; read: number; faults: string[] } {
  const faults: string[] = []
  let read = 0
  for (let number = 0; number < queries; number++) {
    const query = queryOf(number)
    try {
      const printed = printSearch(parseSearch(query))
      read++
      if (printSearch(parseSearch(printed)) !== printed) faults.push(query)
    } catch (error) {
      if (!(error instanceof SearchError)) faults.push(query)
    }
    if (number % 100_000 === 0) progress(`${number} of ${queries} queries read`)
  }
  return { queries, read, faults }
}

async function settled(store: Store): Promise<void> {
  const until = performance.now() + SETTLE
  for (;;) {
    const [found] = await store.query<{ merges: string }>('SELECT count() AS merges FROM system.merges')
    if (Number(found?.merges) === 0 || performance.now() > until) return
    await new Promise(resolve => setTimeout(resolve, 500))
  }
}

async function sizeOf(store: Store): Promise<{ data: number; indexes: number; parts: number }> {
  const [found] = await store.query<{ data: string; indexes: string; parts: string }>(
    `SELECT sum(data_compressed_bytes) AS data, sum(secondary_indices_compressed_bytes) AS indexes, count() AS parts
     FROM system.parts WHERE active AND database = currentDatabase() AND table = 'log_lines'`,
  )
  return { data: Number(found?.data), indexes: Number(found?.indexes), parts: Number(found?.parts) }
}

async function timed<T>(
  asked: readonly [string, T][],
  rounds: number,
  progress: Progress,
  prepare: (what: T, round: number) => Promise<() => Promise<number>>,
): Promise<Times[]> {
  const results: Times[] = []
  for (const [name, what] of asked) {
    const times: number[] = []
    let found = 0
    for (let round = 0; round < rounds; round++) {
      const ask = await prepare(what, round)
      const began = performance.now()
      found = await ask()
      times.push(performance.now() - began)
    }
    times.sort((a, b) => a - b)
    const at = (share: number) => Math.round(times[Math.min(times.length - 1, Math.ceil(share * times.length) - 1)]!)
    const result = { name, p50: at(0.5), p95: at(0.95), found }
    results.push(result)
    progress(`${lineOf(result)}\n`)
  }
  return results
}

const lineOf = ({ name, p50, p95, found }: Times): string =>
  `${name.padEnd(36)} p50 ${String(p50).padStart(5)} ms  p95 ${String(p95).padStart(5)} ms  ${found} found`

function outcomeOf(
  lines: number,
  parsed: { queries: number; read: number; faults: string[] },
  size: { data: number; indexes: number; parts: number },
  found: readonly Times[],
  counted: readonly Times[],
): Outcome {
  const slowest = (times: readonly Times[]) => Math.max(...times.map(({ p95 }) => p95))
  const [search, aggregate] = [slowest(found), slowest(counted)]
  const perLine = (bytes: number) => (bytes / lines).toFixed(1)
  const holds = search < LIMITS.search && aggregate < LIMITS.aggregate && parsed.faults.length === 0
  const { faults } = parsed
  return {
    result: {
      lines,
      rareLines: Math.floor(lines / rare),
      parsed: { ...parsed, faults: faults.slice(0, 20) },
      size,
      found,
      counted,
    },
    columns: {
      lines: String(lines),
      'slowest search, p95': `${search} ms`,
      'slowest count, p95': `${aggregate} ms`,
      'bytes a line': `${perLine(size.data)} + ${perLine(size.indexes)} of indexes`,
      'queries read': `${parsed.queries}, ${faults.length} faults`,
    },
    text: [
      ...found.map(lineOf),
      ...counted.map(lineOf),
      `${lines} lines in ${size.parts} parts, ${perLine(size.data)} bytes a line and ${perLine(size.indexes)} of indexes`,
      `${parsed.queries} queries, ${parsed.read} could be read, ${faults.length} faults`,
      `searches within ${LIMITS.search} ms and counts within ${LIMITS.aggregate} ms: ${holds ? 'yes' : 'NO'}`,
    ].join('\n'),
    holds,
  }
}
