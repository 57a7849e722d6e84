import { randomUUID } from 'node:crypto';
import { DEFAULT_DENY_POLICY, type Received, type Subscription } from '@outboard/bus';
import { type CallOptions, ResourceClient } from '@outboard/client';
import { decodeError, HEADERS, SUBJECT_PREFIX, subjects } from '@outboard/contracts';
import { AppError, type Clock, equal, err, ok, type Result, unwrap } from '@outboard/core';
import {
  type AnyKind,
  addressOf,
  type Condition,
  decodeResource,
  encodeResource,
  type FunctionIdentity,
  findCondition,
  findKind,
  isReady,
  type KindName,
  type Port,
  type ResourceJson,
  type ResourceOf,
} from '@outboard/model';

type JsonObject = ResourceJson['spec'];

const kind = (name: KindName): AnyKind => {
  const found = findKind(name);
  if (found === undefined) throw new Error(`unknown kind ${name}`);
  return found;
};

/** Events are hints: what they would have told is asked for as well, this often. */
const POLL_MILLISECONDS = 1_000;
/** Of a change that others have got ahead of. */
const MAX_ATTEMPTS = 5;
/** Longest wait for a policy that nothing has to be realised for. */
const POLICY_MILLISECONDS = 10_000;

import type { AgentBus } from './eventual-bus.js';
/** What a host agent asks of Outboard, over the bus, in its role. */
export class ControlPlane {
  readonly #client: ResourceClient<AgentBus>;

  constructor(
    readonly bus: AgentBus,
    private readonly clock: Clock,
    options: CallOptions | ResourceClient<AgentBus>,
  ) {
    this.#client = options instanceof ResourceClient ? options : new ResourceClient(bus, clock, options);
  }

  /** The same for one caller: with a deadline, and whom changes are made for. */
  for(options: Partial<CallOptions>): ControlPlane {
    return new ControlPlane(this.bus, this.clock, this.#client.with(options));
  }

  async list<Name extends KindName>(
    name: Name,
    tenant: string,
    selectors: { readonly labelSelector?: string; readonly fieldSelector?: string } = {},
  ): Promise<Result<readonly ResourceOf<Name>[], AppError>> {
    const listed = await this.#client.list(kind(name), tenant, selectors);
    if (!listed.ok) return listed;
    // What a newer service has that cannot be read here is as good as not there.
    return ok(listed.value.flatMap((json) => resourceOf(name, json) ?? []));
  }

  async getPort(tenant: string, name: string): Promise<Result<Port, AppError>> {
    return asPort(await this.#client.get(kind('Port'), tenant, name));
  }

  /** Creates or updates; the answer has what was allocated. A missing policy that denies by default is made. */
  async applyPort(manifest: PortManifest): Promise<Result<Port, AppError>> {
    const { tenant } = manifest.metadata;
    const apply = async (): Promise<Result<Port, AppError>> =>
      asPort(
        await this.#client.apply(kind('Port'), tenant, {
          apiVersion: API_VERSION,
          kind: 'Port',
          ...manifest,
        }),
      );
    const applied = await apply();
    const names = manifest.spec.securityPolicies as readonly string[] | undefined;
    const isMissing = !applied.ok && applied.error.reason === 'POLICY_NOT_FOUND';
    if (!isMissing || !names?.includes(DEFAULT_DENY_POLICY)) return applied;
    const made = await this.#makeDefaultDeny(tenant);
    return made.ok ? apply() : made;
  }

  /** One that is not there is deleted. */
  async deletePort(tenant: string, name: string): Promise<Result<void, AppError>> {
    const deleted = await this.#client.delete(kind('Port'), tenant, name);
    return deleted.ok || deleted.error.code === 'NOT_FOUND' ? ok(undefined) : deleted;
  }

