import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { type Bus, InProcessBroker } from '@outboard/bus';
import {
  type ConfirmRequest,
  ConfirmRequestSchema,
  ConfirmResponseSchema,
  decodeBinary,
  encodeBinary,
  subjects,
} from '@outboard/contracts';
import { AppError, ok, systemRandom, unwrap } from '@outboard/core';
import { ManualClock } from '@outboard/testkit';
import { ControlPlaneOverBus } from './control-plane-over-bus.js';

const CHANGE = { uid: 'u', generation: 3 };

describe('the question whether the control plane is reached', () => {
  let clock: ManualClock;
  let broker: InProcessBroker;
  let open: (Bus & AsyncDisposable)[];
  let connections: number;
  let connect: () => Promise<Bus>;
  let nonces: string[];

  const answering = async (
    answer: (request: ConfirmRequest) => MessageInitShape<typeof ConfirmResponseSchema>,
  ) => {
    const bus = broker.connect();
    open.push(bus);
    await bus.serve({
      name: 'admin',
      version: '0.0.1',
      description: 'admin',
      maxInFlight: 10,
      endpoints: [
        {
          name: 'confirm',
          subject: subjects.dpu('dpu-1', 'confirm', 'admin'),
          handle: async ({ body }) => {
            const request = unwrap(decodeBinary(ConfirmRequestSchema, body));
            nonces.push(Buffer.from(request.nonce).toString('hex'));
            const response = create(ConfirmResponseSchema, answer(request));
            return ok({ headers: {}, body: encodeBinary(ConfirmResponseSchema, response) });
          },
        },
      ],
    });
  };
  const ask = async (signal = new AbortController().signal) => {
    const plane = new ControlPlaneOverBus({
      dpu: 'dpu-1',
      incarnation: 'boot',
      connect: () => {
        connections++;
        return connect();
      },
      clock,
      random: systemRandom,
    });
    const asked = plane.confirm(CHANGE, signal);
    await clock.advance(10_000);
    return asked;
  };
  const echo = ({ uid, generation, nonce }: ConfirmRequest) => ({ uid, generation, nonce });

  beforeEach(() => {
    clock = new ManualClock();
    broker = new InProcessBroker({ clock });
    open = [];
    nonces = [];
    connections = 0;
    connect = async () => broker.connect();
  });
  afterEach(async () => {
    for (const bus of open) await bus[Symbol.asyncDispose]();
  });

  it('is answered by what it asked itself, over a connection of its own each time', async () => {
    await answering(echo);
    expect([await ask(), await ask()]).toEqual([ok(undefined), ok(undefined)]);
    expect(connections).toBe(2);
    expect(new Set(nonces).size).toBe(2);
  });

  it.each([
    ['another question', (request: ConfirmRequest) => ({ ...echo(request), nonce: new Uint8Array(16) })],
    ['another change', (request: ConfirmRequest) => ({ ...echo(request), generation: 2 })],
  ])('is not answered by the answer to %s', async (_, answer) => {
    await answering(answer);
    expect(await ask()).toMatchObject({
      ok: false,
      error: { message: 'the answer is not to this question' },
    });
  });

  it('is answered by its failure when nobody answers, nobody is connected to, or it is given up', async () => {
    expect(await ask()).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE' } });
    connect = () => Promise.reject(new AppError('UNAUTHENTICATED', 'no'));
    expect(await ask()).toMatchObject({ ok: false, error: { code: 'UNAUTHENTICATED' } });
    connect = () => new Promise(() => {});
    expect(await ask()).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE' } });
    const end = new AbortController();
    end.abort();
    expect(await ask(end.signal)).toMatchObject({ ok: false, error: { code: 'UNAVAILABLE' } });
  });
});
