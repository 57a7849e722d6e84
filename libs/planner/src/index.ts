export * from './api.js';
export { compileDocument, documentHead, takeDocumentChanges } from './compile.js';
export { completeRecord } from './complete-record.js';
export { type DryRun, decide, dryRun } from './decide/decide.js';
export { observe } from './observe.js';
export { present } from './present.js';
export { project } from './project.js';
export * from './reachability/difference.js';
export { explain, judge } from './reachability/explain.js';
export type {
  DecidedBy,
  Explanation,
  Flow,
  Hop,
  Verdict,
  VerdictReason,
} from './reachability/explanation.js';
export type { ServiceRange } from './reachability/services.js';
export * from './records.js';
export { hasOutdated, retell } from './retell.js';
export { DEFAULT_WORLD_OPTIONS, World, type WorldOptions } from './world.js';
