import { randomUUID } from 'node:crypto';
import { DEFAULT_DENY_POLICY } from '@outboard/bus';
import { type CallOptions, ResourceClient } from '@outboard/client';
import { decodeError, HEADERS, subjects } from '@outboard/contracts';
import { AppError, type Clock, equal, err, ok, type Result } from '@outboard/core';
import {
  addressOf,
  decodeResource,
  type FunctionIdentity,
  type KindName,
  kindOf,
  type Port,
  type ResourceJson,
  type ResourceOf,
} from '@outboard/model';
import type { AgentBus } from './eventual-bus.js';
import { PortFollower } from './port-follower.js';

type JsonObject = ResourceJson['spec'];

const PORT = kindOf({ kind: 'Port' });

/** Of a change that others have got ahead of. */
const MAX_ATTEMPTS = 5;
/** Longest wait for a policy that nothing has to be realised for. */
const POLICY_MILLISECONDS = 10_000;

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
    const listed = await this.#client.list(kindOf({ kind: name }), tenant, selectors);
    if (!listed.ok) return listed;
    // What a newer service has that cannot be read here is as good as not there.
    return ok(listed.value.flatMap((json) => resourceOf(name, json) ?? []));
  }

  async getPort(tenant: string, name: string): Promise<Result<Port, AppError>> {
    return asPort(await this.#client.get(PORT, tenant, name));
  }

  /** Creates or updates; the answer has what was allocated. A missing policy that denies by default is made. */
  async applyPort(manifest: PortManifest): Promise<Result<Port, AppError>> {
    const { tenant } = manifest.metadata;
    const apply = async (): Promise<Result<Port, AppError>> =>
      asPort(
        await this.#client.apply(PORT, tenant, {
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
    const deleted = await this.#client.delete(PORT, tenant, name);
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
      const read = await this.#client.get(PORT, tenant, name);
      if (!read.ok) return read;
      const { metadata, spec } = read.value;
      const changed = change(spec);
      if (!changed.ok) return changed;
      if (changed.value === spec) return asPort(read);
      const { labels = {}, resourceVersion = '' } = metadata;
      const manifest = {
        ...read.value,
        metadata: { tenant, name, labels, resourceVersion },
        spec: changed.value,
      };
      const written = asPort(await this.#client.apply(PORT, tenant, manifest));
      if (written.ok || written.error.code !== 'ABORTED' || attempt === MAX_ATTEMPTS) return written;
    }
  }

  /** Follows a port from now on: begun before a change, it misses nothing that comes of it. */
  follow(tenant: string, name: string): Promise<PortFollower> {
    return PortFollower.open(this.bus, this.clock, { tenant, name }, (timeoutMilliseconds) =>
      this.for({ timeoutMilliseconds }).getPort(tenant, name),
    );
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
    const subscription = await this.bus.subscribe(subjects.events(address), ({ subject, headers, body }) => {
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
