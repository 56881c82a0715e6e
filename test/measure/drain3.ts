import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

// Bare, and as its own example configuration masks lines, for masking is a part of what our operator does.
const program = String.raw`
import json, sys, time
from drain3 import TemplateMiner
from drain3.masking import MaskingInstruction
from drain3.template_miner_config import TemplateMinerConfig
from drain3.drain import Drain
edge = r"((?<=[^A-Za-z0-9])|^)(%s)((?=[^A-Za-z0-9])|$)"
masks = [("([0-9a-f]{2,}:){3,}([0-9a-f]{2,})", "ID"), (r"\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}", "IP"),
         ("([0-9a-f]{6,} ?){3,}", "SEQ"), ("([0-9A-F]{4} ?){4,}", "SEQ"), ("0x[a-f0-9A-F]+", "HEX"),
         (r"[\-\+]?\d+", "NUM")]
config = TemplateMinerConfig()
config.masking_instructions = [MaskingInstruction(edge % mask, name) for mask, name in masks]
lines = [line.rstrip("\n") for line in open(sys.argv[1], encoding="utf-8")]
def speed(miner):
    began = time.process_time()
    for line in lines:
        miner.add_log_message(line)
    return len(lines) / (time.process_time() - began)
print(json.dumps({"bare": speed(Drain()), "masking": speed(TemplateMiner(config=config))}))
`

/** Lines a second of CPU time. */
export interface Drain3Speed {
  readonly bare: number
  readonly masking: number
}

/** How fast Drain3 is on the same lines; undefined where the Python has no `drain3`. */
export function drain3Speed(python: string, lines: readonly string[]): Drain3Speed | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'ops-agent-drain3-'))
  try {
    const path = join(folder, 'lines.txt')
    writeFileSync(path, lines.map(line => `${line.replaceAll(/[\r\n]/g, ' ')}\n`).join(''))
    const { status, stdout } = spawnSync(python, ['-c', program, path], { encoding: 'utf8' })
    return status === 0 ? (JSON.parse(stdout) as Drain3Speed) : undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}
