import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('front-process.ts', import.meta.url))
const tether = new URL('../../../deploy/demo/tether.ts', import.meta.url).href

/** A ClickHouse front that does not share its event loop with whoever asks. */
export interface FrontProcess {
  readonly url: string
  stop(): Promise<void>
}

/** Starts one over a folder. It ends with the process that started it. */
export async function startFront(folder: string): Promise<FrontProcess> {
  const child = spawn(process.execPath, ['--import', tether, program, folder], {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  const { value: url } = await createInterface(child.stdout!)[Symbol.asyncIterator]().next()
  return {
    url: String(url),
    async stop() {
      const exit = once(child, 'exit')
      child.kill('SIGKILL')
      await exit
    },
  }
}
