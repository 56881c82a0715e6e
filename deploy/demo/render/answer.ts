/** What an endpoint answers; no body is an empty answer, as Render gives for scale and suspend. */
export interface Answer {
  status: number
  body?: unknown
}

/** Render's form of an error. */
export function failure(status: number, message: string): Answer {
  return { status, body: { id: `err-${status}`, message } }
}
