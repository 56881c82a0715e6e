import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { DetectedAnomalies } from '../../sinks/search/detect-anomalies.ts'
import { withReader } from './api.ts'
import { type Call, CommandError, type Context, given } from './command.ts'
import { configOf } from './configured.ts'
import { told } from './log-text.ts'
import { progress } from './progress.ts'

/** Lists what is unusual about the lines of a file, `-` being standard input. */
export async function anomaliesIn(file: string, call: Call, context: Context): Promise<void> {
  const config = configOf(call, context)
  const { detectInLines } = await import('../handed-lines.ts')
  const { detectAnomalies } = await import('../../sinks/search/detect-anomalies.ts')
  const text = file === '-' ? await wholeOf(context.input) : await contentOf(resolve(context.cwd, file), file)
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  if (lines.length === 0) throw new CommandError(`${file === '-' ? 'standard input' : `file '${file}'`}: holds no line`)
  const handed = { lines, ...given(call, ['environment', 'service']) }
  const url = call.text('api')
  const shown = progress(context)
  const show = (done: number) => shown.show({ what: 'reading', done, total: lines.length, unit: 'lines' })
  const found = await (url === undefined
    ? detectAnomalies(handed, given => detectInLines(config, given, context.now(), show))
    : withReader(config, url, api => api.post<DetectedAnomalies>('/v1/logs/anomalies', handed))
  ).finally(() => shown.finish())
  context.out(call.is('json') ? `${JSON.stringify(found)}\n` : told(found))
}

async function wholeOf(input: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of input) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks).toString('utf8')
}

const contentOf = (path: string, name: string): Promise<string> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandError(
      `file '${name}': cannot be read (${error.code}); name a file of log lines, or - for standard input`,
      {
        cause: error,
      },
    )
  })
