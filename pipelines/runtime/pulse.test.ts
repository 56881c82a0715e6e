import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectingLog } from '../../test/collecting-log.ts'
