import { lookFor, pythonProgram } from '../tools.js'
import { clientSuite } from './scenarios.js'

clientSuite('librdkafka (confluent-kafka)', await lookFor('confluent-kafka', pythonProgram), {
  compressions: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
  assignors: ['range', 'cooperative-sticky'],
})
