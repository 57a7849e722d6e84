import { create } from '@bufbuild/protobuf';
import type { Bus } from '@outboard/bus';
import {
  decodeBinary,
  encodeBinary,
  HeartbeatRequestSchema,
  HeartbeatResponseSchema,
  subjects,
} from '@outboard/contracts';
import type { Clock, Random } from '@outboard/core';
import type { Log } from '@outboard/service-shell/process';
import { Beat } from './beat.js';
import type { Inventory } from './inventory.js';
import type { Reboot } from './reboot.js';
import type { Settlement } from './settlement.js';

const FIRST_INTERVAL_MILLISECONDS = 1_000;
const MIN_INTERVAL_MILLISECONDS = 200;
const MAX_INTERVAL_MILLISECONDS = 60_000;
const JITTER = 0.1;

export interface HeartbeatPorts {
  readonly dpu: string;
  readonly incarnation: string;
  readonly inventory: Pick<Inventory, 'digest' | 'sendAgain'>;
  readonly settlement: Pick<Settlement, 'isSettled'>;
  readonly reboot: Pick<Reboot, 'ask' | 'problem'>;
  /** Owners know this DPU which did not before. */
  readonly admitted: () => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Renews this DPU's lease, three times within its length. */
export class Heartbeat implements Disposable {
  readonly #beat: Beat;
  #interval = FIRST_INTERVAL_MILLISECONDS;
  #isAlive: boolean | undefined;
  #isAdmitted: boolean | undefined;
  #ended = false;

  constructor(private readonly ports: HeartbeatPorts) {
    this.#beat = new Beat(ports.clock, async (bus) => {
      await this.#ask(bus);
      return this.#interval * (1 + JITTER * (2 * ports.random.fraction() - 1));
    });
  }

  connected(bus: Bus): void {
    this.#beat.connected(bus);
  }

  /** Something has changed that admin waits for. */
  now(): void {
    this.#beat.now();
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    this.#beat[Symbol.dispose]();
  }

  async #ask(bus: Bus): Promise<void> {
    const { dpu, incarnation, inventory, settlement, reboot } = this.ports;
    const request = create(HeartbeatRequestSchema, {
      incarnation,
      inventoryDigest: inventory.digest,
      settled: settlement.isSettled,
      rebootProblem: reboot.problem,
    });
    const reply = await bus.request(
      subjects.dpu(dpu, 'heartbeat', 'admin'),
      { headers: {}, body: encodeBinary(HeartbeatRequestSchema, request) },
      { deadlineMilliseconds: Math.max(this.#interval, FIRST_INTERVAL_MILLISECONDS) },
    );
    const response = reply.ok ? decodeBinary(HeartbeatResponseSchema, reply.value.body) : reply;
    if (response.ok) {
      const { leaseMilliseconds, inventoryWanted, rebootRequest, admitted } = response.value;
      const third = leaseMilliseconds / 3;
      this.#interval = Math.min(Math.max(third, MIN_INTERVAL_MILLISECONDS), MAX_INTERVAL_MILLISECONDS);
      if (inventoryWanted) inventory.sendAgain();
      reboot.ask(rebootRequest);
      if (admitted && this.#isAdmitted === false) this.ports.admitted();
      this.#isAdmitted = admitted;
    } else if (response.error.code === 'NOT_FOUND') inventory.sendAgain();
    // Retired; when it is reinstated, owners know it anew.
    else if (response.error.code === 'FAILED_PRECONDITION') this.#isAdmitted = false;
    this.#note(response.ok, response.ok ? '' : response.error.message);
  }

  /** Told when it changes, not with every beat. */
  #note(isAlive: boolean, why: string): void {
    if (isAlive === this.#isAlive || this.#ended) return;
    this.#isAlive = isAlive;
    if (isAlive) this.ports.log.info({ intervalMilliseconds: this.#interval }, 'the lease is renewed');
    else this.ports.log.warn({}, `the lease is not renewed: ${why}`);
  }
}
