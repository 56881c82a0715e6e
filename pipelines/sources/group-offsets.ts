import { mkdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { replaceFile } from './durable-file.ts'

const Saved = z.record(z.string(), z.int().nonnegative())

/** How far one group has come in each partition, kept in one small file. */
export class GroupOffsets {
  readonly #path: string
  readonly #offsets: Map<string, number>
  /** The save that has not begun yet, and the last one that has; the latter never rejects. */
  #next: Promise<void> | undefined
  #last: Promise<void> = Promise.resolve()

  private constructor(path: string, offsets: Map<string, number>) {
    this.#path = path
    this.#offsets = offsets
  }

  static async open(folder: string, group: string): Promise<GroupOffsets> {
    const path = join(folder, `${encodeURIComponent(group)}.json`)
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}'
      throw error
    })
    return new GroupOffsets(path, new Map(Object.entries(Saved.parse(JSON.parse(text)))))
  }

  get(topic: string, partition: number): number | undefined {
    return this.#offsets.get(`${topic}/${partition}`)
  }

  /** Resolves when durable. Calls made while a save is under way share the next one. */
  set(topic: string, partition: number, next: number): Promise<void> {
    this.#offsets.set(`${topic}/${partition}`, next)
    this.#next ??= this.#last.then(() => {
      this.#next = undefined
      return this.#save()
    })
    this.#last = this.#next.catch(() => undefined)
    return this.#next
  }

  async #save(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true })
    await replaceFile(this.#path, `${JSON.stringify(Object.fromEntries(this.#offsets), null, 2)}\n`)
  }
}
