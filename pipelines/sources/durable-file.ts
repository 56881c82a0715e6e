import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Replaces a file whole: after a crash it holds the old text or the new, and once this resolves, the new. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.new`
  const file = await open(draft, 'w')
  try {
    await file.writeFile(text)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  await syncDirectory(dirname(path))
}

/** Makes the names in a folder durable: files created, renamed or removed. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
