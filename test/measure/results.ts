import { execFileSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { root } from '../repository.ts'

const folder = `${root}test/measure/results/`

/** What a number means little without. */
export interface Circumstances {
  readonly date: string
  readonly commit: string
  readonly machine: { readonly cpus: number; readonly model: string; readonly memory: string; readonly node: string }
}

export function circumstances(): Circumstances {
  const git = (...args: string[]) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain', '--untracked-files=no') === '' ? '' : '+'
  return {
    date: new Date().toISOString(),
    commit: git('rev-parse', '--short', 'HEAD') + changed,
    machine: {
      cpus: cpus().length,
      model: cpus()[0]?.model.trim() ?? 'unknown',
      memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
      node: process.versions.node,
    },
  }
}

/**
 * Keeps a result: all of it as `results/NAME-DATE.json`, and a line of `results/NAME.md`, whose head is written with the
 * first. Answers the path of the JSON, from the root.
 */
export function keep(name: string, result: object, columns: Readonly<Record<string, string>>): string {
  const found = circumstances()
  const { date, commit, machine } = found
  const path = `${folder}${name}-${date.replaceAll(/[:-]|\.\d+/g, '')}.json`
  mkdirSync(folder, { recursive: true })
  writeFileSync(path, `${JSON.stringify({ ...found, ...result }, null, 2)}\n`)
  const on = `${machine.cpus} × ${machine.model}, ${machine.memory}, node ${machine.node}`
  const all = { date: date.slice(0, 16).replace('T', ' '), commit, ...columns, machine: on }
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  const table = `${folder}${name}.md`
  if (!existsSync(table))
    writeFileSync(table, `# ${name}\n\n${row(Object.keys(all))}${row(Object.keys(all).map(() => '---'))}`)
  appendFileSync(table, row(Object.values(all)))
  return path.slice(root.length)
}
