const names = ['message', 'msg', 'log', 'event', '@message']

/** The message of a body that is a JSON object; undefined: it is none, or has no message. */
export function messageOf(body: string): string | undefined {
  if (body.charCodeAt(0) !== 123 || body.charCodeAt(body.length - 1) !== 125) return undefined
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(body) as Record<string, unknown>
  } catch {
    return undefined
  }
  const name = names.find(one => typeof fields[one] === 'string' && fields[one] !== '')
  return name === undefined ? undefined : (fields[name] as string)
}
