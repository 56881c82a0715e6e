/** A word behind `--`. */
export interface Flag {
  readonly name: string
  /** What to call its value in the help; absent: the flag takes none. */
  readonly value?: string
  /** It may be given several times. */
  readonly many?: boolean
  readonly required?: boolean
  readonly summary: string
}

export interface Argument {
  readonly name: string
  readonly summary: string
  readonly optional?: boolean
  readonly many?: boolean
}

/** Where a command runs: everything it may touch besides files and sockets. */
export interface Context {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** What is handed in by standard input. */
  readonly input: AsyncIterable<Buffer>
  /** Writes results. */
  out(text: string): void
  /** Writes what is for people's eyes only: progress and notices. */
  note(text: string): void
  /** Whether results, and notices, go to a person's terminal. */
  readonly terminal: { readonly out: boolean; readonly notes: boolean }
  /** Aborted when the process is asked to end. */
  readonly stop: AbortSignal
  /** Milliseconds since 1970. */
  now(): number
}

/** What a command was called with, checked against its flags and arguments. */
export interface Call {
  /** Value of a flag; undefined: not given. */
  text(flag: string): string | undefined
  /** Values of a flag that may be given several times. */
  texts(flag: string): readonly string[]
  is(flag: string): boolean
  readonly arguments: readonly string[]
}

export interface Command {
  /** `run`, or two words: `runbook list`. */
  readonly name: string
  /** One sentence. */
  readonly summary: string
  /** More about it, under the summary of its help. */
  readonly details?: readonly string[]
  readonly arguments?: readonly Argument[]
  readonly flags: readonly Flag[]
  readonly examples: readonly string[]
  /** Resolves when all is done and well; a rejection is printed and the process ends with 1. */
  run(call: Call, context: Context): Promise<void>
}

/** Called in a way the command does not understand; the process ends with 2. */
export class UsageError extends Error {
  readonly code = 'OPS_USAGE'
  override readonly name = 'UsageError'
}

/** A command could not do what it was asked, for a reason the message tells in one sentence. */
export class CommandError extends Error {
  readonly code = 'OPS_COMMAND'
  override readonly name = 'CommandError'
}

export const json: Flag = { name: 'json', summary: 'Print JSON, for machines.' }

/** Flags of every command that needs the configuration. */
export const configured: readonly Flag[] = [
  { name: 'config', value: 'FILE', summary: 'Configuration file (default ./ops-agent.yaml, if there is one).' },
  { name: 'data', value: 'DIR', summary: 'Folder of the embedded log and store (default ./data).' },
  {
    name: 'set',
    value: 'PATH=VALUE',
    many: true,
    summary: 'One setting, for example log.in=kafka; over file and variables.',
  },
]

/** Of these flags those that were given, with their values. */
export const given = (call: Call, names: readonly string[]): Record<string, string> =>
  Object.fromEntries(names.flatMap(name => (call.text(name) === undefined ? [] : [[name, call.text(name)!]])))
