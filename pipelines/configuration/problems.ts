import type { z } from 'zod'
import { suggestion } from './closest.ts'
import { type Field, isSecret, shapeOf, unwrap, variantsOf } from './fields.ts'

type Path = readonly PropertyKey[]
type Issue = z.core.$ZodIssue

/** One sentence for each thing a schema found wrong: where it stands, the setting, the value, the fix. */
export function explain(
  schema: z.ZodType,
  value: unknown,
  issues: readonly Issue[],
  where: (path: Path) => string,
): string[] {
  return issues.flatMap(issue => {
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map(key => {
        const path = [...issue.path, key]
        return `${where(path)}: ${path.join('.')}: ${misplaced(schema, value, issue.path, key)}`
      })
    const other = issue.code === 'custom' ? String(issue.params?.other ?? '') : ''
    const here = where(issue.path)
    const beside = other && at(value, other.split('.')) !== undefined ? where(other.split('.')) : here
    const place = beside === here ? here : `${here} and ${beside}`
    return `${place}: ${issue.path.join('.') || 'configuration'}: ${reason(schema, value, issue)}`
  })
}

function reason(schema: z.ZodType, root: unknown, issue: Issue): string {
  const value = at(root, issue.path)
  const shown = quote(schema, issue.path, value)
  switch (issue.code) {
    case 'invalid_type':
      return value === undefined
        ? `is missing; set it to ${article(issue.expected)}`
        : `${shown} is not ${article(issue.expected)}`
    case 'invalid_value':
      return `${shown} is not known${suggestion(String(value), issue.values.map(String))}`
    case 'too_small':
      return issue.origin === 'array' || issue.origin === 'string'
        ? `is empty; give at least ${issue.minimum}`
        : `${shown} is too small; make it at least ${issue.minimum}`
    case 'too_big':
      return `${shown} is too large; make it at most ${issue.maximum}`
    case 'invalid_format':
      return issue.format === 'regex' ? `${shown}: ${issue.message}` : `${shown} is not a valid ${issue.format}`
    case 'invalid_union':
      return union(schema, root, issue, shown)
    default:
      return issue.message
  }
}

function union(schema: z.ZodType, root: unknown, issue: z.core.$ZodIssueInvalidUnion, shown: string): string {
  if (issue.discriminator !== undefined) {
    const options = variantsOf(schemaAt(schema, issue.path.slice(0, -1)) ?? schema)?.options.keys() ?? []
    return `${shown} is not known${suggestion(String(at(root, issue.path)), [...options])}`
  }
  const inner = issue.errors.flat()
  const custom = inner.find(({ code }) => code === 'custom')
  if (custom) return custom.message
  const field = schemaAt(schema, issue.path)
  if (field && isSecret(field)) return 'is not a secret; write its text, { file: PATH } or { env: NAME }'
  const slip = inner.find(({ code }) => code === 'unrecognized_keys')
  if (slip?.code === 'unrecognized_keys') return `'${slip.keys[0]}' ${unknownSetting(slip.keys[0]!, namesIn(field))}`
  return `${shown} has none of the forms it may have: ${inner.map(({ message }) => message.toLowerCase()).join('; ')}`
}

const namesIn = (field: z.core.$ZodType | undefined): string[] => {
  const options = (field && (unwrap(field)._zod.def as { options?: z.core.$ZodType[] }).options) ?? []
  return options.flatMap(option => Object.keys(shapeOf(option) ?? {}))
}

/** Why there is no such setting here: it belongs to another variant, or it is a slip. */
function misplaced(schema: z.ZodType, root: unknown, path: Path, key: string): string {
  const parent = schemaAt(schema, path)
  const variants = parent && variantsOf(parent)
  if (!parent || !variants) return unknownSetting(key, Object.keys(shapeOf(parent ?? schema) ?? {}))
  const chosen = String(at(root, [...path, variants.discriminator]))
  const chooser = [...path, variants.discriminator].join('.')
  for (const [name, option] of variants.options)
    if (name !== chosen && shapeOf(option)?.[key])
      return `belongs to ${chooser}: ${name}, but ${chooser} is '${chosen}'; set ${chooser} to '${name}' or remove this`
  return unknownSetting(key, Object.keys(shapeOf(variants.options.get(chosen) ?? parent) ?? {}))
}

export function unknownSetting(name: string, known: readonly string[] | readonly Field[]): string {
  const names = known.map(field => (typeof field === 'string' ? field : field.path.join('.')))
  const near = suggestion(name, names)
  // The whole list helps only while it can be read.
  return `is no setting${near.startsWith('; did') || names.length <= 12 ? near : '; see deploy/ops-agent.yaml for all of them'}`
}

function schemaAt(schema: z.core.$ZodType, path: Path): z.core.$ZodType | undefined {
  let found: z.core.$ZodType | undefined = schema
  for (const name of path) {
    const definition: { element?: z.core.$ZodType; valueType?: z.core.$ZodType } = unwrap(found)._zod.def as never
    const inVariant: z.core.$ZodType | undefined = [...(variantsOf(found)?.options.values() ?? [])].find(
      option => shapeOf(option)?.[String(name)],
    )
    found = shapeOf(inVariant ?? found)?.[String(name)] ?? definition.element ?? definition.valueType
    if (!found) return undefined
  }
  return found
}

function quote(schema: z.ZodType, path: Path, value: unknown): string {
  const field = schemaAt(schema, path)
  if (field && isSecret(field)) return 'the value'
  return typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? 'nothing')
}

const article = (type: string) =>
  ({
    object: 'a group of settings',
    array: 'a list',
    record: 'a map',
    string: 'a text',
    boolean: 'true or false',
    int: 'a whole number',
  })[type] ?? `a ${type}`

function at(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, name) => (value as Record<PropertyKey, unknown> | undefined)?.[name], root)
}
