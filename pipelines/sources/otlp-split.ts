import protobuf from 'protobufjs'

// Kafka takes 1 MB a message and OTLP 20 MiB a request. A request that is too large is cut into several: by resource,
// within one by scope, within one by log record or metric, each piece carrying along what stands around it. An entry is
// never cut, so a piece of one entry may stay above the limit.

export type Signal = 'logs' | 'metrics'

/** Names of the three levels of a request. */
const levels = {
  logs: ['resourceLogs', 'scopeLogs', 'logRecords'],
  metrics: ['resourceMetrics', 'scopeMetrics', 'metrics'],
} as const

/** `value` is what `body` spells; answered as it came where it fits. */
export function splitJsonRequest(value: unknown, body: Buffer, signal: Signal, limit: number): Buffer[] {
  if (body.length <= limit) return [body]
  return splitJson(value, levels[signal], limit).map(part => Buffer.from(JSON.stringify(part)))
}

/** `body` is well formed down to its entries (`shapeOf`). */
export const splitProtobufRequest = (body: Buffer, limit: number): Buffer[] =>
  body.length <= limit ? [body] : splitMessage(body, 0, limit)

const sizeOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '')

/** Every part is an object like `value`, with some of the elements of the list called `names[0]`. */
function splitJson(value: unknown, names: readonly string[], limit: number): unknown[] {
  const [name, ...inner] = names
  if (name === undefined || typeof value !== 'object' || value === null) return [value]
  const { [name]: list, ...around } = value as Record<string, unknown>
  if (!Array.isArray(list)) return [value]
  const room = limit - sizeOf({ ...around, [name]: [] })
  const elements = list.flatMap(each => (sizeOf(each) + 1 > room ? splitJson(each, inner, room) : [each]))
  return packed(elements, each => sizeOf(each) + 1, room).map(some => ({ ...around, [name]: some }))
}

/** Elements in order, in as few groups as fit; one that does not fit is alone. */
function packed<T>(elements: readonly T[], size: (element: T) => number, room: number): T[][] {
  const groups: T[][] = []
  let used = Number.POSITIVE_INFINITY
  for (const element of elements) {
    const bytes = size(element)
    if (used + bytes > room) {
      groups.push([])
      used = 0
    }
    groups.at(-1)!.push(element)
    used += bytes
  }
  return groups
}

/** Bytes of the tag and length that stand before a nested message: at most one and five. */
const frame = 6

/**
 * The same on the wire: at depth 0 the elements are field 1, at depth 1 and 2 field 2, and the entries are not opened.
 */
function splitMessage(message: Uint8Array, depth: number, limit: number): Buffer[] {
  if (depth > 2) return [Buffer.from(message)]
  const tag = depth === 0 ? 1 : 2
  const { around, elements } = takeApart(message, tag)
  const room = limit - around.length
  const parts = elements.flatMap(each =>
    each.length + frame > room ? splitMessage(each, depth + 1, room - frame) : [Buffer.from(each)],
  )
  return packed(parts, part => part.length + frame, room).map(some => {
    const writer = protobuf.Writer.create()
    for (const part of some) writer.uint32(tag * 8 + 2).bytes(part)
    return Buffer.concat([around, writer.finish()])
  })
}

/** Elements: the contents of the fields numbered `tag`; around: all the other fields as they are. */
function takeApart(message: Uint8Array, tag: number): { around: Buffer; elements: Uint8Array[] } {
  const reader = protobuf.Reader.create(message)
  const elements: Uint8Array[] = []
  const around: Uint8Array[] = []
  while (reader.pos < reader.len) {
    const start = reader.pos
    const found = reader.uint32()
    if (found === tag * 8 + 2) elements.push(reader.bytes())
    else {
      reader.skipType(found & 7)
      around.push(message.subarray(start, reader.pos))
    }
  }
  return { around: Buffer.concat(around), elements }
}
