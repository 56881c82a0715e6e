import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const folders = ['pipelines', 'operators', 'sinks', 'runbooks', 'deploy', 'test'] as const

export interface Source {
  /** Path from the root, with slashes. */
  readonly path: string
  readonly text: string
}

/** Every file of our folders whose name ends so. */
export function sources(suffix = '.ts'): Source[] {
  return folders.flatMap(folder =>
    readdirSync(`${root}${folder}`, { recursive: true, withFileTypes: true })
      .filter(entry => entry.isFile() && entry.name.endsWith(suffix))
      .map(entry => {
        const file = `${entry.parentPath}/${entry.name}`
        return { path: file.slice(root.length), text: readFileSync(file, 'utf8') }
      }),
  )
}

export const isTest = ({ path }: Source) => path.startsWith('test/') || /\.(test|bench|fixture)\.ts$/.test(path)
