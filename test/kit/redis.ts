import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, type TestContext } from 'node:test'

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Holds it still: it is there and does not answer. */
  pause(): void
  resume(): void
  stop(): Promise<void>
}

/** There is no Redis on this machine. */
export class RedisUnavailable extends Error {}

/**
 * A real Redis for the tests of one file: started for the first that asks, stopped after the last. Where none can be
 * had, the test is skipped, loudly; with `CI=true` it fails.
 */
export function testRedis(): (t: TestContext) => Promise<RedisServer | undefined> {
  let started: Promise<RedisServer> | undefined
  after(async () => (await started?.catch(() => undefined))?.stop())
  return async t => {
    try {
      started ??= startRedis()
      return await started
    } catch (error) {
      if (!(error instanceof RedisUnavailable) || process.env.CI === 'true') throw error
      console.error(`NOT TESTED AGAINST A REAL REDIS: ${error.message}`)
      t.skip(error.message)
      return undefined
    }
  }
}

/** Starts the system's redis-server on a free port of this machine; it keeps nothing and ends with this process. */
export async function startRedis(args: readonly string[] = [], port?: number): Promise<RedisServer> {
  const program = findProgram()
  const folder = await mkdtemp(join(tmpdir(), 'ops-redis-'))
  const chosen = port ?? (await freePort())
  const own = ['--port', String(chosen), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder]
  const child = spawn(program, [...own, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = (): boolean => child.kill('SIGKILL')
  process.once('exit', kill)
  const exited = once(child, 'exit')
  const said: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line)
    if (line.includes('Ready to accept connections')) break
  }
  if (child.exitCode !== null) throw new Error(`redis-server did not start:\n${said.join('\n')}`)
  child.stdout.resume()
  return {
    url: `redis://127.0.0.1:${chosen}`,
    port: chosen,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    async stop() {
      process.removeListener('exit', kill)
      child.kill('SIGCONT')
      child.kill('SIGTERM')
      await exited
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function findProgram(): string {
  const which = (): string => execFileSync('which', ['redis-server'], { encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    return which()
  } catch {
    // Below it is either installed or said how to.
  }
  const advice = 'no redis-server on this machine; install it, for example: apt-get install redis-server'
  if (process.env.CI !== 'true' || process.getuid?.() !== 0) throw new RedisUnavailable(advice)
  try {
    execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'], { stdio: 'pipe' })
    return which()
  } catch (error) {
    throw new RedisUnavailable(`${advice} (which was tried: ${(error as Error).message})`, { cause: error })
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address ? address.port : 0
}
