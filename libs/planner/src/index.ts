export * from './api.js';
export { compileDocument, documentHead, takeDocumentChanges } from './compile.js';
export { completeRecord } from './complete-record.js';
export { type DryRun, decide, dryRun } from './decide/decide.js';
export { observe } from './observe.js';
export { present } from './present.js';
export { project } from './project.js';
export * from './reachability/difference.js';
export {
  type DecidedBy,
  type Explanation,
  explain,
  type Flow,
  type Hop,
  type Verdict,
  type VerdictReason,
} from './reachability/explain.js';
export type { ServiceRange } from './reachability/services.js';
export * from './records.js';
export { DEFAULT_WORLD_OPTIONS, World, type WorldOptions } from './world.js';
