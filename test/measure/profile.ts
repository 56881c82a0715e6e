import { root } from '../repository.ts'
import type { CpuProfile } from './subject.ts'

/** Where a process spent its time: `share` of the samples that were not idle. */
export interface Hot {
  readonly place: string
  readonly share: number
}

/** The functions with the most time of their own, and the files; garbage collection among them. */
export function hottest({ nodes, samples, timeDeltas }: CpuProfile, most = 25): { functions: Hot[]; files: Hot[] } {
  const own = new Map<number, number>()
  samples.forEach((id, at) => {
    own.set(id, (own.get(id) ?? 0) + (timeDeltas[at] ?? 0))
  })
  const functions = new Map<string, number>()
  const files = new Map<string, number>()
  const add = (to: Map<string, number>, name: string, time: number) => to.set(name, (to.get(name) ?? 0) + time)
  let busy = 0
  for (const { id, callFrame } of nodes) {
    const time = own.get(id) ?? 0
    const { functionName, url, lineNumber } = callFrame
    if (functionName === '(idle)' || time === 0) continue
    busy += time
    const file = url.replace(`file://${root}`, '').replace(/^.*node_modules\//, '')
    add(functions, file ? `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}` : functionName, time)
    add(files, file || functionName, time)
  }
  const top = (times: Map<string, number>) =>
    [...times]
      .sort((a, b) => b[1] - a[1])
      .slice(0, most)
      .map(([place, time]) => ({ place, share: time / busy }))
  return { functions: top(functions), files: top(files) }
}
