import { type ChildProcess, spawn } from 'node:child_process'
import { z } from 'zod'
import type { Clock } from '../../operators/clock.ts'
import { duration } from '../../operators/window.ts'
import type { Secrets } from '../secrets.ts'
import { type Action, type ActionContext, type Effect, readPlan, stepFields, stepTimeout } from './action.ts'
import { shellEffect } from './shell-effect.ts'

export const ShellStep = z.strictObject({
  ...stepFields,
  tool: z.literal('shell'),
  command: z
    .string()
    .min(1)
    .describe('Run by /bin/sh exactly as written. Values are in the environment: $OPS_SERVICE, $OPS_ENVIRONMENT, …'),
  timeout: stepTimeout('30s'),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'not a name of an environment variable'), z.string())
    .default({})
    .describe('More environment variables, as they are.'),
  effect: z
    .enum(['read', 'write'])
    .optional()
    .describe('Whether the command changes anything. Default: read if it is a pipe of known diagnostics, else write.'),
  expect: z
    .strictObject({
      exitCode: z.int().default(0),
      contains: z.string().optional().describe('Text the output must contain.'),
    })
    .optional(),
})
export type ShellStep = z.output<typeof ShellStep>

export interface ShellOptions {
  readonly secrets: Secrets
  /** Characters of output kept; default 50,000. */
  readonly outputLimit?: number
}

/**
 * Runs a command the runbook's author wrote, on the machine of the executor. It sees a clean environment: no variable
 * of ours, hence no secret; values of the incident only as variables, never put into the text. Working directory `/`.
 * It has its own process group, killed whole on timeout and when the shell ends, so nothing outlives its step.
 */
export function shell({ secrets, outputLimit = 50_000 }: ShellOptions): Action<ShellStep> {
  const kind = (step: ShellStep) => step.effect ?? shellEffect(step.command)
  return {
    tool: 'shell',
    summary: 'Runs a command on the machine of the executor.',
    kind,
    repeatable: step => kind(step) === 'read',
    timeout: step => step.timeout,
    plan: async step => readPlan(`runs ${secrets.mask(step.command)}`),
    async run(step, _plan, context) {
      const ended = await execute(step, context, outputLimit + secrets.longest + 1)
      if (ended.killedBy === 'shutdown') throw new Error('shell: killed because the executor stops')
      return effectOf(step, ended, secrets.bound(ended.output, outputLimit), kind(step) === 'write')
    },
  }
}

interface Ended {
  readonly code: number | null
  readonly killedBy: 'timeout' | 'shutdown' | null
  readonly output: string
}

async function execute(step: ShellStep, context: ActionContext, limit: number): Promise<Ended> {
  const child = spawn('/bin/sh', ['-c', step.command], {
    cwd: '/',
    env: { ...environmentOf(context), ...step.env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = collect(child, limit)
  let killedBy: Ended['killedBy'] = null
  const stop = (why: NonNullable<Ended['killedBy']>) => {
    killedBy ??= why
    killGroup(child)
  }
  const abort = () => stop('shutdown')
  const done = new AbortController()
  context.signal.addEventListener('abort', abort, { once: true })
  void context.clock.sleep(step.timeout, done.signal).then(() => done.signal.aborted || stop('timeout'))
  try {
    if (context.signal.aborted) abort()
    return { code: await exitOf(child, context.clock), killedBy, output: output() }
  } finally {
    done.abort()
    context.signal.removeEventListener('abort', abort)
  }
}

/** Keeps the first `limit` characters of both streams and reads on without keeping, so that the command never blocks. */
function collect(child: ChildProcess, limit: number): () => string {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8')
    stream?.on('data', (chunk: string) => {
      if (text.length < limit) text += chunk.slice(0, limit - text.length)
    })
  }
  return () => text
}

/** Resolves with the exit code once the output is read to its end, or a second after the shell has ended. */
function exitOf(child: ChildProcess, clock: Clock): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', error => reject(new Error(`shell: /bin/sh did not start (${error.message})`)))
    child.once('close', code => resolve(code))
    child.once('exit', code => {
      killGroup(child)
      // Who left the group may hold the pipes for ever; the step must end all the same.
      void clock.sleep(1_000).then(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
        resolve(code)
      })
    })
  })
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // ESRCH: nobody is left in the group.
  }
}

/** The whole environment of a command. */
export function environmentOf(context: ActionContext): Record<string, string> {
  const inputs = Object.entries(context.inputs).map(([name, value]) => [
    `OPS_INPUT_${name.replace(/[^A-Za-z0-9]/g, '_').toUpperCase()}`,
    String(value).replaceAll('\0', ''),
  ])
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: '/',
    LANG: 'C.UTF-8',
    TERM: 'dumb',
    OPS_SERVICE: context.place.service,
    OPS_ENVIRONMENT: context.place.environment,
    OPS_INCIDENT: context.incident,
    OPS_RUN: context.run,
    OPS_RUNBOOK: context.runbook,
    ...Object.fromEntries(inputs),
  }
}

function effectOf(step: ShellStep, { code, killedBy }: Ended, output: string, changed: boolean): Effect {
  const wanted = step.expect?.exitCode ?? 0
  const missing = step.expect?.contains !== undefined && !output.includes(step.expect.contains)
  const summary =
    killedBy === 'timeout'
      ? `killed after ${duration(step.timeout)}; raise timeout if it needs longer`
      : missing
        ? `exit code ${code}, but the output does not contain the expected text`
        : `exit code ${code}${code === wanted ? '' : `, expected ${wanted}`}`
  return { succeeded: killedBy === null && code === wanted && !missing, changed, summary, output, after: { code } }
}
