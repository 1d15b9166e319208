import { javaProgram, lookFor } from '../tools.js'
import { clientSuite } from './scenarios.js'

clientSuite('Java kafka-clients 4.3.1', await lookFor('kafka-clients 4.3.1', () => javaProgram('4.3.1')), {
  compressions: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  assignors: ['range', 'cooperative-sticky'],
})
