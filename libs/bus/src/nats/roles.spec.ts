import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { NO_TENANT, SUBJECT_PREFIX, subjects } from '@outboard/contracts';
import { ok, unwrap } from '@outboard/core';
import { type NatsServer, startNatsServer } from '@outboard/testkit';
import { generateCredentials, readCredentials } from '../credentials.js';
import type { StreamBus } from '../port.js';
import { DEFAULT_DENY_POLICY, type Role, roles } from '../roles.js';
import { renderServerConfig } from '../server-config.js';
import { STREAM, STREAMS } from '../streams.js';
import { Collector } from '../testing/collector.js';
import { ack, message, PATIENT, refusal, textOf } from '../testing/world.js';
import { connectNats } from './bus.js';

/** Tests wait for what they expect; this only ends those that wait in vain. */
jest.setTimeout(30_000);

const ALL: readonly Role[] = [
  roles.admin(),
  roles.networkIntent(),
  roles.accelerationBroker(),
  roles.worker('dpu-1'),
  roles.worker('dpu-2'),
  roles.host('dpu-1'),
  roles.hostAgent('host-1'),
  roles.prober(),
  roles.orchestrator('acme'),
  roles.orchestrator('globex'),
  roles.operator(),
];

const port = (tenant: string) => ({ tenant, api: 'network', kind: 'port', name: 'web-0' }) as const;
const dpu = { tenant: NO_TENANT, api: 'admin', kind: 'dpu', name: 'dpu-1' } as const;
const DENIED = { code: 'PERMISSION_DENIED', reason: 'SUBJECT_DENIED' };

