import { commits } from './commits.js'
import { manyConnections } from './connections.js'
import { fanOut } from './fan-out.js'
import { groupJoin } from './group-join.js'
import { manyPartitions } from './partitions.js'
import { processes, processesWithFsync } from './processes.js'
import { requests } from './requests.js'
import type { Scenario } from './scenario.js'

/** In the order in which they run. */
export const scenarios: readonly Scenario[] = [
  requests,
  groupJoin,
  commits,
  fanOut,
  manyConnections,
  manyPartitions,
  processes,
  processesWithFsync,
]

export const scenarioNames: readonly string[] = scenarios.map(({ name }) => name)
