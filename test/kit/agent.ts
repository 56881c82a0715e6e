import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../pipelines/main.ts', import.meta.url))
const tether = new URL('../../deploy/demo/tether.ts', import.meta.url).href
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OPS_')))

/** An ops-agent in a process of its own, on free ports. It ends with the process that started it. */
export interface AgentProcess {
  /** Base addresses of its query API and its OTLP receiver. */
  readonly api: string
  readonly otlp: string
  /** What it has said so far. */
  readonly log: readonly string[]
  readonly process: ChildProcess
  /** Asks it to end well; its exit code. */
  stop(): Promise<number>
  /** Kills it at once, as a crash would. */
  kill(): Promise<void>
}

/**
 * Runs `ops-agent run` with these settings, `path=value`, and further words; `flags` are Node's own.
 * @throws {Error} with what it said, if it ends instead
 */
export async function startAgentProcess(
  data: string,
  settings: readonly string[],
  words: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<AgentProcess> {
  const set = ['http.port=0', 'otlp.port=0', ...settings].flatMap(setting => ['--set', setting])
  const run = [main, 'run', '--data', data, ...set, ...words]
  const child = spawn(process.execPath, [...flags, '--import', tether, ...run], {
    cwd: data,
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const log: string[] = []
  const lines = createInterface({ input: child.stderr! }).on('line', line => log.push(line))
  return await new Promise((resolve, reject) => {
    lines.on('line', line => {
      if (!line.includes('"msg":"running"')) return
      const { api, otlp } = JSON.parse(line) as { api: string; otlp: string }
      resolve({ api, otlp, log, process: child, stop: () => stop(child), kill: () => kill(child) })
    })
    child.once('exit', code => reject(new Error(`the agent ended with ${code}:\n${log.join('\n')}`)))
  })
}

async function stop(child: ChildProcess): Promise<number> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? -1
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  const [code] = (await exit) as [number | null]
  return code ?? -1
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}
