import { glob, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile } from './compile.ts'

// `npm pack` runs this before and, with --undo, after: beside each module that is shipped lies its JavaScript for as
// long as the package is being packed. No source is touched, so that a cut-off packing leaves nothing broken.

const root = fileURLToPath(new URL('../../', import.meta.url))
const folders = '{pipelines,operators,sinks,runbooks,deploy}'
const unshipped = /\.(test|bench|fixture|d)\.ts$|(^|\/)deploy\/package\//

async function modules(): Promise<string[]> {
  const found: string[] = []
  for await (const path of glob(`${folders}/**/*.ts`, { cwd: root })) if (!unshipped.test(path)) found.push(path)
  return found.sort()
}

const compiledName = (path: string) => join(root, path.replace(/\.ts$/, '.js'))

const undo = async () => {
  for (const path of await modules()) await rm(compiledName(path), { force: true })
}

async function compileAll(): Promise<void> {
  for (const path of await modules()) {
    try {
      await writeFile(compiledName(path), compile(await readFile(join(root, path), 'utf8')))
    } catch (error) {
      await undo()
      throw new Error(`${path}: cannot be shipped as JavaScript (${(error as Error).message})`, { cause: error })
    }
  }
}

await (process.argv.includes('--undo') ? undo() : compileAll())
