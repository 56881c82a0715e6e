#!/usr/bin/env node
import type { Context } from './commands/command.ts'

const needed = [22, 18] as const

/** Everything else is loaded behind this check: an older Node would fail on it with a message nobody understands. */
function tooOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major < needed[0] || (major === needed[0] && minor < needed[1])
}

function contextOf(): Context {
  let stop: AbortSignal | undefined
  return {
    env: process.env,
    cwd: process.cwd(),
    // Not touched before it is asked for: whoever opens it waits for it.
    get input() {
      return process.stdin
    },
    out: text => void process.stdout.write(text),
    note: text => void process.stderr.write(text),
    terminal: { out: process.stdout.isTTY === true, notes: process.stderr.isTTY === true },
    // Asked for only by commands that know how to end well; the others end as any program does.
    get stop() {
      stop ??= stopOnSignals()
      return stop
    },
    now: () => Date.now(),
  }
}

/** The first signal asks for a good end; a second one does not wait for it. */
function stopOnSignals(): AbortSignal {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => (stop.signal.aborted ? process.exit(130) : stop.abort()))
  return stop.signal
}

if (tooOld(process.versions.node)) {
  process.stderr.write(
    `ops-agent: node ${process.versions.node} is too old; install node ${needed.join('.')} or newer\n`,
  )
  process.exitCode = 1
} else {
  // A reader that goes away, such as `head`, is no failure of ours.
  process.stdout.on('error', error => process.exit((error as NodeJS.ErrnoException).code === 'EPIPE' ? 0 : 1))
  const [{ runCli }, { commands }, { version }] = await Promise.all([
    import('./commands/cli.ts'),
    import('./commands/all.ts'),
    import('./version.ts'),
  ])
  process.exitCode = await runCli(commands, process.argv.slice(2), contextOf(), version)
  // A connection that was left open must not keep a finished command from ending.
  setTimeout(() => process.exit(), 2_000).unref()
}
