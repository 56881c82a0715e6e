import { parseArgs } from 'node:util'
import { suggestion } from '../configuration/closest.ts'
import { type Call, type Command, type Flag, UsageError } from './command.ts'

/** What the words of a command line ask for. */
export type Request =
  | { readonly kind: 'help'; readonly command: Command | undefined; readonly group: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'call'; readonly command: Command; readonly call: Call }

/**
 * Reads a command line.
 * @throws {UsageError} one sentence with the wrong word and what was probably meant
 */
export function parse(commands: readonly Command[], words: readonly string[]): Request {
  const [first = '', second = ''] = words
  const wantsHelp = words.includes('--help') || words.includes('-h')
  if (words.length === 0 || first === 'help') return helpFor(commands, words.slice(1))
  if (first === '--version' || first === '-v') return { kind: 'version' }
  if (first.startsWith('-'))
    return wantsHelp ? helpFor(commands, []) : unknown(first, 'put the command first: ops-agent COMMAND [flags]')
  const command = find(commands, first, second)
  if (wantsHelp) return { kind: 'help', command, group: first }
  if (!command) return helpFor(commands, [first])
  const rest = words.slice(command.name.split(' ').length)
  return { kind: 'call', command, call: callOf(command, rest) }
}

function helpFor(commands: readonly Command[], words: readonly string[]): Request {
  const [first = '', second = ''] = words
  return { kind: 'help', command: first ? find(commands, first, second) : undefined, group: first }
}

const unknown = (word: string, fix: string): never => {
  throw new UsageError(`unknown flag '${word}'; ${fix}`)
}

/** The command of one or two words; undefined if the first word names a group and there is no second. */
function find(commands: readonly Command[], first: string, second: string): Command | undefined {
  const found =
    commands.find(({ name }) => name === `${first} ${second}`) ?? commands.find(({ name }) => name === first)
  if (found) return found
  const group = commands.filter(({ name }) => name.startsWith(`${first} `)).map(({ name }) => name.split(' ')[1]!)
  if (group.length === 0) {
    const names = [...new Set(commands.map(({ name }) => name.split(' ')[0]!))]
    throw new UsageError(`unknown command '${first}'${suggestion(first, names)}`)
  }
  if (second === '' || second.startsWith('-')) return undefined
  throw new UsageError(`unknown command '${first} ${second}'${suggestion(second, group)}`)
}

function callOf(command: Command, words: readonly string[]): Call {
  const flags = new Map(command.flags.map(flag => [flag.name, flag]))
  const values = new Map<string, string[]>()
  const options = Object.fromEntries(
    command.flags.map(flag => [
      flag.name,
      { type: flag.value ? ('string' as const) : ('boolean' as const), multiple: true },
    ]),
  )
  const { tokens } = parseArgs({ args: [...words], options, strict: false, tokens: true, allowPositionals: true })
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind === 'option') take(command, flags.get(token.name), token, values)
  }
  for (const flag of command.flags)
    if (flag.required && !values.has(flag.name))
      throw new UsageError(`--${flag.name} is missing; ${firstLower(flag.summary)} Write --${flag.name} ${flag.value}`)
  checkArguments(command, positionals)
  return {
    text: name => values.get(name)?.at(-1),
    texts: name => values.get(name) ?? [],
    is: name => values.has(name),
    arguments: positionals,
  }
}

function take(
  command: Command,
  flag: Flag | undefined,
  token: { rawName: string; value?: string | undefined; inlineValue?: boolean | undefined },
  values: Map<string, string[]>,
): void {
  if (!flag)
    throw new UsageError(
      `unknown flag '${token.rawName}'${suggestion(token.rawName, [...command.flags.map(({ name }) => `--${name}`), '--help'])}`,
    )
  const given = values.get(flag.name) ?? []
  if (!flag.value && token.value !== undefined)
    throw new UsageError(`--${flag.name} takes no value; write it without '=${token.value}'`)
  // A next word that looks like a flag is one that was meant as a flag.
  if (flag.value && (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))))
    throw new UsageError(`--${flag.name} needs a value; write --${flag.name} ${flag.value}`)
  if (given.length > 0 && flag.value && !flag.many)
    throw new UsageError(`--${flag.name} is given twice, '${given[0]}' and '${token.value}'; keep one`)
  values.set(flag.name, [...given, token.value ?? ''])
}

function checkArguments(command: Command, given: readonly string[]): void {
  const expected = command.arguments ?? []
  const needed = expected.filter(({ optional }) => !optional)
  if (given.length < needed.length)
    throw new UsageError(
      `${needed[given.length]!.name} is missing; write ops-agent ${command.name} ${expected.map(({ name }) => name).join(' ')}`,
    )
  const most = expected.some(({ many }) => many) ? Number.POSITIVE_INFINITY : expected.length
  if (given.length <= most) return
  const patterns = command.flags.some(({ value }) => value === 'GLOB') ? '; put a pattern in quotes' : ''
  throw new UsageError(
    `'${given[most]}' is too much: ${command.name} takes ${most || 'no'} argument${most === 1 ? '' : 's'}${patterns}`,
  )
}

const firstLower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)
