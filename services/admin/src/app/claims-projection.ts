import type { Bus, Received, Subscription } from '@outboard/bus';
import { HEADERS, parseResourceSubject, subjects } from '@outboard/contracts';
import { decodeResource } from '@outboard/model';
import type { ResourceService } from '@outboard/resource-service';
import { toDomainChanges } from '../domain/admin-domain.js';
import type { Claims } from '../domain/claims.js';
import type { Inventory } from '../domain/inventory.js';

/** Follows the ports of network-intent and writes onto functions which port holds them. */
export class ClaimsProjection {
  /** Ports seen since the watch (re)started: those that are projected but not among them are gone. */
  readonly #seen = new Set<string>();

  constructor(
    private readonly service: ResourceService,
    private readonly inventory: Inventory,
    private readonly claims: Claims,
  ) {}

  start(bus: Bus): Promise<Subscription> {
    return bus.watch(
      {
        stream: 'OUTBOARD_STATE',
        filterSubject: subjects.allStates('network', 'port'),
        from: 'last-per-subject',
      },
      { message: (received) => this.#take(received), current: () => void this.#dropUnseen() },
    );
  }

  async #take({ subject, headers, body }: Received): Promise<void> {
    const address = parseResourceSubject(subject);
    if (!address) return;
    const { tenant, name } = address;
    if (headers[HEADERS.operation] === 'delete') {
      this.#seen.delete(`${tenant}/${name}`);
      await this.#publish(this.claims.remove(tenant, name));
      return;
    }
    const port = decodeResource(body);
    if (!port.ok || port.value.kind !== 'Port') return;
    this.#seen.add(`${tenant}/${name}`);
    await this.#publish(this.claims.set(port.value));
  }

  async #dropUnseen(): Promise<void> {
    const gone = this.claims.ports().filter(({ tenant, name }) => !this.#seen.has(`${tenant}/${name}`));
    await this.#publish(gone.flatMap(({ tenant, name }) => this.claims.remove(tenant, name)));
  }

  async #publish(identities: readonly string[]): Promise<void> {
    if (identities.length === 0) return;
    await this.service.change((context) =>
      toDomainChanges(this.inventory.claimsChanged(identities, context)),
    );
  }
}
