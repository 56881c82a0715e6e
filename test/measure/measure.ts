import { parseArgs } from 'node:util'
import type { Measurement } from './measurement.ts'
import { patterns } from './patterns.ts'
import { keep } from './results.ts'
import { search } from './search.ts'
import { soak } from './soak.ts'

// `npm run measure -- NAME`: what takes too long for the tests. Each result is kept with its commit and machine.

const measurements: readonly Measurement[] = [soak, search, patterns]

function list(): string {
  const flags = ({ options }: Measurement) =>
    Object.entries(options).map(([name, { default: value, summary }]) => `      --${name} ${value || "''"}  ${summary}`)
  return measurements.flatMap(each => [`  ${each.name}  ${each.summary}`, ...flags(each)]).join('\n')
}

/** Tells how far it is: in place on a terminal, else a line when something is done. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
  else if (text.endsWith('\n')) process.stderr.write(text)
}

async function measure(name: string | undefined, args: string[]): Promise<number> {
  const found = measurements.find(each => each.name === name)
  if (!found) {
    console.error(
      name === undefined ? `npm run measure -- NAME\n${list()}` : `no measurement '${name}'; use\n${list()}`,
    )
    return name === undefined ? 0 : 2
  }
  const options = Object.fromEntries(
    Object.entries(found.options).map(([flag, { default: value }]) => [
      flag,
      { type: 'string' as const, default: value },
    ]),
  )
  let values: Record<string, string>
  try {
    values = parseArgs({ args, options }).values as Record<string, string>
  } catch (error) {
    console.error(`${(error as Error).message}\n${list()}`)
    return 2
  }
  const { result, columns, text, holds } = await found.run(values, progress)
  const path = keep(found.name, { options: values, ...result }, columns)
  console.log(`${text}\n\nkept in ${path}`)
  return holds ? 0 : 1
}

process.exitCode = await measure(process.argv[2], process.argv.slice(3))
