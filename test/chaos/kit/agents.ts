import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../kit/eventually.ts'
import { unfinishedBatches, type Work, workIn } from './work.ts'

const main = fileURLToPath(new URL('../../../pipelines/main.ts', import.meta.url))
const tether = new URL('../../../deploy/demo/tether.ts', import.meta.url).href
const recorder = new URL('work-recorder.ts', import.meta.url).href
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('OPS_')))

const now = (): number => Number(process.hrtime.bigint())

/** One life of an agent process. It ends with the process that started it. */
export class ChaosAgent {
  readonly name: string
  readonly #child: ChildProcess
  readonly #log: string
  readonly #work: string
  readonly #exit: Promise<unknown>
  #gone: number | undefined

  private constructor(name: string, child: ChildProcess, log: string, work: string) {
    this.name = name
    this.#child = child
    this.#log = log
    this.#work = work
    this.#exit = once(child, 'exit').then(() => {
      this.#gone = now()
    })
  }

  /** Starts `ops-agent run` in a folder of its own below `folder`; does not wait until it runs. */
  static async start(name: string, folder: string, settings: readonly string[]): Promise<ChaosAgent> {
    const cwd = join(folder, name)
    await mkdir(cwd, { recursive: true })
    const [log, work] = [join(cwd, 'log'), join(cwd, 'work')]
    closeSync(openSync(work, 'a'))
    const said = openSync(log, 'a')
    const set = settings.flatMap(setting => ['--set', setting])
    const child = spawn(
      process.execPath,
      ['--import', tether, '--import', recorder, main, 'run', '--data', cwd, ...set],
      { cwd, env: { ...env, CHAOS_WORK: work }, stdio: ['ignore', 'ignore', said, 'ipc'] },
    )
    closeSync(said)
    return new ChaosAgent(name, child, log, work)
  }

  get pid(): number {
    return this.#child.pid!
  }

  get ended(): boolean {
    return this.#gone !== undefined
  }

  /** What it has said so far, one JSON object a line. */
  async log(): Promise<string[]> {
    return (await readFile(this.#log, 'utf8')).split('\n').filter(Boolean)
  }

  /** Resolves when it says that it runs. @throws {Error} with its last lines if it ends or takes too long */
  async running(within = 60_000): Promise<void> {
    await eventually(async () => {
      const lines = await this.log()
      if (lines.some(line => line.includes('"msg":"running"'))) return
      throw new Error(`${this.name} does not run${this.ended ? ' any more' : ''}:\n${lines.slice(-5).join('\n')}`)
    }, within)
  }

  /** Its calls for partitions; and when it was gone, nanoseconds of the machine's monotonic clock. */
  get work(): { work: Work[]; gone: number } {
    return { work: workIn(this.#work), gone: this.#gone ?? now() }
  }

  get isInBatch(): boolean {
    return unfinishedBatches(workIn(this.#work)).length > 0
  }

  /** `kill -9`. Answers the batches it did not finish. */
  async kill(): Promise<Work[]> {
    this.#child.kill('SIGKILL')
    await this.#exit
    return unfinishedBatches(workIn(this.#work))
  }

  /** Asks it to end well. Answers its exit code and how long it took, in milliseconds. */
  async stop(): Promise<{ code: number | null; took: number }> {
    const began = performance.now()
    this.#child.kill('SIGTERM')
    await this.#exit
    return { code: this.#child.exitCode, took: performance.now() - began }
  }
}
