import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import { Config } from '../config.ts'
import { fromEnvironment, type Given, typed } from './environment.ts'
import { defaultOf, fieldsOf, mapDurations, shapeOf, variantsOf } from './fields.ts'
import { explain, unknownSetting } from './problems.ts'
import { fromMachine, Secret } from './secret.ts'

/** The configuration is wrong. The message has one line for each thing that is, with where it stands and the fix. */
export class ConfigError extends Error {
  readonly code = 'OPS_CONFIG'
  readonly problems: readonly string[]
  constructor(problems: readonly string[], options?: ErrorOptions) {
    super(problems.join('\n'), options)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

export interface ConfigSources {
  /** The file to read. Absent: what `OPS_CONFIG` names, else `ops-agent.yaml` if there is one, else none. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Folder that relative paths outside a file start from. */
  readonly cwd: string
  /** `PATH=VALUE`, as `--set` gives them; over file and environment. */
  readonly set?: readonly string[]
  /** The `--data` flag. */
  readonly data?: string | undefined
}

type Tree = { [name: string]: unknown }

const fields = fieldsOf(Config)

/**
 * Reads the configuration: the file, over it environment variables, over them flags. Durations come out divided by
 * `timeScale`, secrets fetched, paths absolute (those in a file start from the file's folder).
 * @throws {ConfigError} with everything that is wrong, not only the first
 */
export function loadConfig(sources: ConfigSources): Config {
  const file = fileOf(sources)
  const { given, suspects } = fromEnvironment(fields, sources.env)
  const slips = suspects.map(
    ({ variable, meant }) => `environment variable ${variable}: is no setting; did you mean ${meant}?`,
  )
  given.push(...flags(sources))

  const tree = withDefaultVariants(merge(file.tree, given))
  const parsed = Config.safeParse(tree)
  const where = (path: readonly PropertyKey[]) => whereOf(path, given, file)
  if (!parsed.success) throw new ConfigError([...slips, ...explain(Config, tree, parsed.error.issues, where)])
  if (slips.length > 0) throw new ConfigError(slips)

  const baseOf = (path: string) =>
    file.path && !given.some(({ path: at }) => at.join('.') === path) && file.has(path.split('.'))
      ? dirname(file.path)
      : sources.cwd
  const scaled = scale(parsed.data)
  const problems = fetchSecrets(scaled, sources.env, baseOf, where)
  if (problems.length > 0) throw new ConfigError(problems)
  return withAbsolutePaths(scaled, baseOf)
}

/** Divides every duration by `timeScale`, to whole milliseconds; one that was not zero does not become zero. */
function scale(config: Config): Config {
  const divide = (ms: number) => (ms === 0 ? 0 : Math.max(1, Math.round(ms / config.timeScale)))
  return mapDurations(Config, config, divide) as Config
}

interface ConfigFile {
  readonly path: string | undefined
  readonly tree: Tree
  has(path: readonly PropertyKey[]): boolean
  lineOf(path: readonly PropertyKey[]): number | undefined
}

function fileOf({ file, env, cwd }: ConfigSources): ConfigFile {
  const named = file ?? (env.OPS_CONFIG || undefined)
  const path = resolve(cwd, named ?? 'ops-agent.yaml')
  if (!named && !existsSync(path)) return { path: undefined, tree: {}, has: () => false, lineOf: () => undefined }
  const shown = named ?? 'ops-agent.yaml'
  const lines = new LineCounter()
  const document = parseDocument(readText(path, shown), { lineCounter: lines, prettyErrors: false })
  if (document.errors.length > 0)
    throw new ConfigError(
      document.errors.map(error => `${shown}:${lines.linePos(error.pos[0]).line}: not valid YAML: ${error.message}`),
    )
  const content = contentOf(document, shown)
  if (typeof content !== 'object' || Array.isArray(content))
    throw new ConfigError([
      `${shown}: holds no settings; write them as 'name: value' lines (see deploy/ops-agent.yaml)`,
    ])
  return {
    path: shown === path ? path : resolve(cwd, shown),
    tree: content as Tree,
    has: at => document.hasIn(at),
    lineOf: at => lineOf(document, lines, at),
  }
}

function contentOf(document: Document, shown: string): unknown {
  try {
    return document.toJS() ?? {}
  } catch (error) {
    // An alias without its anchor is found only here.
    throw new ConfigError([`${shown}: not valid YAML: ${(error as Error).message}`], { cause: error })
  }
}

function readText(path: string, shown: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    const why =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${code})`
    throw new ConfigError([`configuration '${shown}': ${why}; correct --config`], { cause: error })
  }
}

/** The line of the setting at a path, or of the nearest thing around it. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const parent = document.getIn(path.slice(0, length - 1), true) ?? document.contents
    const name = path[length - 1]
    const key = isMap(parent)
      ? parent.items.find(pair => isScalar(pair.key) && pair.key.value === name)?.key
      : undefined
    const node = key ?? document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range) return lines.linePos(node.range[0]).line
  }
  return undefined
}

function flags({ set = [], data, cwd }: ConfigSources): Given[] {
  const given: Given[] = set.map(text => {
    const at = text.indexOf('=')
    if (at < 1) throw new ConfigError([`--set '${text}': write it as PATH=VALUE, for example http.port=8081`])
    const path = text.slice(0, at).split('.')
    const field = fields.find(field => field.path.join('.') === path.join('.'))
    if (!field) throw new ConfigError([`--set ${path.join('.')}: ${unknownSetting(path.join('.'), fields)}`])
    return { path, value: typed(field, text.slice(at + 1)), from: `--set ${path.join('.')}` }
  })
  if (data !== undefined) given.push({ path: ['data'], value: resolve(cwd, data), from: '--data' })
  return given
}

function merge(tree: Tree, given: readonly Given[]): Tree {
  const merged = withoutNulls(tree) as Tree
  for (const { path, value } of given) {
    let at = merged
    for (const name of path.slice(0, -1)) {
      const next = at[name]
      if (next === null || typeof next !== 'object' || Array.isArray(next)) at[name] = {}
      at = at[name] as Tree
    }
    at[path.at(-1)!] = value
  }
  return merged
}

/** `http:` with nothing under it means nothing is set there. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, item]) => item !== null)
      .map(([name, item]) => [name, withoutNulls(item)]),
  )
}

/** Fills in the choice of a variant where settings are given without it: `log: { partitions: 8 }`. */
function withDefaultVariants(tree: Tree): Tree {
  for (const [name, schema] of Object.entries(shapeOf(Config) ?? {})) {
    const variants = variantsOf(schema)
    const value = tree[name]
    if (!variants || value === null || typeof value !== 'object' || Array.isArray(value)) continue
    const chosen = (defaultOf(schema) as Tree | undefined)?.[variants.discriminator]
    tree[name] = { [variants.discriminator]: chosen, ...value }
  }
  return tree
}

function whereOf(path: readonly PropertyKey[], given: readonly Given[], file: ConfigFile): string {
  const name = path.join('.')
  const source = given.findLast(({ path: at }) => `${name}.`.startsWith(`${at.join('.')}.`))
  if (source) return source.from
  if (!file.path) return 'configuration'
  const line = file.lineOf(path)
  return line === undefined ? 'configuration' : `${shownName(file.path)}:${line}`
}

const shownName = (path: string) => path.replace(`${process.cwd()}/`, '')

function fetchSecrets(
  config: Config,
  env: ConfigSources['env'],
  baseOf: (path: string) => string,
  where: (path: readonly PropertyKey[]) => string,
): string[] {
  const problems: string[] = []
  for (const { path } of fields.filter(field => field.kind === 'secret')) {
    const secret = path.reduce<unknown>((value, name) => (value as Tree | undefined)?.[name], config)
    if (!(secret instanceof Secret)) continue
    const machine = fromMachine(env)
    try {
      secret.resolve({ env, file: at => machine.file(resolve(baseOf(path.join('.')), at)) })
    } catch (error) {
      problems.push(`${where(path)}: ${path.join('.')}: ${(error as Error).message}`)
    }
  }
  return problems
}

function withAbsolutePaths(config: Config, baseOf: (path: string) => string): Config {
  const absolute = (name: string, path: string) => resolve(baseOf(name), path)
  const tls = config.log.in === 'kafka' ? config.log.tls : undefined
  if (tls)
    for (const name of ['ca', 'cert', 'key'] as const)
      if (tls[name] !== undefined) tls[name] = absolute(`log.tls.${name}`, tls[name])
  return {
    ...config,
    data: absolute('data', config.data),
    ...(config.services === undefined ? {} : { services: absolute('services', config.services) }),
    runbooks: { ...config.runbooks, paths: config.runbooks.paths.map(path => absolute('runbooks.paths', path)) },
  }
}
