import { readFileSync } from 'node:fs'

/** A call for a partition of a pipeline, as `work-recorder.ts` saw it in its process. Nanoseconds; no end: never ended. */
export interface Work {
  readonly call: 'assigned' | 'batch' | 'idle' | 'revoked'
  readonly pipeline: string
  readonly partition: number
  readonly began: number
  readonly ended: number | undefined
}

type Line = { id: string; is: 'begun' | 'ended'; at: number } & Pick<Work, 'call' | 'pipeline' | 'partition'>

/** What the process of this file did so far, in the order it began it. */
export function workIn(file: string): Work[] {
  const begun = new Map<string, Work>()
  // A line that is being written has no end yet.
  for (const line of readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const { id, is, at, call, pipeline, partition } = JSON.parse(line) as Line
    const before = begun.get(id)
    if (is === 'begun') begun.set(id, { call, pipeline, partition, began: at, ended: undefined })
    else if (before) begun.set(id, { ...before, ended: at })
  }
  return [...begun.values()]
}

/** Batches that were begun and not ended. */
export const unfinishedBatches = (work: readonly Work[]): Work[] =>
  work.filter(({ call, ended }) => call === 'batch' && ended === undefined)

export interface Overlap {
  readonly pipeline: string
  readonly partition: number
  /** Milliseconds both were at work. */
  readonly both: number
}

/**
 * Where batches of different processes overlapped in one partition. Each item of `processes` is the work of one, and
 * the instant it ended: what it had not finished then was over.
 */
export function overlaps(processes: readonly { work: readonly Work[]; gone: number }[]): Overlap[] {
  const spans = processes.flatMap(({ work, gone }, process) =>
    work
      .filter(({ call }) => call === 'batch')
      .map(({ pipeline, partition, began, ended = gone }) => ({ process, pipeline, partition, began, ended })),
  )
  const found: Overlap[] = []
  for (const group of Object.values(Object.groupBy(spans, ({ pipeline, partition }) => `${pipeline}/${partition}`))) {
    const sorted = group!.toSorted((a, b) => a.began - b.began)
    sorted.forEach((span, at) => {
      for (const next of sorted.slice(at + 1)) {
        if (next.began >= span.ended) break
        const { pipeline, partition } = span
        if (next.process !== span.process)
          found.push({ pipeline, partition, both: (Math.min(span.ended, next.ended) - next.began) / 1e6 })
      }
    })
  }
  return found
}
