import type { SinkSpec, SourceSpec, StepSpec } from './component.js'
import { file } from './sinks/file.js'
import { http } from './sinks/http.js'
import { stdout } from './sinks/stdout.js'
import { topic as topicSink } from './sinks/topic.js'
import { topic as topicSource } from './sources/topic.js'
import { filter } from './transforms/filter.js'
import { map } from './transforms/map.js'
import { mask } from './transforms/mask.js'

/**
 * Every component there is. The configuration's schema is made of these lists: a component that is in them can be
 * named in `config.toml`, and no other.
 */
export const sources: readonly SourceSpec<string>[] = [topicSource]
export const steps: readonly StepSpec<unknown>[] = [filter, map, mask]
export const sinks: readonly SinkSpec<unknown>[] = [stdout, file, http, topicSink]
