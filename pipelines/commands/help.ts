import type { Argument, Command, Flag } from './command.ts'

const width = 100

/** Help of one command. */
export function helpOf(command: Command): string {
  const { name, summary, details = [], flags, examples } = command
  const args = command.arguments ?? []
  const usage = ['ops-agent', name, ...args.map(written), ...(flags.length > 0 ? ['[flags]'] : [])].join(' ')
  return [
    `${usage}\n\n${wrap(summary)}`,
    ...details.map(detail => wrap(detail)),
    ...(args.length > 0 ? [`Arguments\n${table(args.map(arg => [arg.name, arg.summary]))}`] : []),
    `Flags\n${table([...flags.map(row), ['--help', 'Print this.']])}`,
    ...(examples.length > 0 ? [`Examples\n${examples.map(example => `  ${example}`).join('\n')}`] : []),
  ].join('\n\n')
}

/** Help of the program, or of one group of commands. */
export function helpOfAll(commands: readonly Command[], group: string): string {
  const shown = group ? commands.filter(({ name }) => name.startsWith(`${group} `)) : commands
  const rows = shown.map(({ name, summary }): [string, string] => [name, summary])
  return [
    `ops-agent ${group || 'COMMAND'}${group ? ' COMMAND' : ''} [flags]`,
    ...(group ? [] : ['Telemetry goes in, and what comes out is an incident with its cause and a verified fix.']),
    `Commands\n${table(rows)}`,
    `ops-agent ${group ? `${group} ` : ''}COMMAND --help tells more of each.`,
  ].join('\n\n')
}

const written = ({ name, optional, many }: Argument) => `${optional ? `[${name}]` : name}${many ? '…' : ''}`

const row = (flag: Flag): [string, string] => [
  `--${flag.name}${flag.value ? ` ${flag.value}` : ''}`,
  `${flag.summary}${flag.required ? ' Required.' : ''}${flag.many ? ' Repeatable.' : ''}`,
]

function table(rows: readonly (readonly [string, string])[]): string {
  const left = Math.max(...rows.map(([name]) => name.length)) + 4
  return rows
    .map(
      ([name, text]) => `  ${name}`.padEnd(left) + wrap(text, width - left).replaceAll('\n', `\n${' '.repeat(left)}`),
    )
    .join('\n')
}

function wrap(text: string, columns = width): string {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + word.length + 1 <= columns) lines[lines.length - 1] = `${line} ${word}`
    else lines.push(word)
  }
  return lines.join('\n')
}

/** Rows under a heading, columns aligned; for terminals. */
export function columns(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows]
  const widths = heading.map((_, at) => Math.max(...all.map(cells => (cells[at] ?? '').length)))
  return all
    .map(cells =>
      cells
        .map((cell, at) => cell.padEnd(widths[at]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