describe('roles', () => {
  let server: NatsServer;
  let credentials: string;
  const open = new Map<string, StreamBus>();

  /** The connection of a role. */
  const as = async (role: string): Promise<StreamBus> => {
    const known = open.get(role);
    if (known) return known;
    const bus = await connectNats({
      servers: server.url,
      name: role,
      ...(await readCredentials(credentials, role)),
    });
    open.set(role, bus);
    return bus;
  };

  const api = async (role: string, call: string, body: object = {}) =>
    (await as(role)).request(`$JS.API.${call}`, message(JSON.stringify(body)), PATIENT);

  const publish = async (role: string, subject: string) =>
    (await as(role)).publish(subject, message('{}'), { messageId: `${role}-${subject}` });

  beforeAll(async () => {
    // The directory of the server is temporary, and removed with it.
    let config = 'jetstream: disabled\n';
    server = await startNatsServer({ configure: () => config });
    credentials = join(server.directory, 'credentials');
    const authorized = await generateCredentials(credentials, ALL);
    await server.kill();
    config = renderServerConfig({
      host: '127.0.0.1',
      port: 0,
      storeDirectory: join(server.directory, 'store'),
      roles: authorized,
    });
    await server.start();
    unwrap(await (await as('admin')).streams.provision(STREAMS, 'apply'));
    for (const tenant of ['acme', 'globex']) {
      unwrap(await publish('network-intent', subjects.state(port(tenant))));
      unwrap(await publish('network-intent', subjects.event(port(tenant), 'ready')));
    }
  });

  afterAll(async () => {
    for (const bus of open.values()) await bus[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  describe('the connection', () => {
    it('nobody connects without a key, or with a key that the server does not know', async () => {
      await expect(connectNats({ servers: server.url, name: 'nobody' })).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
      const stranger = join(server.directory, 'strangers');
      await generateCredentials(stranger, [roles.operator()]);
      const forged = await readCredentials(stranger, 'operator');
      await expect(connectNats({ servers: server.url, name: 'stranger', ...forged })).rejects.toMatchObject({
        code: 'UNAUTHENTICATED',
      });
    });

    it("nobody listens on another role's inboxes", async () => {
      for (const { name } of ALL) {
        const other = name === 'operator' ? 'admin' : 'operator';
        const bus = await as(other);
        await expect(bus.subscribe(`_INBOX_${name}.>`, () => {})).rejects.toMatchObject(DENIED);
      }
      const orchestrator = await as('orchestrator-acme');
      await expect(orchestrator.subscribe('_INBOX_orchestrator-globex.>', () => {})).rejects.toMatchObject(
        DENIED,
      );
      await expect(orchestrator.subscribe('>', () => {})).rejects.toMatchObject(DENIED);
    });

    it('a role that takes the wrong inbox prefix is told so at once', async () => {
      const { seed } = await readCredentials(credentials, 'worker-dpu-1');
      await expect(
        connectNats({ servers: server.url, name: 'w', seed, inboxPrefix: '_INBOX_admin' }),
      ).rejects.toMatchObject(DENIED);
    });
  });

  describe('a worker', () => {
    it('reads what is desired of its own DPU, and of no other', async () => {
      const heard = new Collector<string>();
      const worker = await as('worker-dpu-1');
      await worker.subscribe(subjects.dpu('dpu-1', 'delta', 'network'), (received) =>
        heard.add(textOf(received)),
      );
      unwrap(
        await (await as('network-intent')).publish(
          subjects.dpu('dpu-1', 'delta', 'network'),
          message('delta'),
          {
            messageId: 'delta-1',
          },
        ),
      );
      expect(await heard.atLeast(1)).toEqual(['delta']);
      for (const subject of [
        subjects.dpu('dpu-2', 'delta', 'network'),
        `${SUBJECT_PREFIX}.dpu.*.delta.network`,
        subjects.dpu('dpu-1', 'observed', 'network'),
        `${SUBJECT_PREFIX}.>`,
        subjects.state(port('acme')),
      ]) {
        await expect(worker.subscribe(subject, () => {})).rejects.toMatchObject(DENIED);
      }
      const watching = {
        stream: STREAM.delta.name,
        filterSubject: subjects.dpu('dpu-1', 'delta', 'network'),
      };
      await expect(worker.watch({ ...watching, from: 0 }, { message: () => {} })).rejects.toMatchObject(
        DENIED,
      );
    });

    it('tells and asks for its own DPU, and for no other', async () => {
      const service = await as('network-intent');
      await service.serve({
        name: 'sync',
        version: '1.0.0',
        description: '',
        maxInFlight: 10,
        endpoints: [
          {
            name: 'sync',
            subject: subjects.allDpus('sync', 'network'),
            handle: async ({ subject }) => ok(message(`answer to ${subject}`)),
          },
        ],
      });
      const worker = await as('worker-dpu-1');
      const own = subjects.dpu('dpu-1', 'sync', 'network');
      expect(textOf(unwrap(await worker.request(own, message(), PATIENT)))).toBe(`answer to ${own}`);
      for (const subject of [
        subjects.dpu('dpu-2', 'sync', 'network'),
        subjects.dpu('dpu-2', 'observed', 'network'),
        subjects.dpu('dpu-1', 'delta', 'network'),
        subjects.intent(port('acme')),
        subjects.rpc('acme', 'network', 'port', 'delete'),
        subjects.event(port('acme'), 'ready'),
      ]) {
        expect(refusal(await worker.request(subject, message(), PATIENT))).toMatchObject(DENIED);
      }
    });

    it('is found as both of its services by whoever looks for all', async () => {
      const worker = await as('worker-dpu-1');
      for (const name of ['dataplane-worker', 'workload-host'])
        await worker.serve({ name, version: '1.0.0', description: '', maxInFlight: 1, endpoints: [] });
      const limits = { deadlineMilliseconds: 5_000, quietMilliseconds: 300, maxReplies: 10 };
      for (const verb of ['PING', 'INFO', 'STATS']) {
        const found = unwrap(await (await as('operator')).gather(`$SRV.${verb}`, message(), limits));
        const names = found.map((each) => JSON.parse(textOf(each)).name);
        expect(names).toEqual(expect.arrayContaining(['dataplane-worker', 'workload-host']));
      }
    });

    it('is found by discovery, and looked into by the owners of its documents; it serves nothing else', async () => {
      const worker = await as('worker-dpu-1');
      const service = { name: 'dataplane-worker', version: '1.0.0', description: '', maxInFlight: 1 };
      const endpoint = (subject: string) => ({
        name: 'own',
        subject,
        handle: async () => ok(message('mine')),
      });
      const inspect = subjects.dpu('dpu-1', 'inspect', 'network');
      await worker.serve({ ...service, endpoints: [endpoint(inspect)] });
      const found = unwrap(
        await (await as('operator')).request('$SRV.PING.dataplane-worker', message(), PATIENT),
      );
      expect(JSON.parse(textOf(found))).toMatchObject({ name: 'dataplane-worker' });
      const owner = await as('network-intent');
      expect(textOf(unwrap(await owner.request(inspect, message(), PATIENT)))).toBe('mine');
      for (const role of ['admin', 'orchestrator-acme', 'operator', 'worker-dpu-2']) {
        const reply = await (await as(role)).request(inspect, message(), PATIENT);
        expect(refusal(reply)).toMatchObject(DENIED);
      }
      for (const subject of [
        subjects.dpu('dpu-1', 'sync', 'network'),
        subjects.dpu('dpu-2', 'inspect', 'network'),
      ]) {
        const forbidden = worker.serve({ ...service, endpoints: [endpoint(subject)] });
        await expect(forbidden).rejects.toMatchObject(DENIED);
      }
    });
  });

  describe('an orchestrator', () => {
    it('publishes intents and requests of its tenant, and of no other', async () => {
      unwrap(await publish('orchestrator-acme', subjects.intent(port('acme'))));
      for (const subject of [
        subjects.intent(port('globex')),
        subjects.intent({ ...port('acme'), tenant: NO_TENANT }),
        subjects.event(port('acme'), 'ready'),
        subjects.state(port('acme')),
        subjects.dead(subjects.intent(port('acme'))),
        subjects.dpu('dpu-1', 'delta', 'network'),
      ]) {
        expect(refusal(await publish('orchestrator-acme', subject))).toMatchObject(DENIED);
      }
      const bus = await as('orchestrator-acme');
      const foreign = subjects.rpc('globex', 'network', 'port', 'get');
      expect(refusal(await bus.request(foreign, message(), PATIENT))).toMatchObject(DENIED);
      // Allowed, though nobody answers in this test.
      const own = subjects.rpc('acme', 'network', 'port', 'get');
      expect(refusal(await bus.request(own, message(), PATIENT)).code).toBe('UNAVAILABLE');
    });

    it("watches its tenant's events and state, and no other's", async () => {
      const bus = await as('orchestrator-acme');
      for (const [stream, own, foreign] of [
        [STREAM.state.name, subjects.states({ tenant: 'acme' }), subjects.states({ tenant: 'globex' })],
        [STREAM.state.name, `${SUBJECT_PREFIX}.state.acme.>`, `${SUBJECT_PREFIX}.state.>`],
        [STREAM.event.name, subjects.events({ tenant: 'acme' }), subjects.events({})],
      ] as const) {
        const seen = new Collector<string>();
        const watch = await bus.watch(
          { stream, filterSubject: own, from: 'last-per-subject' },
          { message: ({ subject }) => seen.add(subject), current: () => seen.add('current') },
        );
        expect((await seen.until((items) => items.includes('current'))).length).toBe(2);
        await watch[Symbol.asyncDispose]();
        await expect(
          bus.watch({ stream, filterSubject: foreign, from: 0 }, { message: () => {} }),
        ).rejects.toMatchObject(DENIED);
      }
      for (const subject of [
        `${SUBJECT_PREFIX}.state.globex.>`,
        `${SUBJECT_PREFIX}.event.*.network.port.*.*`,
      ]) {
        await expect(bus.subscribe(subject, () => {})).rejects.toMatchObject(DENIED);
      }
    });

    it('cannot get around the filter by the JetStream API', async () => {
      const state = STREAM.state.name;
      const own = subjects.state(port('acme'));
      const foreign = subjects.state(port('globex'));
      const config = { ack_policy: 'none', deliver_policy: 'all', inactive_threshold: 10e9 };
      const denied: [string, object][] = [
        [`CONSUMER.CREATE.${state}`, { stream_name: state, config: { ...config, filter_subject: own } }],
        [`CONSUMER.CREATE.${state}.mine`, { stream_name: state, config: { ...config, name: 'mine' } }],
        [`CONSUMER.DURABLE.CREATE.${state}.mine`, { stream_name: state, config }],
        [`STREAM.INFO.${state}`, { subjects_filter: '>' }],
        [`STREAM.MSG.GET.${state}`, { last_by_subj: subjects.state(port('globex')) }],
        [`DIRECT.GET.${state}`, { last_by_subj: subjects.state(port('globex')) }],
        [`STREAM.DELETE.${state}`, {}],
        [`STREAM.PURGE.${state}`, {}],
        ['STREAM.CREATE.SPY', { name: 'SPY', sources: [{ name: state }] }],
        [`CONSUMER.NAMES.${state}`, {}],
        [`CONSUMER.MSG.NEXT.${STREAM.intent.name}.network-intents`, { batch: 1 }],
      ];
      for (const [call, body] of denied) {
        expect([call, refusal(await api('orchestrator-acme', call, body))]).toEqual([
          call,
          expect.objectContaining(DENIED),
        ]);
      }
      // The subject of the call is allowed, and the body asks for something else: the server compares them.
      const swapped = { stream_name: state, config: { ...config, name: 'mine', filter_subject: foreign } };
      const answer = unwrap(await api('orchestrator-acme', `CONSUMER.CREATE.${state}.mine.${own}`, swapped));
      expect(JSON.parse(textOf(answer))).toMatchObject({ error: { err_code: 10131 } });
    });
  });

  describe('services', () => {
    it('publish events and state of their own API only; nobody else publishes any', async () => {
      unwrap(await publish('admin', subjects.event(dpu, 'ready')));
      unwrap(await publish('admin', subjects.state(dpu)));
      expect(refusal(await publish('admin', subjects.event(port('acme'), 'deleted')))).toMatchObject(DENIED);
      expect(refusal(await publish('network-intent', subjects.state(dpu)))).toMatchObject(DENIED);
      for (const role of ['operator', 'host-dpu-1', 'worker-dpu-1', 'orchestrator-acme']) {
        for (const subject of [subjects.event(port('acme'), 'ready'), subjects.state(port('acme'))]) {
          expect([role, refusal(await publish(role, subject))]).toEqual([
            role,
            expect.objectContaining(DENIED),
          ]);
        }
      }
    });

    it('remove old tombstones from the state stream; nobody else removes a state', async () => {
      const state = STREAM.state.name;
      for (const role of ['admin', 'network-intent', 'acceleration-broker']) {
        expect(unwrap(await (await as(role)).streams.remove(state, 1_000_000))).toBe(false);
      }
      for (const role of ['operator', 'host-dpu-1', 'worker-dpu-1', 'orchestrator-acme']) {
        expect([role, refusal(await (await as(role)).streams.remove(state, 1))]).toEqual([
          role,
          expect.objectContaining(DENIED),
        ]);
      }
    });

    it("consume their own API's intents and park them; not another's", async () => {
      const service = await as('network-intent');
      const letters = new Collector<string>();
      await (await as('operator')).watch(
        { stream: STREAM.dead.name, filterSubject: `${SUBJECT_PREFIX}.dead.>`, from: 0 },
        { message: ({ subject }) => letters.add(subject) },
      );
      const consumer = {
        stream: STREAM.intent.name,
        durable: 'network-intents',
        filterSubject: subjects.allIntents('network'),
        maxInFlight: 10,
        backoffMilliseconds: [1],
        maxDeliveries: 3,
      };
      const poison = subjects.intent({ ...port('acme'), name: 'poison' });
      await service.consume(consumer, async ({ subject }) =>
        subject === poison ? { kind: 'park', reason: 'poison' } : ack,
      );
      unwrap(await publish('orchestrator-acme', poison));
      expect(await letters.atLeast(1)).toEqual([subjects.dead(poison)]);
      for (const other of [
        { ...consumer, durable: 'admin-intents', filterSubject: subjects.allIntents('admin') },
        { ...consumer, filterSubject: subjects.allIntents('admin') },
      ]) {
        await expect(service.consume(other, async () => ack)).rejects.toMatchObject(DENIED);
      }
    });

    it('answer to inboxes and nowhere else, wherever a caller wants the answer', async () => {
      const heard = new Collector<string>();
      const operator = await as('operator');
      await operator.subscribe(`${SUBJECT_PREFIX}.event.>`, ({ subject }) => heard.add(subject));
      const service = await as('network-intent');
      const asked = new Collector<string>();
      await service.serve({
        name: 'confused',
        version: '1.0.0',
        description: '',
        maxInFlight: 10,
        endpoints: [
          {
            name: 'get',
            subject: subjects.rpc('acme', 'network', 'port', 'get'),
            handle: async ({ subject }) => {
              asked.add(subject);
              return ok(message('forged'));
            },
          },
        ],
      });
      const { connect, nkeyAuthenticator } = await import('@nats-io/transport-node');
      const { seed } = await readCredentials(credentials, 'orchestrator-acme');
      const raw = await connect({ servers: server.url, authenticator: nkeyAuthenticator(seed) });
      raw.publish(subjects.rpc('acme', 'network', 'port', 'get'), '{}', {
        reply: subjects.event(port('globex'), 'deleted'),
      });
      await raw.flush();
      await raw.close();
      await asked.atLeast(1);
      // What is published now comes after what the service has sent.
      unwrap(await publish('network-intent', subjects.event(port('acme'), 'accepted')));
      expect(await heard.atLeast(1)).toEqual([subjects.event(port('acme'), 'accepted')]);
    });
  });

  describe('an operator and a host', () => {
    it('an operator sees all tenants, looks at streams, and removes dead letters', async () => {
      const operator = await as('operator');
      unwrap(await operator.streams.provision(STREAMS, 'verify'));
      const seen = new Collector<string>();
      await operator.watch(
        { stream: STREAM.state.name, filterSubject: `${SUBJECT_PREFIX}.state.>`, from: 'last-per-subject' },
        { message: ({ subject }) => seen.add(subject), current: () => seen.add('current') },
      );
      const all = await seen.until((items) => items.includes('current'));
      expect(all).toEqual(
        expect.arrayContaining([subjects.state(port('acme')), subjects.state(port('globex'))]),
      );
      expect(unwrap(await operator.streams.remove(STREAM.dead.name, 1_000))).toBe(false);
      expect(refusal(await operator.streams.remove(STREAM.event.name, 1))).toMatchObject(DENIED);
    });

    it('a host agent asks about ports of every tenant, and makes no other policy than the one that denies', async () => {
      const agent = await as('host-agent-host-1');
      const denial = {
        tenant: 'acme',
        api: 'network',
        kind: 'securitypolicy',
        name: DEFAULT_DENY_POLICY,
      } as const;
      const port1 = port('globex');
      for (const subject of [
        ...(['get', 'list', 'apply', 'delete'] as const).map((verb) =>
          subjects.rpc('acme', 'network', 'port', verb),
        ),
        subjects.rpc('globex', 'network', 'network', 'list'),
        subjects.rpc(NO_TENANT, 'admin', 'function', 'list'),
      ]) {
        const reply = await agent.request(subject, message(), PATIENT);
        // Somebody may be there or not: what counts is that the server lets it ask.
        expect(reply.ok ? 'OK' : reply.error.reason).not.toBe(DENIED.reason);
      }
      unwrap(await publish('host-agent-host-1', subjects.intent(denial)));
      await agent.subscribe(`${SUBJECT_PREFIX}.event.acme.network.port.web-0.*`, () => {});
      for (const subject of [
        subjects.intent({ ...denial, name: 'web' }),
        subjects.intent(port1),
        subjects.rpc('acme', 'network', 'securitypolicy', 'apply'),
        subjects.rpc('acme', 'network', 'network', 'apply'),
        subjects.rpc(NO_TENANT, 'admin', 'function', 'apply'),
        subjects.state(port1),
        subjects.event(port1, 'ready'),
        subjects.dpu('dpu-1', 'observed', 'network'),
      ]) {
        expect(refusal(await agent.request(subject, message(), PATIENT))).toMatchObject(DENIED);
      }
      for (const subject of [subjects.intent(port1), subjects.state(port1), subjects.states({})]) {
        await expect(agent.subscribe(subject, () => {})).rejects.toMatchObject(DENIED);
      }
      expect(refusal(await api('host-agent-host-1', 'STREAM.INFO.OUTBOARD_INTENT'))).toMatchObject(DENIED);
    });

    it('a testbed answers the probes of every tenant, which may ask for its own only; it asks for nothing', async () => {
      const prober = await as('prober');
      const serving = await prober.serve({
        name: 'prober',
        version: '0.1.0',
        description: 'of a test',
        maxInFlight: 1,
        endpoints: [{ name: 'probe', subject: subjects.allProbes, handle: async () => ok(message('seen')) }],
      });
      const ask = async (role: string, tenant: string) =>
        (await as(role)).request(subjects.probe(tenant), message('{}'), PATIENT);
      expect(textOf(unwrap(await ask('orchestrator-acme', 'acme')))).toBe('seen');
      expect(textOf(unwrap(await ask('operator', 'globex')))).toBe('seen');
      expect(refusal(await ask('orchestrator-acme', 'globex'))).toMatchObject(DENIED);
      const list = subjects.rpc('acme', 'network', 'port', 'list');
      expect(refusal(await prober.request(list, message('{}'), PATIENT))).toMatchObject(DENIED);
      await serving[Symbol.asyncDispose]();
    });

    it('a host reads states and does nothing else', async () => {
      const host = await as('host-dpu-1');
      const seen = new Collector<string>();
      await host.watch(
        { stream: STREAM.state.name, filterSubject: `${SUBJECT_PREFIX}.state.*.>`, from: 'last-per-subject' },
        { message: ({ subject }) => seen.add(subject) },
      );
      await seen.atLeast(2);
      for (const subject of [subjects.intent(port('acme')), subjects.rpc('acme', 'network', 'port', 'get')]) {
        expect(refusal(await host.request(subject, message(), PATIENT))).toMatchObject(DENIED);
      }
    });
  });
});
