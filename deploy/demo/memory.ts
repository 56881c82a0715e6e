import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Most memory a process has held so far, in bytes, where the system keeps count (Linux); elsewhere what it holds now. */
export function peakMemory(pid: number): number {
  return memory(pid, 'VmHWM')
}

/** Memory a process holds, in bytes; 0 if that cannot be found out. */
export function residentMemory(pid: number): number {
  return memory(pid, 'VmRSS')
}

function memory(pid: number, field: 'VmHWM' | 'VmRSS'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1_024
  } catch {
    return byCommand(pid)
  }
}

function byCommand(pid: number): number {
  try {
    return Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }).trim()) * 1_024
  } catch {
    return 0
  }
}
