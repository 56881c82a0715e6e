import { parseArgs } from 'node:util'
import { runDemo } from './run.ts'

// `npm run demo`: a shop of real processes is broken twice, and ops-agent finds, explains, fixes and verifies.

const help = `usage: npm run demo [-- --json] [-- --keep]

Starts a small shop of real processes and ops-agent beside it, breaks the shop twice, and shows it being healed.
Everything is on this machine's loopback address and gone afterwards. Exit code 0 only if both faults were healed.

  --json   the scoreboard as one JSON object on standard output; what happens meanwhile goes to standard error
  --keep   leave shop and agent running after the scoreboard, until Ctrl-C`

let flags: { json: boolean; keep: boolean; help: boolean }
try {
  const flag = { type: 'boolean', default: false } as const
  flags = parseArgs({ options: { json: flag, keep: flag, help: flag } }).values
} catch (error) {
  console.error(`${(error as Error).message}\n\n${help}`)
  process.exit(2)
}

if (flags.help) console.log(help)
else {
  const interrupted = new AbortController()
  // The second time there is no tidying up; the children end because their parent is gone.
  const interrupt = (): void => (interrupted.signal.aborted ? process.exit(130) : interrupted.abort())
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt)
  process.exit(await runDemo({ ...flags, signal: interrupted.signal, out: process.stdout, err: process.stderr }))
}
