import type { Reasons } from '../../conditions.js';

export const WORKLOAD_CONFIGURATION_REASONS = {
  Accepted: {
    Valid: { status: 'True', text: 'The spec obeys every rule and is stored.' },
  },
  Planned: {
    Pending: { status: 'Unknown', text: 'Not looked at yet.' },
    Fits: { status: 'True', text: 'The interface is published, and its schema allows the configuration.' },
    NotPublished: {
      status: 'False',
      text: 'The workload does not publish this interface now; the configuration waits for it.',
    },
    SchemaMismatch: {
      status: 'False',
      text: 'The schema that is published by now does not allow it: the message says where.',
    },
  },
  Applied: {
    Pending: { status: 'Unknown', text: 'The CNF was not given it yet.' },
    Taken: { status: 'True', text: 'The CNF has taken it.' },
    Refused: { status: 'False', text: 'The CNF has refused it: the message has what it said.' },
    Waiting: { status: 'False', text: 'The CNF does not run, or could not be asked: the message says why.' },
  },
} as const satisfies Reasons;
