import { AppError, type Clock, type Random, type Result, unreachable } from '@outboard/core';
import { Lanes, type RunEnd } from './lanes.js';
import type { ConsumerSpec, Delivery, Settlement } from './port.js';

/** Messages held behind keys that wait for a retry, on top of those in flight. */
export const MAX_HELD_BACK = 1_000;

/** Deliveries beyond `maxDeliveries` that are still handled: they can only come from processes that died. */
const INTERRUPTED_DELIVERIES = 10;

/** The backoff is stretched by a random part of this fraction, so that what failed together does not return together. */
const JITTER = 0.25;

/** How long a lane waits for a redelivery beyond its backoff, before it goes on without. */
const PATIENCE_MILLISECONDS = 60_000;

/** Longest reason of a dead letter, characters. */
const MAX_REASON_LENGTH = 1_024;

/** A delivery as an adapter holds it. */
export interface HeldDelivery {
  readonly sequence: number;
  readonly delivery: Delivery;
}

/** What an adapter does with a delivery whose handling ended. */
export interface Settler<Held extends HeldDelivery> {
  acknowledge(held: Held): void;
  /** Deliver again after so many milliseconds. */
  redeliver(held: Held, afterMilliseconds: number): void;
  /** Store as a dead letter, then never deliver again. A refusal leaves the delivery unsettled. */
  park(held: Held, reason: string): Promise<Result<unknown, AppError>>;
  /** There may be room for more: see `Consumption.room`. */
  roomChanged(): void;
}

/**
 * What both adapters do with durable deliveries: handle them in their keys' lanes, and turn what the handler answers
 * into acknowledgement, retry or dead letter. A handler that throws asks for a retry.
 */
export class Consumption<Held extends HeldDelivery> {
  readonly #spec: ConsumerSpec;
  readonly #handler: (delivery: Delivery) => Promise<Settlement>;
  readonly #settler: Settler<Held>;
  readonly #random: Random;
  readonly #lanes: Lanes<{ readonly sequence: number; readonly held: Held }>;
  #closing = false;
  #idle: (() => void) | undefined;

  constructor(
    spec: ConsumerSpec,
    handler: (delivery: Delivery) => Promise<Settlement>,
    settler: Settler<Held>,
    { clock, random }: { clock: Clock; random: Random },
  ) {
    this.#spec = spec;
    this.#handler = handler;
    this.#settler = settler;
    this.#random = random;
    this.#lanes = new Lanes({
      maxRunning: spec.maxInFlight,
      clock,
      run: ({ held }) => this.#run(held),
      ended: () => {
        if (this.#lanes.running === 0) this.#idle?.();
        if (!this.#closing) settler.roomChanged();
      },
    });
  }

  /** Deliveries that may be taken now. */
  get room(): number {
    if (this.#closing) return 0;
    return Math.min(
      this.#spec.maxInFlight - this.#lanes.active,
      this.#spec.maxInFlight + MAX_HELD_BACK - this.#lanes.held.size,
    );
  }

  /** Sequences that are held, running or waiting. */
  isHeld(sequence: number): boolean {
    return this.#lanes.held.has(sequence);
  }

  *held(): Iterable<Held> {
    for (const { held } of this.#lanes.held.values()) yield held;
  }

  /** Takes a delivery over; false when it is held already, or when the consumption is closing. */
  accept(held: Held): boolean {
    if (this.#closing) return false;
    return this.#lanes.add(this.#keyOf(held.delivery), { sequence: held.sequence, held });
  }

  /** Starts nothing more. Gives back what was not started, and resolves `idle` when what runs has ended. */
  close(): { notStarted: readonly Held[]; idle: Promise<void> } {
    this.#closing = true;
    const notStarted = this.#lanes.close().map(({ held }) => held);
    const idle =
      this.#lanes.running === 0
        ? Promise.resolve()
        : new Promise<void>((resolve) => {
            this.#idle = resolve;
          });
    return { notStarted, idle };
  }

  #keyOf(delivery: Delivery): string {
    try {
      return this.#spec.key?.(delivery) ?? delivery.subject;
    } catch {
      // A message that has no key is for the handler to refuse; its subject orders it as well as anything.
      return delivery.subject;
    }
  }

  async #run(held: Held): Promise<RunEnd> {
    const settlement = await this.#settlement(held.delivery);
    switch (settlement.kind) {
      case 'ack':
        this.#settler.acknowledge(held);
        return 'settled';
      case 'retry': {
        const { deliveries } = held.delivery;
        if (deliveries >= this.#spec.maxDeliveries) {
          return this.#park(held, `gave up after ${deliveries} deliveries: ${settlement.reason}`);
        }
        return this.#redeliver(held, settlement.afterMilliseconds);
      }
      case 'park':
        return this.#park(held, settlement.reason);
      default:
        return unreachable(settlement);
    }
  }

  async #settlement(delivery: Delivery): Promise<Settlement> {
    if (delivery.deliveries > this.#spec.maxDeliveries + INTERRUPTED_DELIVERIES) {
      const reason = `${delivery.deliveries} deliveries, none settled: whoever handles it dies`;
      return { kind: 'park', reason };
    }
    try {
      return await this.#handler(delivery);
    } catch (thrown) {
      return { kind: 'retry', reason: AppError.from(thrown).message };
    }
  }

  async #park(held: Held, reason: string): Promise<RunEnd> {
    const line = reason.replaceAll(/\s+/g, ' ').trim().slice(0, MAX_REASON_LENGTH) || 'no reason given';
    const parked = await this.#settler.park(held, line);
    // Without its dead letter the message would be lost: it stays, however often that takes.
    return parked.ok ? 'settled' : this.#redeliver(held, undefined);
  }

  #redeliver(held: Held, wanted: number | undefined): RunEnd {
    const steps = this.#spec.backoffMilliseconds;
    const step = wanted ?? steps[Math.min(held.delivery.deliveries, steps.length) - 1] ?? 0;
    const after = Math.round(step * (1 + JITTER * this.#random.fraction()));
    return {
      awaitMilliseconds: after + PATIENCE_MILLISECONDS,
      giveBack: () => this.#settler.redeliver(held, after),
    };
  }
}
