import type { AddressReservation, IpAddress, Name, SubnetSpec } from '@outboard/model';

/** The addresses of a subnet that are set aside. */
export class Reservations {
  readonly #byAddress: ReadonlyMap<IpAddress, AddressReservation>;
  readonly #byPort: ReadonlyMap<Name, AddressReservation>;

  constructor({ reservations }: Pick<SubnetSpec, 'reservations'>) {
    this.#byAddress = new Map(reservations.map((reservation) => [reservation.ip, reservation]));
    this.#byPort = new Map(
      reservations.flatMap((reservation) => (reservation.port ? [[reservation.port, reservation]] : [])),
    );
  }

  addresses(): Iterable<IpAddress> {
    return this.#byAddress.keys();
  }

  has(address: IpAddress): boolean {
    return this.#byAddress.has(address);
  }

  /** What keeps ports of other names from the address. */
  of(address: IpAddress): AddressReservation | undefined {
    return this.#byAddress.get(address);
  }

  /** The address that is set aside for the port. */
  for(port: Name): IpAddress | undefined {
    return this.#byPort.get(port)?.ip;
  }
}
