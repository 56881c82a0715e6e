import { readFileSync } from 'node:fs'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { ConfigError } from './configuration/load.ts'

/** Who holds a data folder. */
const Owner = z.object({
  pid: z.int().positive(),
  /** Tells a process from a later one of the same number, where the system says when it began. */
  began: z.string(),
  /** Address of its API, once it listens. */
  api: z.string(),
})
export type Owner = z.output<typeof Owner>

/** Another process holds the data folder. */
export class DataFolderHeld extends Error {
  readonly code = 'OPS_DATA_HELD'
  readonly owner: Owner
  constructor(folder: string, owner: Owner) {
    const where = owner.api ? ` (its API: ${owner.api})` : ''
    super(
      `data folder '${folder}': held by process ${owner.pid}${where}; stop it, or choose another folder with --data`,
    )
    this.name = 'DataFolderHeld'
    this.owner = owner
  }
}

export interface DataFolder {
  /** Says where our API listens, for commands that run beside us. */
  announce(api: string): Promise<void>
  release(): Promise<void>
}

/** The living process that holds a data folder, or undefined. */
export async function ownerOf(folder: string): Promise<Owner | undefined> {
  const text = await readFile(join(folder, 'owner.json'), 'utf8').catch(() => undefined)
  const owner = text === undefined ? undefined : parse(text)
  return owner && beganAt(owner.pid) === owner.began && isAlive(owner.pid) ? owner : undefined
}

/**
 * Takes a data folder for this process; one left behind by a process that died is taken over.
 * @throws {DataFolderHeld} if a living process holds it; {ConfigError} if nothing can be written there
 */
export async function holdDataFolder(folder: string): Promise<DataFolder> {
  const file = join(folder, 'owner.json')
  const draft = join(folder, `owner.${process.pid}.json`)
  const me: Owner = { pid: process.pid, began: beganAt(process.pid), api: '' }
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(draft, JSON.stringify(me))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([`data folder '${folder}': cannot be written (${code}); choose another with --data`], {
      cause: error,
    })
  }
  try {
    while (!(await taken(draft, file))) {
      const owner = await ownerOf(folder)
      if (owner) throw new DataFolderHeld(folder, owner)
      await rm(file, { force: true })
    }
  } finally {
    await rm(draft, { force: true })
  }
  return {
    async announce(api) {
      await writeFile(draft, JSON.stringify({ ...me, api }))
      await rename(draft, file)
    },
    release: () => rm(file, { force: true }),
  }
}

/** Linking is the one step that only one process can win. */
const taken = (draft: string, file: string): Promise<boolean> =>
  link(draft, file).then(
    () => true,
    error => {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    },
  )

function parse(text: string): Owner | undefined {
  try {
    return Owner.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Field 22 of /proc/PID/stat (proc(5)): clock ticks from the system's start to the process's; '' where there is none. */
function beganAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
