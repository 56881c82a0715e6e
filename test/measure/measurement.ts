/** Shown while a measurement runs. A text that ends its line stays. */
export type Progress = (text: string) => void

export interface Outcome {
  /** Everything, to be kept as JSON. */
  readonly result: object
  /** What is worth a line of the table of results. */
  readonly columns: Readonly<Record<string, string>>
  /** For who has waited. */
  readonly text: string
  /** Whether what was to be shown is so. */
  readonly holds: boolean
}

/** Something that takes too long for the tests. */
export interface Measurement {
  readonly name: string
  readonly summary: string
  /** Flags, `--name value`. */
  readonly options: Readonly<Record<string, { readonly default: string; readonly summary: string }>>
  run(options: Readonly<Record<string, string>>, progress: Progress): Promise<Outcome>
}
