import {
  type AccelerationSessionResource as AccelerationSessionMessage,
  AccelerationSessionResourceSchema,
} from '@outboard/contracts';
import type { Kind } from '../../kind.js';
import { ACCELERATION_SESSION_REASONS } from './conditions.js';
import { parseAccelerationSessionSpec } from './parse.js';
import { ACCELERATION_SESSION_SELECTABLE, accelerationSessionReferences } from './references.js';
import type { AccelerationSession } from './spec.js';
import {
  accelerationSessionSpecToMessage,
  accelerationSessionStatusToMessage,
  parseAccelerationSessionStatus,
} from './wire.js';

export const accelerationSessionKind = {
  kind: 'AccelerationSession',
  api: 'acceleration',
  scope: 'tenant',
  summary:
    'The right of one holder to have jobs done by a DPU (Cyborg: accelerator request; Kubernetes: ResourceClaim).',
  rules: [
    'It is placed where all its programs can be done and all its keys opened, as near to its port as its affinity says, and there where it would get the most of the measured speed for its weight. It stays there as long as that is possible.',
    'When its DPU does not report any more, is emptied, or can no longer do it, it moves: the epoch rises, and jobs under the former one are refused. Where nothing else fits it stays, and says so.',
    'A key that a program names may come later; one that is taken away makes jobs with it fail at once, not the session go.',
    'The token is told to nobody but by the verb `token`, once: everywhere else there is its digest only.',
    'It is bound to the port that it was made for, not to its name: when that port is deleted the session is too, whoever has the name afterwards.',
    'A session whose ttl, lease or port has ended is deleted, with the keys that are its own; the event `deleted` tells why in the reason of `Planned`.',
  ],
  schema: AccelerationSessionResourceSchema,
  reasons: ACCELERATION_SESSION_REASONS,
  immutable: [],
  selectable: ACCELERATION_SESSION_SELECTABLE,
  emptyStatus: {
    observedGeneration: 0,
    dpu: undefined,
    epoch: 0,
    socketDirectory: undefined,
    tokenSha256: undefined,
    programs: [],
    offload: undefined,
    policy: undefined,
    expiresAt: undefined,
    conditions: [],
  },
  parseSpec: parseAccelerationSessionSpec,
  specToMessage: accelerationSessionSpecToMessage,
  parseStatus: parseAccelerationSessionStatus,
  statusToMessage: accelerationSessionStatusToMessage,
  references: accelerationSessionReferences,
  indexes: (_: AccelerationSession) => [],
} satisfies Kind<AccelerationSession, AccelerationSessionMessage>;
