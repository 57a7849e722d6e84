import { satisfies } from '@outboard/reconcile';
import type { Operation, OperationResult, RuleCounter } from '../driver.js';
import { AGAIN, DONE, missing } from '../handlers.js';
import { CachedDecisions, TOUCH_COOKIE } from './cached-decisions.js';
import {
  COOKIE_MASK,
  COOKIE_PREFIX,
  cookieOf,
  isPipelineCookie,
  PIPELINE_COOKIE,
  PIPELINE_COOKIE_MASK,
  PIPELINE_COOKIE_PREFIX,
} from './cookies.js';
import { type DeleteOperation, type Handler, type Observed, type PutOperation } from './handler.js';
import type { Refusal } from './openflow/client.js';
import { type PortNames, UnknownPort } from './openflow/fields.js';
import {
  addFlow,
  type CookedFlow,
  type Flow,
  type Message,
  monitorFlows,
  readFlowUpdates,
  removeFlow,
  removeFlows,
  stopMonitoringFlows,
} from './openflow/messages.js';
import { describeFlows, readFlowStatistics } from './openflow/statistics.js';
import {
  containerOf,
  type FlowKind,
  type FlowSpec,
  flowKey,
  kindOfFlow,
  type OvsSpec,
  PIPELINE_KEY,
  portKey,
  TABLE,
} from './realise/ovs-objects.js';
import { PIPELINE, PIPELINE_REVISION } from './realise/pipeline.js';
import type { Switch } from './switch.js';

const NUMBERS: PortNames = { numberOf: () => undefined, nameOf: () => undefined };
const IN_PORT = /in_port=([^,]+)/;
const BAD_GROUP = '2.9';

/**
 * The flows of the integration bridge. The switch tells every change of its tables, ours too, before it answers that
 * it is done: what is kept here is what the switch says that it has. Ports are kept as numbers, and named when asked.
 */
export class Flows implements Handler {
  readonly #flows = new Map<string, CookedFlow>();
  #monitor = 0;
  #filling: Promise<void> | undefined;

  readonly #decisions: CachedDecisions;

  constructor(private readonly vswitch: Switch) {
    this.#decisions = new CachedDecisions(vswitch);
  }

