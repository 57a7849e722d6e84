import { isIP } from 'node:net';
import { create } from '@bufbuild/protobuf';
import type { Bus, Message, Received, Subscription } from '@outboard/bus';
import {
  decodeJson,
  type ExplainRequest,
  ExplainRequestSchema,
  encodeJson,
  isLabel,
  LABEL_RULE,
  parseProbeSubject,
  subjects,
  TraceResponseSchema,
} from '@outboard/contracts';
import { AppError, err, ok, Problems, type Result } from '@outboard/core';
import {
  asksFor,
  belongsTo,
  carries,
  EchoServer,
  type Endpoint,
  type FlowSignature,
  FrameCapture,
  type Pod,
  ping,
  tcpEcho,
  udpEcho,
} from '@outboard/testbed';

/** One at a time, as captures of two flows would not be told apart by those who read them; more wait. */
const MAX_WAITING = 16;
const TIMEOUT_MILLISECONDS = 1_000;
/** Before something is lost it may have been unlucky: a neighbour that is asked for the first time. */
const ATTEMPTS = 2;
const PROTOCOLS = { TCP: 6, UDP: 17, ICMP: 1, ICMPv6: 58 } as const;
const ECHO_REQUEST = { ICMP: 8, ICMPv6: 128 } as const;

/** A place where packets are looked for. */
interface Station {
  readonly kind: 'port' | 'representor' | 'tunnel';
  readonly name: string;
  readonly dpu: string;
  readonly place: Pick<Endpoint, 'namespace'>;
  readonly device: string;
}

/** A question, with what it is about. */
interface Probe {
  readonly from: Pod;
  readonly to: Pod | undefined;
  readonly flow: FlowSignature;
  readonly protocol: keyof typeof PROTOCOLS;
}

/**
 * `probe.<tenant>`: sends a flow between the pods of ports, for real, and tells whether it was answered and where it was
 * seen. Only a testbed can: it is the hosts of all pods. `podOf`: the pod of a tenant's port.
 */
export class Prober {
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  constructor(private readonly podOf: (tenant: string, port: string) => Pod | undefined) {}

  serve(bus: Bus): Promise<Subscription> {
    return bus.serve({
      name: 'prober',
      version: '0.1.0',
      description: 'sends probes between the pods of a testbed',
      maxInFlight: MAX_WAITING,
      endpoints: [{ name: 'probe', subject: subjects.allProbes, handle: (request) => this.#answer(request) }],
    });
  }

  async #answer(request: Received): Promise<Result<Message, AppError>> {
    const probe = this.#parse(request);
    if (!probe.ok) return probe;
    if (this.#waiting >= MAX_WAITING) {
      return err(new AppError('RESOURCE_EXHAUSTED', `${MAX_WAITING} probes wait for their turn`));
    }
    this.#waiting++;
    const turn = this.#last.then(() => this.#send(probe.value));
    this.#last = turn.catch(() => undefined).finally(() => this.#waiting--);
    const { answered, outcome, seen } = await turn;
    const response = create(TraceResponseSchema, {
      answered,
      outcome,
      seen: seen.map(({ kind, name, dpu }) => ({ kind, name, dpu })),
    });
    return ok({ headers: {}, body: Buffer.from(encodeJson(TraceResponseSchema, response)) });
  }

  #parse({ subject, body }: Received): Result<Probe, AppError> {
    const { tenant } = parseProbeSubject(subject) ?? {};
    if (tenant === undefined) return err(new AppError('INVALID_ARGUMENT', `${subject} names no tenant`));
    const request = decodeJson(ExplainRequestSchema, body);
    if (!request.ok) return err(request.error.toError());
    const { value } = request;
    const problems = new Problems();
    const protocol = (Object.keys(PROTOCOLS) as Probe['protocol'][]).find((each) => each === value.protocol);
    check(value, protocol, problems);
    if (problems.total > 0 || !protocol) return err(problems.toError());
    const from = this.podOf(tenant, value.from);
    if (!from) return err(noPod('from', value.from));
    const to = value.to === '' ? undefined : this.podOf(tenant, value.to);
    if (value.to !== '' && !to) return err(noPod('to', value.to));
    const ends = endsOf(from, to, value.toAddress, protocol);
    if (!ends) {
      return err(
        new AppError('FAILED_PRECONDITION', `the pods have no addresses of one family for ${protocol}`),
      );
    }
    return ok({ from, to, protocol, flow: { ...ends, protocol: PROTOCOLS[protocol], port: value.port } });
  }

