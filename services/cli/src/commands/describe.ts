import { STREAM } from '@outboard/bus';
import { subjects } from '@outboard/contracts';
import { AppError } from '@outboard/core';
import {
  type AnyKind,
  type AnyResource,
  decodeResource,
  KINDS,
  kindToken,
  type ResourceJson,
} from '@outboard/model';
import type { OutboardClient } from '../client.js';
import { usageError } from '../failure.js';
import { steps } from '../following.js';
import { nameOf, selectionsOf, tenantOfOne } from '../kinds.js';
import { type Description, formatDescription, type User } from '../output/description.js';
import { type EventRecord, readEvent } from '../output/event.js';
import { valueAt } from '../output/values.js';
import type { Session } from '../session.js';

/** Users that are named. */
const MAX_USERS = 20;
/** Latest events that are shown. */
const MAX_EVENTS = 20;

export async function describe(session: Session, args: readonly string[]): Promise<void> {
  const scope = { tenant: session.settings.tenant, allTenants: false };
  const wanted = selectionsOf(args, scope).flatMap(({ kind, names }) => {
    if (names.length === 0) throw usageError('NAME', 'is required: what is to be described?');
    const tenant = tenantOfOne(kind, scope);
    return names.map((name) => ({ kind, tenant, name }));
  });
  const client = await session.connect();
  let isFirst = true;
  for (const { kind, tenant, name } of wanted) {
    const found = await client.get(kind, tenant, name);
    if (!found.ok) {
      session.failures.tell(found.error, nameOf(kind, name));
      continue;
    }
    const [users, events] = await Promise.all([
      known(usersOf(client, kind, tenant, found.value)),
      known(eventsOf(session, client, kind, tenant, name)),
    ]);
    const lines = formatDescription({ resource: found.value, users, events }, session.clock.now());
    await session.terminal.write(`${isFirst ? '' : '\n'}${lines.join('\n')}\n`);
    isFirst = false;
  }
}

/** A part that cannot be read (a service is down, the role may not) does not hide the others. */
const known = <Part>(read: Promise<Part>): Promise<Part | string> =>
  read.catch((thrown) => AppError.from(thrown).message);

/**
 * Who uses it: resources that can be listed by it (`spec.network`, `status.dpu`), resources of the same tenant, or of none as
 * it is, whose spec refers to it, and who has bound it.
 */
async function usersOf(
  client: OutboardClient,
  kind: AnyKind,
  tenant: string,
  resource: ResourceJson,
): Promise<Exclude<Description['users'], string>> {
  const name = String(resource.metadata.name);
  const listed: User[] = [];
  let total = 0;
  const add = (user: User): void => {
    total++;
    if (listed.length < MAX_USERS) listed.push(user);
  };
  const claim = claimOf(resource);
  if (claim) add(claim);
  for (const other of KINDS) {
    const field = other.selectable.find((each) =>
      each.field.toLowerCase().endsWith(`.${fieldOf(kind)}`),
    )?.field;
    // A kind that refers to nothing does not look at its spec. There may be many of it.
    const mayRefer = other.scope === kind.scope && other.references.length > 0;
    if (field === undefined && !mayRefer) continue;
    const selection = field === undefined ? {} : { fieldSelector: `${field}=${name}` };
    for await (const page of client.pages(other, other.scope === 'system' ? '_' : tenant, selection)) {
      if (!page.ok) throw page.error;
      for (const item of page.value.items) {
        if (field === undefined && !refersTo(item, kind, name)) continue;
        const holder = claimOf(item);
        add({
          kind: kindToken(other),
          tenant: String(item.metadata.tenant),
          name: String(item.metadata.name),
          ...(holder && { holder }),
        });
      }
    }
  }
  return { listed, total };
}

/** How fields are called by which others name one of the kind. */
const fieldOf = (kind: AnyKind): string => (kind.kind === 'FunctionPool' ? 'pool' : kindToken(kind));

/** Who has bound a function. */
function claimOf(resource: ResourceJson): User | undefined {
  const claim = valueAt(resource, 'status.claim') as User | undefined;
  return claim && { ...claim, kind: kindToken(claim) };
}

function refersTo(item: ResourceJson, kind: AnyKind, name: string): boolean {
  const resource = decodeResource(item);
  return (
    resource.ok && references(resource.value).some((each) => each.kind === kind.kind && each.name === name)
  );
}

function references(resource: AnyResource): ReturnType<AnyKind['references']> {
  const kind = KINDS.find((each) => each.kind === resource.kind);
  return kind?.references(resource.spec as never) ?? [];
}

/** The latest events, oldest first. */
async function eventsOf(
  { signal }: Session,
  { bus }: OutboardClient,
  kind: AnyKind,
  tenant: string,
  name: string,
): Promise<readonly EventRecord[]> {
  const filterSubject = subjects.events({ tenant, api: kind.api, kind: kindToken(kind), name });
  const latest: EventRecord[] = [];
  for await (const step of steps(bus, { stream: STREAM.event.name, filterSubject, from: 0 }, signal)) {
    if (step.type === 'current') break;
    const event = step.type === 'message' ? readEvent(step.received) : undefined;
    if (event) latest.push(event);
    if (latest.length > MAX_EVENTS) latest.shift();
  }
  return latest;
}
