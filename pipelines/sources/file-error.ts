/** A file that was to be read is not there, cannot be read, or is of no known form. The message names it and the fix. */
export class FileError extends Error {
  readonly code = 'OPS_COMMAND'
  override readonly name = 'FileError'
}
