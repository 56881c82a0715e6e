import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

const BLOCK = Buffer.alloc(4_096)

/** A disk of so many MiB, in memory, for one test. Where none may be mounted the test is skipped, loudly. */
export function smallDisk(t: TestContext, megabytes: number): SmallDisk | undefined {
  const path = mkdtempSync(join(tmpdir(), 'ops-disk-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], { stdio: 'pipe' })
  } catch (error) {
    rmdirSync(path)
    console.error(`NOT TESTED ON A FULL DISK: ${(error as Error).message}`)
    t.skip('no disk may be mounted here')
    return undefined
  }
  t.after(() => {
    execFileSync('umount', ['--lazy', path], { stdio: 'pipe' })
    rmdirSync(path)
  })
  return new SmallDisk(path)
}

export class SmallDisk {
  readonly path: string
  readonly #filler: string

  constructor(path: string) {
    this.path = path
    this.#filler = join(path, 'filler')
  }

  /** Bytes that can still be written. */
  get free(): number {
    const { bavail, bsize } = statfsSync(this.path)
    return bavail * bsize
  }

  /** Leaves no room, or no more than so many bytes. */
  fill(leave = 0): void {
    const file = openSync(this.#filler, 'a')
    try {
      while (this.free > leave) writeSync(file, BLOCK)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      closeSync(file)
    }
  }

  /** Gives back what was filled. */
  clear(): void {
    rmSync(this.#filler, { force: true })
  }
}