  /** Gives a port that is there a function, if it has no other. */
  bindPort(tenant: string, name: string, identity: FunctionIdentity): Promise<Result<Port, AppError>> {
    const wanted = functionJson(identity);
    return this.#change(tenant, name, (spec) => {
      if (spec.function === undefined || equal(spec.function, wanted))
        return ok({ ...spec, function: wanted });
      const message = `port ${tenant}/${name} has got another function meanwhile`;
      return err(new AppError('FAILED_PRECONDITION', message, { reason: 'PORT_BOUND' }));
    });
  }

  /** Takes it away again, if it has that one. A port that is not there has none. */
  async unbindPort(
    tenant: string,
    name: string,
    identity: FunctionIdentity,
  ): Promise<Result<void, AppError>> {
    const changed = await this.#change(tenant, name, (spec) => {
      const { function: bound, ...rest } = spec;
      return ok(equal(bound, functionJson(identity)) ? rest : spec);
    });
    return changed.ok || changed.error.code === 'NOT_FOUND' ? ok(undefined) : changed;
  }

  /** Reads, changes and writes a port, again if somebody else has changed it meanwhile. */
  async #change(
    tenant: string,
    name: string,
    change: (spec: JsonObject) => Result<JsonObject, AppError>,
  ): Promise<Result<Port, AppError>> {
    for (let attempt = 1; ; attempt++) {
      const read = await this.#client.get(kind('Port'), tenant, name);
      if (!read.ok) return read;
      const { metadata, spec } = read.value;
      const changed = change(spec);
      if (!changed.ok) return changed;
      const { labels = {}, resourceVersion = '' } = metadata;
      const manifest = {
        ...read.value,
        metadata: { tenant, name, labels, resourceVersion },
        spec: changed.value,
      };
      const written = asPort(await this.#client.apply(kind('Port'), tenant, manifest));
      if (written.ok || written.error.code !== 'ABORTED' || attempt === MAX_ATTEMPTS) return written;
    }
  }

  /** Follows a port from now on: begun before a change, it misses nothing that comes of it. */
  async follow(tenant: string, name: string): Promise<PortFollower> {
    const follower = new PortFollower(this, this.clock, tenant, name);
    await follower.open(this.bus);
    return follower;
  }

  /**
   * The policy by which ports that name it accept nothing that no other policy allows. It selects no ports by itself.
   * Whoever makes it at the same time says the same.
   */
  async #makeDefaultDeny(tenant: string): Promise<Result<void, AppError>> {
    const metadata = { tenant, name: DEFAULT_DENY_POLICY };
    const address = addressOf({ kind: 'SecurityPolicy', metadata });
    const manifest = {
      apiVersion: API_VERSION,
      kind: 'SecurityPolicy',
      metadata,
      spec: { isolates: ['INGRESS'] },
    };
    const messageId = randomUUID();
    let answered = (_: Result<void, AppError>): void => {};
    const answer = new Promise<Result<void, AppError>>((resolve) => {
      answered = resolve;
    });
    const events = `${SUBJECT_PREFIX}.event.${tenant}.network.securitypolicy.${DEFAULT_DENY_POLICY}.*`;
    const subscription = await this.bus.subscribe(events, ({ subject, headers, body }) => {
      if (headers[HEADERS.cause] !== messageId) return;
      if (subject.endsWith('.accepted')) answered(ok(undefined));
      if (subject.endsWith('.refused')) answered(err(decodeError(headers, body)));
    });
    const late = this.clock.schedule(POLICY_MILLISECONDS, () =>
      answered(
        err(
          new AppError(
            'DEADLINE_EXCEEDED',
            `policy ${tenant}/${DEFAULT_DENY_POLICY} was not accepted in time`,
          ),
        ),
      ),
    );
    try {
      const body = Buffer.from(JSON.stringify(manifest));
      const published = await this.bus.publish(
        subjects.intent(address),
        { headers: {}, body },
        { messageId },
      );
      return published.ok ? await answer : published;
    } finally {
      late[Symbol.dispose]();
      await subscription[Symbol.asyncDispose]();
    }
  }
}

