import { create } from '@bufbuild/protobuf';
import type { Bus } from '@outboard/bus';
import {
  ConfirmRequestSchema,
  ConfirmResponseSchema,
  decodeBinary,
  encodeBinary,
  subjects,
} from '@outboard/contracts';
import { AppError, type Clock, err, ok, type Random, type Result } from '@outboard/core';
import type { ConfigurationVersion } from './configuration.js';
import type { ControlPlane } from './underlay-change.js';

const ANSWER_MILLISECONDS = 2_000;
const CONNECT_MILLISECONDS = 3_000;
const NONCE_BYTES = 16;

export interface ControlPlanePorts {
  readonly dpu: string;
  readonly incarnation: string;
  /** A connection of its own, which is disposed afterwards. */
  readonly connect: () => Promise<Bus & AsyncDisposable>;
  readonly clock: Clock;
  readonly random: Random;
}

/** Asks admin over a new connection. An answer counts if it has what this one question had, and no other ever will. */
export class ControlPlaneOverBus implements ControlPlane {
  constructor(private readonly ports: ControlPlanePorts) {}

  async confirm(change: ConfigurationVersion, signal: AbortSignal): Promise<Result<void, AppError>> {
    const { clock } = this.ports;
    const late = new AbortController();
    const asked = this.#ask(change, late.signal);
    const limit = clock
      .delay(CONNECT_MILLISECONDS + ANSWER_MILLISECONDS, AbortSignal.any([signal, late.signal]))
      .then(() => err(new AppError('UNAVAILABLE', 'no connection to the bus in time')));
    const answer = await Promise.race([asked, limit]);
    late.abort();
    return answer;
  }

  async #ask({ uid, generation }: ConfigurationVersion, late: AbortSignal): Promise<Result<void, AppError>> {
    const { dpu, incarnation, connect, random } = this.ports;
    let bus: (Bus & AsyncDisposable) | undefined;
    try {
      bus = await connect();
      if (late.aborted) return err(new AppError('UNAVAILABLE', 'connected too late'));
      const nonce = random.bytes(NONCE_BYTES);
      const request = create(ConfirmRequestSchema, { incarnation, uid, generation, nonce });
      const reply = await bus.request(
        subjects.dpu(dpu, 'confirm', 'admin'),
        { headers: {}, body: encodeBinary(ConfirmRequestSchema, request) },
        { deadlineMilliseconds: ANSWER_MILLISECONDS },
      );
      const response = reply.ok ? decodeBinary(ConfirmResponseSchema, reply.value.body) : reply;
      if (!response.ok) return response;
      const belongs =
        response.value.uid === uid &&
        response.value.generation === generation &&
        Buffer.compare(response.value.nonce, nonce) === 0;
      return belongs ? ok(undefined) : err(new AppError('UNAVAILABLE', 'the answer is not to this question'));
    } catch (failure) {
      return err(AppError.from(failure));
    } finally {
      await bus?.[Symbol.asyncDispose]();
    }
  }
}
