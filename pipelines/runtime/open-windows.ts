import type { EventTime, Logic } from '../../operators/operator.ts'

/** A window that still takes events, with what the step knows of it; undefined: nothing yet. */
export interface OpenWindow {
  start: EventTime
  end: EventTime
  state: unknown
}

/** The window of a list that is just this one; it is added if it is not there. */
export function openWindow(windows: OpenWindow[], start: EventTime, end: EventTime): OpenWindow {
  const found = windows.find(window => window.start === start && window.end === end)
  if (found) return found
  const window = { start, end, state: undefined }
  windows.push(window)
  return window
}

/** The session of a list that `[start, end)` belongs to, after joining all that it overlaps: half-open, as all are. */
export function joinSession(
  windows: OpenWindow[],
  start: EventTime,
  end: EventTime,
  merge: Logic<unknown, unknown, unknown>['merge'],
): OpenWindow {
  const touching = windows.filter(window => window.start < end && start < window.end)
  const [first, ...others] = touching
  if (!first) return openWindow(windows, start, end)
  for (const other of others) {
    if (merge) first.state = merge(first.state, other.state)
    windows.splice(windows.indexOf(other), 1)
  }
  first.start = Math.min(start, first.start)
  first.end = Math.max(end, ...touching.map(window => window.end))
  return first
}