  /** Sends until it is answered, or has been lost often enough, and looks where it comes by. */
  async #send(probe: Probe) {
    const { from, to, flow, protocol } = probe;
    const captures: { readonly station: Station; readonly capture: FrameCapture }[] = [];
    const listener =
      to && protocol !== 'ICMP' && protocol !== 'ICMPv6' ? await listen(to, flow.port) : undefined;
    try {
      for (const station of this.#stations(from, to)) {
        const matches = matcherOf(station, from);
        const capture = await FrameCapture.open(station.place, station.device, (frame) =>
          matches(frame, flow),
        );
        captures.push({ station, capture });
      }
      let outcome = '';
      let answered = false;
      for (let attempt = 0; attempt < ATTEMPTS && !answered; attempt++) {
        ({ answered, outcome } = await send(probe));
      }
      const seen = captures.flatMap(({ station, capture }) => (capture.report.count > 0 ? [station] : []));
      return { answered, outcome, seen };
    } finally {
      for (const { capture } of captures) capture[Symbol.dispose]();
      listener?.[Symbol.dispose]();
    }
  }

  /** In the order in which a packet passes them. */
  #stations(from: Pod, to: Pod | undefined): readonly Station[] {
    const [near, far] = [this.#own(from), to && this.#own(to)];
    const stations = [near.port, near.representor];
    if (!far) return [...stations, near.tunnel];
    if (far.dpu !== near.dpu) stations.push(near.tunnel);
    return [...stations, far.representor, far.port];
  }

  #own(pod: Pod) {
    const [device = 'eth0', attachment] = [...pod.attachments][0] ?? [];
    if (!attachment) throw new AppError('FAILED_PRECONDITION', `pod ${pod.name} has no function`);
    const { dpu, function: own } = attachment;
    const at = (kind: Station['kind'], name: string, place: Station['place'], on: string): Station => ({
      kind,
      name,
      dpu: dpu.name,
      place,
      device: on,
    });
    const underlay = dpu.plan.underlay.device;
    return {
      dpu,
      port: at('port', pod.name, pod, device),
      representor: at('representor', own.representor, dpu, own.representor),
      tunnel: at('tunnel', underlay, dpu, underlay),
    };
  }
}

/** A sender that does not know yet who has the destination asks first, and sends nothing else if nobody answers. */
function matcherOf({ kind, dpu, name }: Station, from: Pod): typeof belongsTo {
  if (kind === 'tunnel') return carries;
  const isNear = [...from.attachments.values()].some(
    (own) => own.dpu.name === dpu && (kind === 'port' ? from.name : own.function.representor) === name,
  );
  return isNear ? (frame, flow) => belongsTo(frame, flow) || asksFor(frame, flow) : belongsTo;
}

const noPod = (field: string, port: string): AppError =>
  new AppError('FAILED_PRECONDITION', `${field}: no pod of this testbed is on port ${port}`, {
    reason: 'NO_POD',
  });

function check(
  { from, source, to, toAddress, port, icmpType, icmpCode, protocol: text }: ExplainRequest,
  protocol: Probe['protocol'] | undefined,
  problems: Problems,
): void {
  if (!isLabel(from)) problems.add('from', LABEL_RULE);
  if (source !== '') problems.add('source', 'must be absent: a pod sends from an address of its own');
  if ((to === '') === (toAddress === '')) problems.add('to', 'must be given, or toAddress, and not both');
  else if (to !== '' && !isLabel(to)) problems.add('to', LABEL_RULE);
  else if (toAddress !== '' && isIP(toAddress) === 0) problems.add('toAddress', 'must be an IP address');
  if (!protocol) {
    problems.add(
      'protocol',
      `must be one of ${Object.keys(PROTOCOLS).join(', ')}, not ${JSON.stringify(text)}`,
    );
  } else if (protocol === 'TCP' || protocol === 'UDP') {
    if (port < 1 || port > 65_535) problems.add('port', `must be 1-65535 with ${protocol}`);
  } else if ((icmpType ?? ECHO_REQUEST[protocol]) !== ECHO_REQUEST[protocol] || icmpCode !== 0) {
    problems.add('icmpType', 'must be an echo request: nothing else is answered');
  }
}

/** The addresses between which the flow goes: of the first family that both have and the protocol is of. */
function endsOf(
  from: Pod,
  to: Pod | undefined,
  toAddress: string,
  protocol: Probe['protocol'],
): { readonly source: string; readonly destination: string } | undefined {
  const families = protocol === 'ICMP' ? [4] : protocol === 'ICMPv6' ? [6] : [4, 6];
  for (const family of families) {
    const ofFamily = (addresses: readonly string[]) => addresses.find((ip) => isIP(ip) === family);
    const [source, destination] = [ofFamily(from.addresses), ofFamily(to ? to.addresses : [toAddress])];
    if (source && destination) return { source, destination };
  }
  return undefined;
}

/** Somebody who answers; undefined: somebody does already. */
async function listen(pod: Pod, port: number): Promise<EchoServer | undefined> {
  try {
    return await EchoServer.listen(pod, port);
  } catch (failure) {
    if ((failure as { readonly code?: unknown }).code === 'EADDRINUSE') return undefined;
    throw failure;
  }
}

async function send({ from, flow, protocol }: Probe): Promise<{ answered: boolean; outcome: string }> {
  const { destination: ip, port } = flow;
  const options = { timeoutMilliseconds: TIMEOUT_MILLISECONDS };
  if (protocol === 'ICMP' || protocol === 'ICMPv6') {
    const { received, outcomes } = await ping(from, ip, options);
    return { answered: received > 0, outcome: outcomes[0]?.kind ?? '' };
  }
  const outcome = await (protocol === 'TCP' ? tcpEcho : udpEcho)(from, { ip, port }, options);
  if (outcome.kind === 'failed') {
    // Who refuses a connection has been reached, and has answered.
    return { answered: outcome.code === 'ECONNREFUSED', outcome: outcome.code };
  }
  return { answered: true, outcome: outcome.kind };
}
