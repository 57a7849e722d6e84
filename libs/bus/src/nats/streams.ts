import type { StreamConfig } from '@nats-io/jetstream';
import { type AppError, err, ok, type Result } from '@outboard/core';
import type { StreamAdministration, StreamChange, StreamSpec } from '../port.js';
import { differences, provisioningProblems } from '../provisioning.js';
import type { JetStream } from './jetstream.js';
import { milliseconds, nanoseconds } from './wire.js';

/** Streams on a NATS server. */
export class NatsStreams implements StreamAdministration {
  readonly #jetStream: JetStream;

  constructor(jetStream: JetStream) {
    this.#jetStream = jetStream;
  }

  async provision(
    specs: readonly StreamSpec[],
    mode: 'apply' | 'verify',
  ): Promise<Result<readonly StreamChange[], AppError>> {
    const plans = [];
    for (const spec of specs) {
      const found = await this.#jetStream.streamInfo(spec.name);
      if (!found.ok) return found;
      const config = found.value?.config;
      plans.push({
        spec,
        info: found.value,
        config,
        exists: config !== undefined,
        differences: config ? differences(specOf(config), spec) : [],
      });
    }
    const problems = provisioningProblems(plans, mode);
    if (problems) return err(problems);
    const changes: StreamChange[] = [];
    for (const { spec, info, config, differences: found } of plans) {
      const action = !config ? 'created' : found.length > 0 ? 'updated' : 'unchanged';
      const change = { stream: spec.name, action, differences: found.map(({ text }) => text) } as const;
      if (info && action === 'unchanged') {
        changes.push({ ...change, madeAt: Date.parse(info.created) });
        continue;
      }
      const wanted = configOf(spec);
      // What the specification does not speak of stays as the operator set it (replicas, placement).
      const done = config
        ? await this.#jetStream.updateStream({ ...config, ...wanted })
        : await this.#jetStream.createStream({ ...wanted, num_replicas: 1 });
      if (!done.ok) return done;
      changes.push({ ...change, madeAt: Date.parse(done.value.created) });
    }
    return ok(changes);
  }

  remove(stream: string, sequence: number): Promise<Result<boolean, AppError>> {
    return this.#jetStream.deleteMessage(stream, sequence);
  }
}

function configOf(spec: StreamSpec): Partial<StreamConfig> & { name: string } {
  return {
    name: spec.name,
    subjects: [...spec.subjects],
    storage: spec.storage,
    retention: spec.retention,
    discard: spec.whenFull === 'refuse' ? 'new' : 'old',
    max_age: nanoseconds(spec.maxAgeMilliseconds),
    max_bytes: spec.maxBytes,
    max_msgs: spec.maxMessages,
    max_msg_size: spec.maxMessageBytes,
    max_msgs_per_subject: spec.maxMessagesPerSubject,
    duplicate_window: nanoseconds(spec.duplicateWindowMilliseconds),
  };
}

function specOf(config: StreamConfig): StreamSpec {
  return {
    name: config.name,
    subjects: config.subjects ?? [],
    storage: config.storage,
    // JetStream knows a third one, `interest`; the comparison tells that it is not what is wanted.
    retention: config.retention as StreamSpec['retention'],
    whenFull: config.discard === 'new' ? 'refuse' : 'discard-oldest',
    maxAgeMilliseconds: milliseconds(config.max_age),
    maxBytes: config.max_bytes,
    maxMessages: config.max_msgs,
    maxMessageBytes: config.max_msg_size ?? -1,
    maxMessagesPerSubject: config.max_msgs_per_subject,
    duplicateWindowMilliseconds: milliseconds(config.duplicate_window),
  };
}
