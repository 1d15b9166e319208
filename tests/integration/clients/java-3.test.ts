import { javaProgram, lookFor } from '../tools.js'
import { clientSuite } from './scenarios.js'

clientSuite('Java kafka-clients 3.9.2', await lookFor('kafka-clients 3.9.2', () => javaProgram('3.9.2')), {
  compressions: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  assignors: ['range', 'cooperative-sticky'],
})