  /** Listens to a new connection, from what is there now on. */
  fill(): Promise<void> {
    this.#filling = (this.#filling ?? Promise.resolve())
      .catch(() => undefined)
      .then(async () => {
        const { client } = this.vswitch;
        const before = this.#monitor++;
        if (before > 0) await client.request(stopMonitoringFlows(before)).catch(() => undefined);
        this.#flows.clear();
        await client.request(monitorFlows(this.#monitor));
      });
    return this.#filling;
  }

  /** A new connection has no monitor yet. */
  reset(): void {
    this.#monitor = 0;
  }

  /** Takes over what the switch told. Returns the keys that it is about; undefined: updates were held back. */
  heard(content: Buffer): string[] | undefined {
    const keys: string[] = [];
    let complete = true;
    for (const update of readFlowUpdates(content, NUMBERS)) {
      if (update.kind === 'resumed') {
        complete = false;
        continue;
      }
      const { flow } = update;
      if (flow.cookie === TOUCH_COOKIE) continue;
      const raw = flowKey(flow);
      if (update.kind === 'put') this.#flows.set(raw, flow);
      else this.#flows.delete(raw);
      keys.push(isPipelineCookie(flow.cookie) ? PIPELINE_KEY : this.#named(raw));
    }
    return complete ? keys : undefined;
  }

  /** The flows of ports that have no name any more: their numbers may be given to others. */
  ofUnknownPorts(): string[] {
    const keys: string[] = [];
    for (const raw of this.#flows.keys()) {
      const named = this.#named(raw);
      if (raw.includes('in_port=#') && named === raw) keys.push(raw);
    }
    return keys;
  }

  put(operations: readonly PutOperation[]): Promise<readonly OperationResult[]> {
    return this.change(operations);
  }

  remove(operations: readonly DeleteOperation[]): Promise<readonly OperationResult[]> {
    return this.change(operations);
  }

  async change(operations: readonly Operation<OvsSpec>[]): Promise<readonly OperationResult[]> {
    const results = new Map<number, OperationResult>();
    const messages: Message[] = [];
    const indexes: number[] = [];
    // What others did until now is known then, and not overwritten.
    await this.settle();
    for (const [index, operation] of operations.entries()) {
      const message = operation.action === 'delete' ? this.#removal(operation) : this.#addition(operation);
      if (message === undefined) continue;
      if ('kind' in message) results.set(index, message);
      else {
        messages.push(message);
        indexes.push(index);
      }
    }
    if (results.size > 0) return operations.map((_, index) => results.get(index) ?? AGAIN);
    const refusals = await this.vswitch.client.commit(messages);
    for (const refusal of refusals) {
      const index = indexes[refusal.index];
      if (index !== undefined) results.set(index, resultOf(refusal));
    }
    const rest = refusals.length > 0 ? AGAIN : DONE;
    return operations.map((_, index) => results.get(index) ?? rest);
  }

  /** Undefined: it is not there. */
  #removal({ key }: DeleteOperation): Message | undefined {
    const flow = this.#find(key);
    if (flow === undefined) return undefined;
    this.#decisions.changed();
    return isContainer(flow)
      ? removeFlows(COOKIE_PREFIX, COOKIE_MASK, { xreg1: String(flow.match.xreg1) })
      : removeFlow(flow, COOKIE_PREFIX, COOKIE_MASK, this.vswitch.names);
  }

  #addition({ object, mark, action }: PutOperation): Message | OperationResult {
    const spec = object.spec as FlowSpec;
    if (action === 'update' || DECIDES_AT_ONCE.has(spec.kind)) this.#decisions.changed();
    const standing = this.#find(object.key);
    if (standing !== undefined && !isOurs(standing)) return { kind: 'foreign', found: foreignText(standing) };
    try {
      return addFlow({ ...spec, cookie: cookieOf(mark.key) }, this.vswitch.names);
    } catch (failure) {
      if (!(failure instanceof UnknownPort)) throw failure;
      return missing(portKey(failure.port));
    }
  }

  async observe(keys: readonly string[] | 'all'): Promise<readonly Observed[]> {
    if (keys === 'all') {
      await this.fill();
      return [...this.#flows.values()].flatMap((flow) =>
        isPipelineCookie(flow.cookie) ? [] : [this.#observed(flow)],
      );
    }
    await this.settle();
    await this.#decisions.renewed();
    return keys.flatMap((key) => {
      const flow = this.#find(key);
      return flow === undefined || isPipelineCookie(flow.cookie) ? [] : [this.#observed(flow)];
    });
  }

  /** What was counted under the names that notes say. */
  async counters(): Promise<RuleCounter[]> {
    await this.#decisions.renewed(true);
    const { client } = this.vswitch;
    const parts = await client.request(describeFlows(COOKIE_PREFIX, COOKIE_MASK, TABLE.VERDICTS));
    return parts
      .flatMap(readFlowStatistics)
      .flatMap(({ actions, packets, bytes }) =>
        actions.flatMap((action) => ('note' in action ? [{ name: action.note, packets, bytes }] : [])),
      );
  }

  /** Resolves when everything that happened until now was told. */
  async settle(): Promise<void> {
    await this.#filling;
    await this.vswitch.client.barrier();
  }

  get all(): IterableIterator<CookedFlow> {
    return this.#flows.values();
  }

  #find(key: string): CookedFlow | undefined {
    const name = IN_PORT.exec(key)?.[1];
    if (name === undefined) return this.#flows.get(key);
    // A number that has a name again is that port's: whoever means the one that is gone means nothing.
    if (name.startsWith('#')) return this.#name(name) === name ? this.#flows.get(key) : undefined;
    const number = this.vswitch.names.numberOf(name);
    return number === undefined ? undefined : this.#flows.get(key.replace(IN_PORT, `in_port=#${number}`));
  }

  #named(raw: string): string {
    return raw.replace(IN_PORT, (_, port: string) => `in_port=${this.#name(port)}`);
  }

  #name(port: string): string {
    const number = port.startsWith('#') ? Number(port.slice(1)) : undefined;
    return number === undefined ? port : (this.vswitch.names.nameOf(number) ?? port);
  }

