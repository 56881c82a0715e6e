import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Eight log files of 2,000 lines. */
export interface LogCorpus {
  readonly glob: string
  /** Where they come from, to be printed. */
  readonly source: string
  remove(): Promise<void>
}

/**
 * The public log files under `EVAL_DATA` (default `../shared/data`), or, where there are none, files of the same number
 * and size in eight formats, always the same.
 */
export async function logCorpus(): Promise<LogCorpus> {
  const data = process.env.EVAL_DATA ?? '../shared/data'
  if (existsSync(join(data, 'log-patterns')))
    return { glob: join(data, 'log-patterns/*/*_2k.log'), source: data, remove: () => Promise.resolve() }
  const folder = await mkdtemp(join(tmpdir(), 'ops-agent-corpus-'))
  for (const [index, format] of formats.entries()) {
    const lines = Array.from({ length: 2_000 }, (_, line) => lineOf(format, line))
    await writeFile(join(folder, `generated-${index}_2k.log`), lines.join(index % 2 === 0 ? '\n' : '\r\n'))
  }
  return { glob: join(folder, '*_2k.log'), source: 'generated', remove: () => rm(folder, { recursive: true }) }
}

type Format = (time: Date) => string

const two = (n: number): string => String(n).padStart(2, '0')
const clock = (time: Date): string => time.toISOString().slice(11, 19)
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const formats: readonly Format[] = [
  time => `${time.toISOString()} INFO`,
  time => `${time.toISOString().replace('T', ' ').slice(0, 23).replace('.', ',')} - WARN [main]`,
  time => `${months[time.getUTCMonth()]} ${String(time.getUTCDate()).padStart(2)} ${clock(time)} host app[7]:`,
  time => `${time.getTime() / 1000} ERROR`,
  time => `[${two(time.getUTCMonth() + 1)}.${two(time.getUTCDate())} ${clock(time)}] app`,
  time => `${time.toISOString().slice(2, 10).replaceAll('-', '/')} ${clock(time)} INFO`,
  time => `${time.toISOString().slice(2, 10).replaceAll('-', '')} ${clock(time).replaceAll(':', '')} 12 INFO`,
  time => `I${two(time.getUTCMonth() + 1)}${two(time.getUTCDate())} ${clock(time)}.000000 1 main.go:7]`,
]

function lineOf(format: Format, line: number): string {
  const time = new Date(Date.UTC(2024, 2, 1) + line * 1_700)
  const message = ['took %d ms', 'user %d logged in', 'connection to 10.0.0.%d lost', 'größe %d bytes'][line % 4]!
  return `${format(time)} ${message.replace('%d', String((line * 7_919) % 251))}`
}
