import { glob, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Logs and metrics to run the pipelines over: public ones where they are at hand, else generated ones. */
export interface Corpus {
  /** What it is, for the test to say. */
  readonly what: string
  readonly logs: string
  readonly metrics: string
  readonly lines: number
}

/** `EVAL_DATA` (default ../shared/data) if it is there; the metrics are always generated, into `folder`. */
export async function corpus(folder: string): Promise<Corpus> {
  const data = process.env.EVAL_DATA ?? new URL('../../../shared/data', import.meta.url).pathname
  const patterns = join(data, 'log-patterns')
  const metrics = await generateMetrics(join(folder, 'metrics'))
  const logs = join(patterns, '*/*_2k.log')
  let systems = 0
  for await (const _ of glob(logs)) systems++
  if (systems > 0) return { what: `public logs ${logs}`, logs, metrics, lines: systems * 2_000 }
  return { what: 'generated logs', logs: await generateLogs(join(folder, 'logs')), metrics, lines: 16_000 }
}

/** Numbers in [0, 1) that are the same in every run (mulberry32). */
export function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

const start = Date.UTC(2026, 0, 5)

async function generateLogs(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true })
  for (let system = 0; system < 8; system++) {
    const random = dice(system + 1)
    const lines: string[] = []
    for (let line = 0, time = start; line < 2_000; line++) {
      time += Math.floor(random() * 20_000)
      const level = random() < 0.05 ? 'ERROR' : 'INFO'
      const id = Math.floor(random() * 1e6)
      const what = ['request', 'session', 'block', 'transfer'][Math.floor(random() * 4)]
      lines.push(`${new Date(time).toISOString()} ${level} ${what} ${id} of system ${system} took ${id % 977}ms`)
    }
    await writeFile(join(folder, `system-${system}.log`), `${lines.join('\n')}\n`)
  }
  return join(folder, '*.log')
}

/** Three services of a few series each, two hours of a point every 15 s, with one lasting step in one of them. */
async function generateMetrics(folder: string): Promise<string> {
  for (const [index, service] of ['checkout', 'payments', 'catalog'].entries()) {
    await mkdir(join(folder, service), { recursive: true })
    const random = dice(100 + index)
    for (const metric of ['cpu_usage_percent', 'queue_depth']) {
      const rows = ['timestamp,value']
      for (let point = 0; point < 480; point++) {
        const step = service === 'payments' && point > 240 && point < 360 ? 60 : 0
        rows.push(`${new Date(start + point * 15_000).toISOString()},${(20 + step + 4 * random()).toFixed(3)}`)
      }
      await writeFile(join(folder, service, `${metric}.csv`), `${rows.join('\n')}\n`)
    }
  }
  return join(folder, '*/*.csv')
}
