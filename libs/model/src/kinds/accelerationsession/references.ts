import type { Accessor, Reference } from '../../kind.js';
import type { AccelerationSession, AccelerationSessionSpec } from './spec.js';

/** Keys are not among them: they may come later, and can be taken away while they are used. */
export const accelerationSessionReferences = ({ profile }: AccelerationSessionSpec): Reference[] =>
  profile === undefined ? [] : [{ field: 'spec.profile', kind: 'AccelerationProfile', name: profile }];

export const ACCELERATION_SESSION_SELECTABLE: readonly Accessor<AccelerationSession>[] = [
  { field: 'spec.profile', read: ({ spec }) => spec.profile },
  { field: 'spec.holder.port', read: ({ spec }) => spec.holder.port },
  { field: 'spec.holder.pod', read: ({ spec }) => spec.holder.pod },
  { field: 'status.dpu', read: ({ status }) => status.dpu },
];
