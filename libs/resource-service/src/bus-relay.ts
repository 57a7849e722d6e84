import type { StreamBus } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import type { Clock, Random } from '@outboard/core';
import { OutboxRelay, type Store } from '@outboard/store';

/** What a service says of its publishing: facts first, then a constant sentence. */
export interface RelayLog {
  warn(facts: object, sentence: string): void;
  info(facts: object, sentence: string): void;
}

export interface BusRelayOptions {
  readonly bus: Pick<StreamBus, 'publish'>;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Default: nobody is told. */
  readonly log?: RelayLog;
}

/** The relay of a service's outbox to the bus. The log has two lines for an outage: its first failure, and its end. */
export function relayToBus({ bus, store, clock, random, log }: BusRelayOptions): OutboxRelay {
  return new OutboxRelay({
    store,
    clock,
    random,
    publish: ({ subject, headers, body, messageId }) =>
      bus.publish(subject, { headers, body }, { messageId }),
    isLastValue: subjects.isState,
    onFailure: ({ error, subject, attempt }) => {
      if (attempt > 1) return;
      const { code, message } = error;
      log?.warn({ code, subject }, `nothing is published: ${message}`);
    },
    onRecovery: ({ attempt }) => log?.info({ failures: attempt }, 'publishing goes on'),
  });
}

/** Why nothing is published, for health checks; undefined: it is. */
export function publishingProblem({ failure }: OutboxRelay): string | undefined {
  if (!failure) return undefined;
  const { error, subject = 'the outbox', attempt } = failure;
  return `not published, ${attempt} ${attempt === 1 ? 'failure' : 'failures'} in a row: ${subject}: ${error.code}: ${error.message}`;
}
