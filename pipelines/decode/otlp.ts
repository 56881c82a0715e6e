import { Unreadable } from './decoded.ts'
import type { Labels } from './place.ts'
import { type Fields, field, isFields, isLong, jsonOf, kindOf, listField } from './values.ts'

// What OTLP logs and metrics share. Messages of protobufjs and OTLP/JSON are read alike: both have lowerCamelCase names
// (opentelemetry-proto, docs/specification.md, "JSON Protobuf Encoding").

/** The text of an AnyValue: lists and maps as JSON, bytes as base64, nothing as empty. */
export function textOfAny(any: unknown): string {
  const value = plainOf(any, 0)
  if (typeof value === 'string') return value
  return value === null ? '' : typeof value === 'object' ? jsonOf(value) : String(value)
}

/** Deeper than any sender nests, and far from the end of the stack. */
const deepest = 32

/** An AnyValue as plain data. 64-bit integers are numbers where that is exact, else their digits. */
function plainOf(any: unknown, depth: number): unknown {
  if (any === undefined || any === null || depth > deepest) return null
  if (!isFields(any)) throw new Unreadable('wrong-type', `an attribute's value is ${kindOf(any)}, not an AnyValue`)
  const string = field(any, 'stringValue')
  if (string !== undefined) return String(string)
  const integer = field(any, 'intValue')
  if (integer !== undefined) return isLong(integer) ? exact(integer.toString()) : exact(String(integer))
  const double = field(any, 'doubleValue')
  if (double !== undefined) return typeof double === 'number' && Number.isFinite(double) ? double : String(double)
  const boolean = field(any, 'boolValue')
  if (boolean !== undefined) return boolean === true
  const bytes = field(any, 'bytesValue')
  if (bytes !== undefined) return bytes instanceof Uint8Array ? Buffer.from(bytes).toString('base64') : String(bytes)
  const array = field(any, 'arrayValue')
  if (array !== undefined) return listField(array, 'values').map(value => plainOf(value, depth + 1))
  const map = field(any, 'kvlistValue')
  return map === undefined ? null : Object.fromEntries(pairsOf(map, 'values', depth + 1))
}

function exact(digits: string): number | string {
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : digits
}

function* pairsOf(of: unknown, name: string, depth: number): Generator<[string, unknown]> {
  for (const pair of listField(of, name)) {
    const key = field(pair, 'key')
    if (typeof key === 'string') yield [key, plainOf(field(pair, 'value'), depth)]
  }
}

/** Adds a list of KeyValues to labels, every value as text. @throws {Unreadable} if it is no such list */
export function addAttributes(labels: Labels, of: unknown, name = 'attributes'): Labels {
  for (const pair of listField(of, name)) {
    const key = field(pair, 'key')
    if (typeof key !== 'string')
      throw new Unreadable('wrong-type', `the key of an attribute is ${kindOf(key)}, not text`)
    // Assigning this one name would change the object, not add to it.
    if (key !== '__proto__') labels[key] = textOfAny(field(pair, 'value'))
  }
  return labels
}

/** What a resource or scope of a request holds, read once for all its entries. */
export interface Scope {
  /** Attributes of the resource. */
  readonly resource: Labels
  readonly scope: string
  readonly entries: readonly unknown[]
}

/**
 * Walks `resourceX[].scopeX[].entries[]`. What is wrong at one level ends that resource or scope alone.
 * @param names of the three levels
 * @param failed hears of a resource or scope that could not be read
 */
export function* scopesOf(
  request: unknown,
  names: readonly [resources: string, scopes: string, entries: string],
  failed: (error: Unreadable) => void,
): Generator<Scope> {
  const [resources, scopes, entries] = names
  for (const each of guarded(() => listField(request, resources), failed)) {
    const resource = guarded(() => [addAttributes({}, objectField(each, 'resource'))], failed)[0]
    if (resource === undefined) continue
    for (const scope of guarded(() => listField(each, scopes), failed)) {
      const name = field(field(scope, 'scope'), 'name')
      const list = guarded(() => listField(objectOf(scope, scopes), entries), failed)
      yield { resource, scope: typeof name === 'string' ? name : '', entries: list }
    }
  }
}

function objectField(of: unknown, name: string): Fields | undefined {
  const value = field(objectOf(of, name), name)
  return value === undefined ? undefined : objectOf(value, name)
}

function objectOf(value: unknown, name: string): Fields {
  if (!isFields(value)) throw new Unreadable('wrong-type', `${name} is ${kindOf(value)}, not an object`)
  return value
}

function guarded<T>(read: () => readonly T[], failed: (error: Unreadable) => void): readonly T[] {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error
    failed(error)
    return []
  }
}
