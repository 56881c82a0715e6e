import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type Command, CommandError, json } from './command.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))

export const generate: Command = {
  name: 'generate',
  summary: 'Writes the files of this repository that are derived from its code: schemas, reference, README’s tables.',
  flags: [{ name: 'check', summary: 'Write nothing; fail if a file is not as it would be written.' }, json],
  examples: ['npm run generate', 'ops-agent generate --check'],
  async run(call, context) {
    const { derivedFiles } = await import('../derived.ts')
    const stale: string[] = []
    for (const [path, derive] of derivedFiles) {
      const file = `${root}${path}`
      const before = await readFile(file, 'utf8').catch(() => '')
      const after = await derive(before)
      if (before === after) continue
      stale.push(path)
      if (!call.is('check')) await writeFile(file, after)
    }
    if (call.is('json')) context.out(`${JSON.stringify({ stale })}\n`)
    else if (!call.is('check')) context.out(stale.map(path => `${path}: written\n`).join('') || 'all files are fresh\n')
    if (call.is('check') && stale.length > 0)
      throw new CommandError(`${stale.join(', ')}: not as the code says; run npm run generate`)
  },
}
