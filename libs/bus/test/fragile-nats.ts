import { unwrap } from '@outboard/core';
import { type NatsServer, startNatsServer } from '@outboard/testkit';
import { connectNats } from '../src/nats/bus.js';
import { message, PATIENT, textOf, World } from '../src/testing/world.js';

interface ConsumerState {
  readonly num_ack_pending: number;
  readonly num_waiting: number;
}

/** A server that a test kills and meddles with, and the world of those who go on all the same. */
export class FragileNats implements AsyncDisposable {
  readonly world = new World();

  private constructor(readonly server: NatsServer) {}

  static async open(): Promise<FragileNats> {
    const nats = new FragileNats(await startNatsServer());
    await nats.world.begin({
      connect: () => connectNats({ servers: nats.server.url, name: 'recovery' }),
      [Symbol.asyncDispose]: async () => {},
    });
    return nats;
  }

  /** A call of the JetStream API, as somebody else would make it. */
  async api(call: string, body: object | '' = ''): Promise<Record<string, unknown>> {
    const text = body === '' ? '' : JSON.stringify(body);
    return JSON.parse(
      textOf(unwrap(await this.world.bus.request(`$JS.API.${call}`, message(text), PATIENT))),
    );
  }

  async consumersOf(stream: string): Promise<readonly string[]> {
    const { consumers } = await this.api(`CONSUMER.NAMES.${stream}`, {});
    return (consumers as string[] | null) ?? [];
  }

  /** Resolves when the server has heard of it: acknowledgements and deaths reach it a little later. */
  async consumerOnce(stream: string, wanted: (state: ConsumerState) => boolean): Promise<void> {
    for (;;) {
      const state = await this.api(`CONSUMER.INFO.${stream}.owner`);
      if (wanted(state as unknown as ConsumerState)) return;
    }
  }

  async restart(): Promise<void> {
    await this.server.kill();
    await this.server.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.world.end();
    await this.server[Symbol.asyncDispose]();
  }
}
