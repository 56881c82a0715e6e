import { glob, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Document, isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml'
import { explain, lowerFirst, type Path } from './explain.ts'
import { Runbook } from './runbook.ts'

/** A runbook file is wrong. The message has a line for each problem: file, what, where, and the fix if one is near. */
export class RunbookError extends Error {
  readonly code = 'OPS_RUNBOOK'
  override readonly name = 'RunbookError'
}

/**
 * Loads runbooks from files, folders (their `*.yaml` and `*.yml`, without `*.test.yaml`) and globs, by file name.
 * @throws {RunbookError} naming every wrong file, or both files of a name that occurs twice
 */
export async function loadRunbooks(paths: readonly string[]): Promise<Runbook[]> {
  const files = [...new Set((await Promise.all(paths.map(filesOf))).flat())].sort()
  const problems: string[] = []
  const runbooks = new Map<string, { file: string; runbook: Runbook }>()
  for (const file of files) {
    try {
      const runbook = parseRunbook(await readFile(file, 'utf8'), file)
      const twin = runbooks.get(runbook.name)
      if (twin) problems.push(`${file}: name "${runbook.name}" is taken by ${twin.file}; rename one of them`)
      else runbooks.set(runbook.name, { file, runbook })
    } catch (error) {
      problems.push((error as Error).message)
    }
  }
  if (problems.length > 0) throw new RunbookError(problems.join('\n'))
  return [...runbooks.values()].map(({ runbook }) => runbook)
}

async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile()) return [path]
  if (found?.isDirectory()) return (await readdir(path)).filter(isRunbook).map(name => join(path, name))
  if (!/[*?[{]/.test(path)) throw new RunbookError(`${path}: no such file or folder; correct the path`)
  const files: string[] = []
  for await (const file of glob(path)) if (isRunbook(file)) files.push(file)
  return files
}

const isRunbook = (file: string) => /\.ya?ml$/.test(file) && !/\.test\.ya?ml$/.test(file)

/** Reads one runbook. @throws {RunbookError} */
export function parseRunbook(text: string, file: string): Runbook {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const broken = document.errors.map(({ message, pos }) => `${file}: ${lowerFirst(message)}${place(lines, pos[0])}`)
  if (broken.length > 0) throw new RunbookError(broken.join('\n'))
  const value: unknown = document.toJS()
  const parsed = Runbook.safeParse(value)
  if (parsed.success) return parsed.data
  const problems = parsed.error.issues
    .flatMap(issue => explain(Runbook, issue, value))
    .map(({ text, path, key }) => {
      const offset = offsetOf(document, path, key)
      return `${file}: ${text}${offset === undefined ? '' : place(lines, offset)}`
    })
  throw new RunbookError([...new Set(problems)].join('\n'))
}

/** Where in the text a value, or one of its keys, begins. */
function offsetOf(document: Document, path: Path, key: string | undefined): number | undefined {
  const node = path.length === 0 ? document.contents : document.getIn(path, true)
  if (key !== undefined && isMap(node)) {
    const pair = node.items.find(item => isPair(item) && isScalar(item.key) && String(item.key.value) === key)
    return pair && isScalar(pair.key) ? pair.key.range?.[0] : undefined
  }
  if (isNode(node) && node.range) return node.range[0]
  return undefined
}

function place(lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset)
  return ` (line ${line}, column ${col})`
}
