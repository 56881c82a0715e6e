const known: Record<string, string> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection cut',
  ECONNABORTED: 'connection cut',
  EPIPE: 'connection cut',
  ERR_STREAM_PREMATURE_CLOSE: 'connection cut',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to it',
  ENETUNREACH: 'no route to it',
  ENOTFOUND: 'no such host',
  EAI_AGAIN: 'the host name cannot be resolved now',
}

/** Why the other side could not be reached, in words; undefined if that is not what the error is about. */
export function connectionTrouble(error: Error & { code?: unknown }): string | undefined {
  const words = known[String(error.code)]
  return words ?? (/socket hang up|aborted|premature close/i.test(error.message) ? 'connection cut' : undefined)
}

/** Whether the error is about TLS or certificates, which waiting does not mend. */
export function isTlsTrouble({ code }: Error & { code?: unknown }): boolean {
  return /^(CERT_|ERR_TLS|ERR_SSL|EPROTO|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(String(code))
}