  #observed(flow: CookedFlow): Observed {
    const { table, priority, cookie } = flow;
    const match =
      flow.match.in_port === undefined
        ? flow.match
        : { ...flow.match, in_port: this.#name(String(flow.match.in_port)) };
    const actions = flow.actions.map((action) => {
      if ('output' in action) return { output: this.#name(action.output) };
      if ('set' in action && action.set === 'nxm_in_port')
        return { ...action, to: this.#name(String(action.to)) };
      return action;
    });
    const place = { table, priority, match };
    const within = containerOf(place);
    return {
      key: flowKey(place),
      spec: { kind: kindOfFlow(place), ...place, actions },
      ownership: isOurs(flow) ? { kind: 'owned' } : { kind: 'foreign', found: foreignText({ cookie }) },
      ...(within === undefined ? {} : { within }),
    };
  }
}

/** New flows that change what is decided for packets that there were before. */
const DECIDES_AT_ONCE: ReadonlySet<FlowKind> = new Set([
  'member',
  'chain',
  'policy',
  'hopexit',
  'steering',
  'gate',
]);
/** What has its number goes with it, at once. */
const isContainer = (flow: Flow): boolean => ['set', 'segment'].includes(kindOfFlow(flow));
const isOurs = ({ cookie }: CookedFlow): boolean => (cookie & COOKIE_MASK) === COOKIE_PREFIX;
const foreignText = ({ cookie }: { cookie: bigint }): string =>
  `a flow with the cookie 0x${cookie.toString(16)}`;

function resultOf({ code, message }: Refusal): OperationResult {
  const error = { code, message };
  return code === BAD_GROUP ? { kind: 'retry', error } : { kind: 'failed', error };
}

/** The flows that hold for every port, as one object. */
export class Pipeline implements Handler {
  constructor(
    private readonly vswitch: Switch,
    private readonly flows: Flows,
  ) {}

  async put(operations: readonly PutOperation[]): Promise<readonly OperationResult[]> {
    const { client, names } = this.vswitch;
    const refusals = await client.commit([
      removeFlows(PIPELINE_COOKIE_PREFIX, PIPELINE_COOKIE_MASK),
      ...PIPELINE.map((flow) => addFlow({ ...flow, cookie: PIPELINE_COOKIE }, names)),
    ]);
    const [first] = refusals;
    return operations.map(() => (first === undefined ? DONE : resultOf(first)));
  }

  async remove(operations: readonly DeleteOperation[]): Promise<readonly OperationResult[]> {
    await this.vswitch.client.send([removeFlows(PIPELINE_COOKIE_PREFIX, PIPELINE_COOKIE_MASK)]);
    return operations.map(() => DONE);
  }

  async observe(): Promise<readonly Observed[]> {
    await this.flows.settle();
    const found = new Map<string, Flow>();
    let others = 0;
    for (const flow of this.flows.all) {
      if (!isPipelineCookie(flow.cookie)) continue;
      if (flow.cookie === PIPELINE_COOKIE) found.set(flowKey(flow), flow);
      else others++;
    }
    if (found.size + others === 0) return [];
    const right = PIPELINE.filter((flow) =>
      satisfies(flow.actions, found.get(flowKey(flow))?.actions),
    ).length;
    const revision = others === 0 && found.size <= PIPELINE.length ? PIPELINE_REVISION : 0;
    const spec = { kind: 'pipeline', revision, flows: right } as const;
    return [{ key: PIPELINE_KEY, spec, ownership: { kind: 'owned' } }];
  }
}
