import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const POM = join(import.meta.dirname, 'pom.xml')
const CACHE = join(import.meta.dirname, '../../.cache/kafka')
const RESOLVE_TIMEOUT = 300_000

/** There is no broker to be had on this machine; the message says what is missing. */
export class BrokerUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BrokerUnavailable'
  }
}

/**
 * The folder with the jars of a Kafka broker. Maven resolves them once; they are kept in `.cache/kafka`, by version and
 * a hash of pom.xml. @throws {BrokerUnavailable} without Java, Maven or what they fetch
 */
export async function brokerJars(): Promise<string> {
  await need('java', ['-version'], 'install a Java runtime, 17 or later')
  const pom = await readFile(POM, 'utf8')
  const version = /<kafka\.version>([^<]+)</.exec(pom)?.[1]
  const hash = createHash('sha256').update(pom).digest('hex').slice(0, 8)
  const folder = join(CACHE, `${version}-${hash}`)
  if (!existsSync(folder)) await resolve(folder)
  return folder
}

async function need(command: string, args: string[], fix: string): Promise<void> {
  await run(command, args, { timeout: 30_000 }).catch(cause => {
    throw new BrokerUnavailable(`kafka broker: '${command}' does not run; ${fix}`, { cause })
  })
}

/** Several processes may do this at once: each fills its own folder, and the first to finish gives it its name. */
async function resolve(folder: string): Promise<void> {
  await need('mvn', ['-v'], 'install Maven, or start a broker yourself')
  await mkdir(CACHE, { recursive: true })
  const draft = await mkdtemp(join(CACHE, 'resolving-'))
  try {
    const args = ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${draft}`]
    await run('mvn', args, { timeout: RESOLVE_TIMEOUT })
    await rename(draft, folder).catch(error => {
      if (!existsSync(folder)) throw error
    })
  } catch (cause) {
    const { stdout = '', message } = cause as Error & { stdout?: string }
    const said = stdout.split('\n').find(line => line.includes('ERROR')) ?? message
    throw new BrokerUnavailable(`kafka broker: Maven could not fetch it: ${said}`, { cause })
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
}
