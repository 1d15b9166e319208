import { writeFileSync } from 'node:fs'
import { suitHeapToBuffers } from '../base/heap.js'
import { compileBundle } from './load.js'

/* Runs a gateway from the bundle until it is told to stop, and then writes the code of all that has run to a file. */

const [codeFile = ''] = process.argv.slice(2)

suitHeapToBuffers()
const bundle = compileBundle()
// V8 takes the code only under the flags under which it was made: those of the compilers are set later in a start.
const keepsFlags = () => {}
process.exitCode = await bundle.run().start([], keepsFlags)
writeFileSync(codeFile, bundle.code())
