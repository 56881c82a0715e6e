import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CommandError } from '../commands/command.ts'
import { parseCsv } from './csv.ts'

/** The labelled lines of one system, in file order. */
export interface PatternSet {
  /** Name of its folder. */
  readonly name: string
  /** Empty where the file has no such column: then lines are numbered from 1. */
  readonly ids: readonly string[]
  readonly contents: readonly string[]
  readonly templates: readonly string[]
}

/**
 * Reads a folder in the layout of Loghub: `<system>/*_structured*.csv` with the columns Content and EventTemplate, the
 * corrected file where a system has two. The folder may also be that of one system.
 * @throws {CommandError} if there is no such folder or file, or a column is missing
 */
export function readPatternSets(folder: string): PatternSet[] {
  const own = structuredFile(folder)
  if (own !== undefined) return [readSet(folder.split('/').filter(Boolean).at(-1) ?? folder, join(folder, own))]
  const sets = entriesOf(folder)
    .filter(entry => entry.isDirectory() || entry.isSymbolicLink())
    .map(({ name }) => ({ name, file: structuredFile(join(folder, name)) }))
    .filter(({ file }) => file !== undefined)
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  if (sets.length === 0)
    throw new CommandError(
      `no labelled lines in ${folder}; give a folder with one folder per system, each with a *_structured*.csv as Loghub has it`,
    )
  return sets.map(({ name, file }) => readSet(name, join(folder, name, file!)))
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    throw new CommandError(`cannot read the folder ${folder}: ${(error as Error).message}; correct the path`)
  }
}

function structuredFile(folder: string): string | undefined {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return undefined
  }
  const found = names.filter(name => /_structured.*\.csv$/.test(name)).sort()
  return found.find(name => name.includes('corrected')) ?? found[0]
}

function readSet(name: string, path: string): PatternSet {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(`cannot read ${path}: ${(error as Error).message}`)
  }
  const [header = [], ...rows] = parseCsv(text)
  const content = column(header, 'Content', path)
  const template = column(header, 'EventTemplate', path)
  const id = header.indexOf('LineId')
  if (rows.length === 0) throw new CommandError(`${path} has no lines below its header; nothing can be scored`)
  rows.forEach((row, at) => {
    if (row.length < header.length)
      throw new CommandError(`${path}: row ${at + 2} has ${row.length} of ${header.length} columns; correct the file`)
  })
  return {
    name,
    ids: rows.map((row, at) => (id < 0 ? String(at + 1) : row[id]!)),
    contents: rows.map(row => row[content]!),
    templates: rows.map(row => row[template]!),
  }
}

function column(header: readonly string[], name: string, path: string): number {
  const at = header.indexOf(name)
  if (at < 0) throw new CommandError(`${path} has no column ${name}, only ${header.join(', ')}; give a file with it`)
  return at
}
