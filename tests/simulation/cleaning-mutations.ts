import type { Mutation } from './mutations.js'

/** Mistakes in log compaction (`cleanup.policy=compact`). */
export const cleaningMutations: readonly Mutation[] = [
  {
    name: 'cleaning takes the last record of a key too',
    worlds: ['compaction'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/clean-batch.js',
        find: 'if (rules.map.get(record.key) > offset)',
        replace: 'if (rules.map.get(record.key) >= offset)',
      },
    ],
  },
  {
    name: 'cleaning takes tombstones before their time',
    worlds: ['compaction'],
    seeds: 20,
    edits: [{ file: 'state/log/clean-batch.js', find: '&& horizonMs <= rules.nowMs &&', replace: '&&' }],
  },
  {
    name: 'tombstones go with the first cleaning',
    worlds: ['compaction'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/clean-batch.js',
        find: 'return record.hasValue || !mayDelete;',
        replace: 'return record.hasValue;',
      },
    ],
  },
  {
    name: 'tombstones are given no time',
    worlds: ['compaction'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/clean-batch.js',
        find: 'rules.nowMs + rules.deleteRetentionMs',
        replace: 'rules.nowMs',
      },
    ],
  },
  {
    name: 'clean past what there was room for',
    worlds: ['compaction'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/cleaner.js',
        find: 'from: firstDirtyOffset, to: mapEnd,',
        replace: 'from: firstDirtyOffset, to: dirty.to,',
      },
    ],
  },
  {
    name: 'say that a log is clean up to its end',
    worlds: ['compaction'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/cleaner.js',
        find: 'from: firstDirtyOffset, to: mapEnd,',
        replace: 'from: firstDirtyOffset, to: log.endOffset,',
      },
    ],
  },
  {
    name: 'say that a log is clean though ranges were not replaced',
    worlds: ['compaction'],
    seeds: 60,
    edits: [{ file: 'state/log/cleaner.js', find: 'if (!isReplaced)\n                return false;', replace: '' }],
  },
  {
    name: 'clean what is too young',
    worlds: ['compaction'],
    seeds: 20,
    edits: [{ file: 'state/log/cleaning-plan.js', find: 'config.minCompactionLagMs > 0 &&', replace: 'false &&' }],
  },
  {
    name: 'cleaned ranges take the place of others unseen',
    worlds: ['compaction'],
    seeds: 100,
    edits: [
      {
        file: 'state/views/log-cleaning.js',
        find: '!holdsRanges(log.ranges, index, from)',
        replace: 'index + from.length / fromStride > log.ranges.length',
      },
    ],
  },
  {
    name: 'a log is marked clean from wherever',
    worlds: ['compaction'],
    seeds: 100,
    edits: [{ file: 'state/views/log-cleaning.js', find: 'log.firstDirtyOffset !== from ||', replace: '' }],
  },
  {
    name: 'a cleaned segment closes the gaps between its batches',
    worlds: ['compaction'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/cleaner.js',
        find: 'segment.add(bytes, baseOffset, lastOffset);',
        replace:
          'segment.add(bytes, segment.at ?? baseOffset, (segment.at ?? baseOffset) + lastOffset - baseOffset);\nsegment.at = (segment.at ?? baseOffset) + lastOffset - baseOffset + 1;',
      },
    ],
  },
  {
    name: 'the keys of a cleaning forget their last offsets',
    worlds: ['compaction'],
    seeds: 20,
    edits: [
      {
        file: 'state/log/cleaning-steps.js',
        find: 'if (!map.put(key, offset))',
        replace: 'if (!map.put(key, offset + 1))',
      },
    ],
  },
  {
    name: 'a snapshot forgets how far a log is clean',
    worlds: ['compaction'],
    seeds: 20,
    edits: [
      {
        file: 'state/views/partition-log.js',
        find: 'log.firstDirtyOffset = firstDirtyOffset',
        replace: 'log.firstDirtyOffset = 0',
      },
    ],
  },
]
