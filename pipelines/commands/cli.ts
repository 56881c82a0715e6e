import type { Command, Context } from './command.ts'
import { helpOf, helpOfAll } from './help.ts'
import { parse } from './parse.ts'

/**
 * Runs one command line and answers with the exit code: 0 done, 1 failed, 2 not understood. A failure is one sentence
 * for each thing that is wrong; only what must be a bug of ours comes with its stack.
 */
export async function runCli(
  commands: readonly Command[],
  words: readonly string[],
  context: Context,
  version: () => string,
): Promise<number> {
  try {
    const request = parse(commands, words)
    if (request.kind === 'version') context.out(`${version()}\n`)
    else if (request.kind === 'help')
      context.out(`${request.command ? helpOf(request.command) : helpOfAll(commands, request.group)}\n`)
    else await request.command.run(request.call, context)
    return 0
  } catch (error) {
    context.note(`${complaint(error)}\n`)
    return (error as { code?: unknown }).code === 'OPS_USAGE' ? 2 : 1
  }
}

function complaint(error: unknown): string {
  if (!(error instanceof Error)) return `ops-agent: ${String(error)}`
  const { code } = error as { code?: unknown }
  // Errors with a code were foreseen and say what to do; any other is a bug and its place is what helps.
  if (typeof code !== 'string') return `ops-agent: ${error.stack ?? error.message}`
  return error.message
    .split('\n')
    .map(line => `ops-agent: ${line}`)
    .join('\n')
}
