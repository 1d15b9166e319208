import type { Mutation } from './mutations.js'

/** Mistakes in compaction, retention, collection, the trim and its fence, and reading meanwhile. */
export const upkeepMutations: readonly Mutation[] = [
  {
    name: 'trim as soon as a snapshot covers it, without a grace',
    worlds: ['upkeep'],
    seeds: 120,
    edits: [
      {
        file: 'state/log/collector.js',
        find: 'state.clock.before(trimGraceMs)',
        replace: 'state.clock.before(0)',
      },
    ],
  },
  {
    name: 'trim what no snapshot covers',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/collector.js',
        find: 'const lastEntry = Math.min(old?.covered ?? 0, proposer.sequence);',
        replace: 'const lastEntry = proposer.sequence;',
      },
    ],
  },
  {
    name: 'collect entries though records in them are referred to',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/collector.js',
        find: "return references.has(0, number) ? 'keep' : 'delete';",
        replace: "return 'delete';",
      },
    ],
  },
  {
    name: 'collect the objects of lanes though they are referred to',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/collector.js',
        find: '|| references.has(writer, number) ?',
        replace: '?',
      },
    ],
  },
  {
    name: 'collect the objects of lanes before their parts took effect',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/collector.js',
        find: 'return !isPartBefore(writer, number, mark) ||',
        replace: 'return',
      },
    ],
  },
  {
    name: 'collect segments that may still enter a log',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/collector.js',
        find: 'if (number < segmentsFrom)',
        replace: 'if (number < Number.POSITIVE_INFINITY)',
      },
    ],
  },
  {
    name: 'never fence segments, so that orphans stay',
    worlds: ['upkeep'],
    seeds: 60,
    edits: [{ file: 'state/log/collector.js', find: 'isFenceWanted = true;', replace: '' }],
  },
  {
    name: 'look for references in the first topic only',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/references.js',
        find: 'for (const topic of [...state.topics.all()])',
        replace: 'for (const topic of [...state.topics.all()].slice(0, 1))',
      },
    ],
  },
  {
    name: 'replace ranges without looking whether they are those',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/views/partition-log.js',
        find: '!holdsRanges(log.ranges, index, from)',
        replace: 'index + from.length / fromStride > log.ranges.length',
      },
    ],
  },
  {
    name: 'replace ranges by their offsets alone',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/views/partition-log.js',
        find: 'if (found.some((value, field) => value !== wanted[i * fromStride + field]))',
        replace: 'if (found.some((value, field) => field < 2 && value !== wanted[i * fromStride + field]))',
      },
    ],
  },
  {
    name: 'a snapshot forgets below which number segments are fenced',
    worlds: ['upkeep'],
    seeds: 60,
    edits: [{ file: 'state/views/slices.js', find: 'state.partitions.segmentsFrom = segmentsFrom;', replace: '' }],
  },
  {
    name: 'a snapshot misses what changes while it is made',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [{ file: 'state/views/partition-log.js', find: 'this.#captures.willChange(log);', replace: '' }],
  },
  {
    name: 'a process that slept goes on as if nothing had happened',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/ledger/fence.js',
        find: 'if (ageMs <= this.#limitMs)',
        replace: 'if (ageMs <= Number.POSITIVE_INFINITY)',
      },
    ],
  },
  {
    name: 'the fence asks the monotonic clock alone',
    worlds: ['upkeep'],
    seeds: 60,
    edits: [
      {
        file: 'state/ledger/fence.js',
        find: 'const ageMs = Math.max(this.#clock.monotonic() - monotonicMs, this.#clock.now() - wallMs);',
        replace: 'const ageMs = this.#clock.monotonic() - monotonicMs;',
      },
    ],
  },
  {
    name: 'the fence asks the wall clock alone',
    worlds: ['upkeep'],
    seeds: 60,
    edits: [
      {
        file: 'state/ledger/fence.js',
        find: 'const ageMs = Math.max(this.#clock.monotonic() - monotonicMs, this.#clock.now() - wallMs);',
        replace: 'const ageMs = this.#clock.now() - wallMs;',
      },
    ],
  },
  {
    name: 'the fence is asked before a put only',
    worlds: ['upkeep'],
    seeds: 60,
    edits: [
      {
        file: 'state/ledger/fence.js',
        find: 'const outcome = await store.putIfAbsent(key, body);\n            fence.check();',
        replace: 'const outcome = await store.putIfAbsent(key, body);',
      },
      {
        file: 'state/ledger/fence.js',
        find: 'const object = await store.get(key, range, allocate);\n            fence.check();',
        replace: 'const object = await store.get(key, range, allocate);',
      },
    ],
  },
  {
    name: 'a segment leaves out a batch',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/segment.js',
        find: 'this.#append(batch);\n        this.endOffset',
        replace: 'if (lastOffset % 5 !== 4)\n            this.#append(batch);\n        this.endOffset',
      },
    ],
  },
  {
    name: 'a segment keeps the offsets that producers gave',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [{ file: 'state/log/segment.js', find: 'patchInPlace(batch, 0, baseOffset, 0);', replace: '' }],
  },
  {
    name: 'a chunk has the timestamp of its first batch',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/segment.js',
        find: 'chunk.maxTimestampMs = Math.max(chunk.maxTimestampMs, maxTimestampMs);',
        replace: '',
      },
    ],
  },
  {
    name: 'compact ranges that do not lie side by side in one read',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/range-bytes.js',
        find: 'last.position + last.length === range.position',
        replace: 'last.position + last.length <= range.position',
      },
    ],
  },
  {
    name: 'retention takes one range too many',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/retention.js',
        find: 'if (!isOld && !isBeyond)\n            break;\n        offset = ranges.endOffsetAt(index);',
        replace: 'offset = ranges.endOffsetAt(index);\n        if (!isOld && !isBeyond)\n            break;',
      },
    ],
  },
  {
    name: 'retention by size counts what it takes',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/retention.js',
        find: 'bytes >= retentionBytes;',
        replace: 'bytes + ranges.lengthAt(index) >= retentionBytes;',
      },
    ],
  },
  {
    name: 'retention looks at the oldest record of a range',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/retention.js',
        find: 'ranges.maxTimestampAt(index) < nowMs - retentionMs',
        replace: 'ranges.maxTimestampAt(0) < nowMs - retentionMs',
      },
    ],
  },
  {
    name: 'a reader gives again what a replaced range begins with',
    worlds: ['upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'state/log/gathered-batches.js',
        find: 'this.next = offset;',
        replace: 'this.next = offset; this.first = offset;',
      },
      {
        file: 'state/log/gathered-batches.js',
        find: 'if (walk.lastOffset < this.next) {',
        replace: 'if (walk.lastOffset < this.first) {',
      },
      {
        file: 'state/log/gathered-batches.js',
        find: 'if (walk.lastOffset < this.next)\n',
        replace: 'if (walk.lastOffset < this.first)\n',
      },
    ],
  },
  {
    name: "an answer's memory is used again before it is sent",
    worlds: ['ledger', 'upkeep'],
    seeds: 40,
    edits: [
      {
        file: 'server/handlers/fetch.js',
        find: 'context.whenSent(() => reading.release());',
        replace: 'reading.release();',
      },
    ],
  },
  {
    name: "a request's memory is used again before its batches are stored",
    worlds: ['ledger', 'spread'],
    seeds: 20,
    edits: [{ file: 'state/ledger/ledger.js', find: 'pins.pin(batch.batch);', replace: ';' }],
  },
  {
    name: "a request's memory is used again before its ledger may take its batches",
    worlds: ['spread'],
    seeds: 20,
    edits: [{ file: 'state/ledgers/routed-logs.js', find: 'pins.pin(batch);', replace: ';' }],
  },
  {
    name: "a request's memory is used again while its batches are kept",
    worlds: ['ledger', 'upkeep'],
    seeds: 20,
    edits: [{ file: 'state/log/recent-bytes.js', find: 'this.#pins.pin(piece);', replace: ';' }],
  },
  {
    name: "a request's memory is used again while a reader uses its batches",
    worlds: ['ledger', 'upkeep'],
    seeds: 40,
    edits: [{ file: 'state/log/gathered-batches.js', find: 'pins.pin(piece);', replace: ';' }],
  },
  {
    name: "a block's memory is used again while a reader uses it",
    worlds: ['ledger', 'upkeep', 'near'],
    seeds: 40,
    edits: [{ file: 'state/log/block.js', find: ' || this.users > 0', replace: '' }],
  },
]