/** A function as a port's spec names it. */
export const functionJson = ({ serialNumber, pfMacAddress, vfNumber }: FunctionIdentity): JsonObject => ({
  serialNumber,
  pfMacAddress,
  ...(vfNumber !== undefined && { vfNumber }),
});

const API_VERSION = 'network.outboard.dev/v1alpha1';

export interface PortManifest {
  readonly metadata: {
    readonly tenant: string;
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
  };
  readonly spec: Readonly<Record<string, unknown>>;
}

function resourceOf<Name extends KindName>(name: Name, json: ResourceJson): ResourceOf<Name> | undefined {
  const decoded = decodeResource(json);
  return decoded.ok && decoded.value.kind === name ? (decoded.value as ResourceOf<Name>) : undefined;
}

function asPort(answer: Result<ResourceJson, AppError>): Result<Port, AppError> {
  if (!answer.ok) return answer;
  const port = resourceOf('Port', answer.value);
  return port ? ok(port) : err(new AppError('INTERNAL', 'the answer is no port that can be read'));
}

/** The events of one port, and questions where they are missing. */
export class PortFollower implements AsyncDisposable {
  #subscription: Subscription | undefined;
  /** What the last event told; undefined: nothing since the port was last looked at. */
  #told: Received | undefined;
  #wake = (): void => {};

  constructor(
    private readonly controlPlane: ControlPlane,
    private readonly clock: Clock,
    private readonly tenant: string,
    private readonly name: string,
  ) {}

  async open(bus: AgentBus): Promise<void> {
    const address = { tenant: this.tenant, api: 'network', kind: 'port', name: this.name } as const;
    this.#subscription = await bus.subscribe(subjects.events(address), (event) => {
      // What is accepted has been answered already.
      if (event.subject.endsWith('.accepted')) return;
      this.#told = event;
      this.#wake();
    });
  }

  /**
   * The port once it is ready: its DPU has applied and read back what this version asks for. Throws AppError
   * DEADLINE_EXCEEDED with what it waits for, or what asking for it says.
   */
  async ready(port: Port, deadline: number): Promise<Port> {
    const what = `port ${this.tenant}/${this.name}`;
    for (let latest = port; ; ) {
      const { metadata, status } = latest;
      const isCurrent =
        metadata.uid === port.metadata.uid && status.observedGeneration >= port.metadata.generation;
      if (isCurrent && isReady(status.conditions)) return latest;
      const left = deadline - this.clock.monotonic();
      if (left <= 0) {
        const message = `${what} is not ready: ${waitsFor(status.conditions)}`;
        throw new AppError('DEADLINE_EXCEEDED', message);
      }
      const pause = new AbortController();
      this.#wake = () => pause.abort();
      if (this.#told === undefined) await this.clock.delay(Math.min(left, POLL_MILLISECONDS), pause.signal);
      latest = this.#heard(port) ?? unwrap(await this.#asked(left));
    }
  }

  /** The port as the last event has it, which lacks the spec: that is as it was. */
  #heard(port: Port): Port | undefined {
    const told = this.#told;
    this.#told = undefined;
    if (told === undefined || told.subject.endsWith('.deleted')) return undefined;
    const event = decodeResource({
      ...parseJson(told.body),
      spec: encodeResource(port).spec,
    });
    return event.ok && event.value.kind === 'Port' ? event.value : undefined;
  }

  #asked(timeoutMilliseconds: number): Promise<Result<Port, AppError>> {
    return this.controlPlane.for({ timeoutMilliseconds }).getPort(this.tenant, this.name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.[Symbol.asyncDispose]();
  }
}

function parseJson(body: Uint8Array): object {
  try {
    return JSON.parse(Buffer.from(body).toString()) as object;
  } catch {
    return {};
  }
}

/** The first condition that does not hold, in the order in which they have to. */
function waitsFor(conditions: readonly Condition[]): string {
  const ready = findCondition(conditions, 'Ready');
  if (ready === undefined) return 'nothing is known of it yet';
  return `${ready.reason}${ready.message === '' ? '' : `: ${ready.message}`}`;
}
