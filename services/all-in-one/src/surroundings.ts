import type { StreamBus } from '@outboard/bus';
import type { Clock } from '@outboard/core';
import type { Driver, OvsSpec } from '@outboard/dataplane';
import type { Store } from '@outboard/store';

/** What a part sees instead of what is there: tests put failures between the two. */
export interface Surroundings {
  clock(part: string, clock: Clock): Clock;
  bus(part: string, bus: StreamBus): StreamBus;
  store(part: string, store: Store): Store;
  driver(part: string, driver: Driver<OvsSpec>): Driver<OvsSpec>;
}

export const AS_IT_IS: Surroundings = {
  clock: (_, clock) => clock,
  bus: (_, bus) => bus,
  store: (_, store) => store,
  driver: (_, driver) => driver,
};
