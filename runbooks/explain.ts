import type { z } from 'zod'

export type Path = readonly PropertyKey[]

export interface Problem {
  readonly text: string
  readonly path: Path
  /** The key that is wrong, where it is not the value. */
  readonly key?: string
}

type Issue = z.core.$ZodIssue

/**
 * Says what is wrong with a document in the words of its author: which key, where, and what was probably meant.
 * `schema` is the one the issue came from, `root` the whole document.
 */
export function explain(schema: z.ZodType, issue: Issue, root: unknown): Problem[] {
  return describe({ schema: schema as unknown as Shape, root }, issue, [])
}

interface Context {
  readonly schema: Shape
  readonly root: unknown
}

function describe(context: Context, issue: Issue, above: Path): Problem[] {
  const path = [...above, ...issue.path]
  const value = valueAt(context.root, path)
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(context, path)
    return issue.keys.map(key => ({ text: `unrecognized key "${key}"${at(path)}${suggest(key, known)}`, path, key }))
  }
  if (issue.code === 'invalid_union')
    return issue.errors.length > 0
      ? nearest(issue.errors).flatMap(inner => describe(context, inner, path))
      : [unknownKind(context, path, value)]
  if (
    issue.code === 'custom' ||
    (value !== undefined && issue.code !== 'invalid_value' && issue.code !== 'invalid_type')
  )
    return [{ text: `${path.length === 0 ? '' : `${dotted(path)}: `}${lowerFirst(issue.message)}`, path }]
  if (value === undefined && path.length > 0) return [missing(path)]
  if (issue.code === 'invalid_value') {
    const known = issue.values.map(String)
    const fix = closest(String(value), known)
    return [{ text: `${JSON.stringify(value)}${at(path)} is not one of ${known.join(', ')}${fix}`, path }]
  }
  const wanted = issue.code === 'invalid_type' ? issue.expected : 'object'
  return [{ text: `${JSON.stringify(value) ?? 'nothing'}${at(path)} is not ${article(wanted)}`, path }]
}

function missing(path: Path, fix = ''): Problem {
  const parent = path.slice(0, -1)
  return { text: `missing key "${String(path.at(-1))}"${at(parent)}${fix}`, path: parent }
}

/** The key that tells alternatives apart is absent, or has a value none of them has. */
function unknownKind(context: Context, path: Path, value: unknown): Problem {
  const key = String(path.at(-1))
  const known = discriminatorsAt(context, path.slice(0, -1), key)
  if (value === undefined) return missing(path, suggest('', known))
  const text = `unknown ${key} ${JSON.stringify(value)}${at(path.slice(0, -1))}${suggest(String(value), known)}`
  return { text, path }
}

/** Of the alternatives of a union, the one the author most likely meant: the fewest keys unknown to it. */
function nearest(alternatives: readonly (readonly Issue[])[]): readonly Issue[] {
  const distance = (issues: readonly Issue[]) =>
    issues.reduce((sum, issue) => {
      if (issue.code === 'unrecognized_keys') return sum + issue.keys.length
      return sum + (issue.code === 'invalid_type' && issue.path.length === 0 ? 100 : 0.1)
    }, 0)
  return alternatives.toSorted((a, b) => distance(a) - distance(b))[0] ?? []
}

type Shape = { readonly def: { readonly type: string } & Record<string, unknown> }

/** Keys that the schema knows at a place of a document. */
function keysAt(context: Context, path: Path): string[] {
  return objectsAt(context, path).flatMap(object => Object.keys(object.def.shape as object))
}

/** Values that `key` can have at a place, given the other keys there. */
function discriminatorsAt(context: Context, path: Path, key: string): string[] {
  const objects = objectsAt(context, path, key)
  const values = objects.map(({ def }) => literal((def.shape as Record<string, Shape>)[key]))
  return [...new Set(values.filter(value => value !== undefined))]
}

function literal(schema: Shape | undefined): string | undefined {
  return schema?.def.type === 'literal' ? String((schema.def.values as unknown[])[0]) : undefined
}

/**
 * The object schemas that could hold at `path`: where alternatives are told apart by literals, those that fit the value
 * there, the key `open` aside.
 */
function objectsAt({ schema, root }: Context, path: Path, open?: string): Shape[] {
  let schemas = expand(schema, root, open)
  path.forEach((key, depth) => {
    const value = valueAt(root, path.slice(0, depth + 1))
    schemas = schemas.flatMap(({ def }) => {
      const shape = def.shape as Record<PropertyKey, Shape> | undefined
      const next = def.type === 'array' ? def.element : def.type === 'record' ? def.valueType : shape?.[key]
      return next ? expand(next as Shape, value, open) : []
    })
  })
  return schemas.filter(found => found.def.type === 'object')
}

function expand(schema: Shape, value: unknown, open: string | undefined): Shape[] {
  const { def } = schema
  if (def.innerType) return expand(def.innerType as Shape, value, open)
  if (def.type === 'union') return (def.options as Shape[]).flatMap(option => expand(option, value, open))
  if (def.type !== 'object') return [schema]
  const fields = (value ?? {}) as Record<string, unknown>
  const fits = Object.entries(def.shape as Record<string, Shape>).every(([key, field]) => {
    const wanted = literal(field)
    return wanted === undefined || key === open || fields[key] === undefined || wanted === fields[key]
  })
  return fits ? [schema] : []
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key], root)
}

/** `steps[0].params` */
function dotted(path: Path): string {
  return path
    .map((key, index) => (typeof key === 'number' ? `[${key}]` : `${index === 0 ? '' : '.'}${String(key)}`))
    .join('')
}

const at = (path: Path) => (path.length === 0 ? '' : ` at ${dotted(path)}`)

function suggest(word: string, known: readonly string[]): string {
  return closest(word, known) || (known.length === 0 ? '' : `; known: ${[...new Set(known)].join(', ')}`)
}

function closest(word: string, known: readonly string[]): string {
  const [best] = known
    .map(name => ({ name, distance: editDistance(word.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(name.length / 3)) || isPart(word, name))
    .sort((a, b) => a.distance - b.distance)
  return best ? `; did you mean "${best.name}"?` : ''
}

const isPart = (word: string, name: string) => word.length >= 4 && name.startsWith(word)

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1))
    row = next
  }
  return row[b.length]!
}

export const lowerFirst = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)
const article = (type: string) => `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`
