import {
  type AnyKind,
  decodeResource,
  kindToken,
  matches,
  parseFieldSelector,
  parseLabelSelector,
  type ResourceJson,
  type Selector,
} from '@outboard/model';
import type { OutboardClient } from '../client.js';
import { concurrently } from '../concurrently.js';
import { usageError } from '../failure.js';
import { StateFollower, stateSpec, steps } from '../following.js';
import {
  nameOf,
  nameOfResource,
  pluralOf,
  type Scope,
  type Selection,
  selectionsOf,
  tenantFor,
  tenantOfOne,
} from '../kinds.js';
import { columnsOf, headerOf, rowOf } from '../output/columns.js';
import { writeItems, writeJson } from '../output/documents.js';
import { formatRow, formatTable, widthsOf } from '../output/table.js';
import type { Session } from '../session.js';

export interface GetOptions {
  readonly output?: 'table' | 'wide' | 'json' | 'yaml' | 'name';
  readonly selector?: string;
  readonly fieldSelector?: string;
  readonly allTenants?: boolean;
  readonly watch?: boolean;
}

/** Requests under way, of several names. */
const CONCURRENT_REQUESTS = 64;

interface Found {
  readonly selection: Selection;
  readonly items: readonly ResourceJson[];
}

export async function get(session: Session, args: readonly string[], options: GetOptions): Promise<void> {
  const scope = { tenant: session.settings.tenant, allTenants: options.allTenants === true };
  const selections = selectionsOf(args, scope);
  const selectors = selections.map(({ kind }) => parseSelectors(kind, options));
  const [only, another] = selections;
  if (options.selector !== undefined || options.fieldSelector !== undefined) {
    if (selections.some(({ names }) => names.length > 0)) {
      throw usageError('NAME', 'names and selectors exclude each other');
    }
  }
  const tenants = selections.map(({ kind, names }) =>
    (names.length > 0 ? tenantOfOne : tenantFor)(kind, scope),
  );
  if (options.watch) {
    if (!only || another) throw usageError('--watch', 'follows one kind; `outboard watch all` follows all');
    return watchTable(session, only, selectors[0] as Selector, scope, options);
  }
  const client = await session.connect();
  const found: Found[] = [];
  for (const [index, selection] of selections.entries()) {
    const items = await fetch(session, client, selection, tenants[index] ?? '', options);
    found.push({ selection, items });
  }
  await print(session, found, options);
}

async function fetch(
  session: Session,
  client: OutboardClient,
  { kind, names }: Selection,
  tenant: string,
  { selector, fieldSelector }: GetOptions,
): Promise<readonly ResourceJson[]> {
  if (names.length === 0) {
    const listed = await client.list(kind, tenant, {
      ...(selector !== undefined && { labelSelector: selector }),
      ...(fieldSelector !== undefined && { fieldSelector }),
    });
    if (!listed.ok) throw listed.error;
    return listed.value;
  }
  const items: ResourceJson[] = [];
  await concurrently(names, {
    limit: CONCURRENT_REQUESTS,
    run: (name) => client.get(kind, tenant, name),
    settled: async (name, outcome) => {
      if (outcome.ok) items.push(outcome.value);
      else session.failures.tell(outcome.error, nameOf(kind, name));
    },
    stopped: () => session.signal.aborted,
  });
  return items;
}

async function print(
  { terminal, clock }: Session,
  found: readonly Found[],
  { output = 'table', allTenants = false }: GetOptions,
): Promise<void> {
  const resources = found.flatMap(({ items }) => items);
  switch (output) {
    case 'json': {
      const asList = found.length > 1 || found.some(({ selection }) => selection.names.length !== 1);
      if (asList) return writeItems(terminal, resources, output);
      const [only] = resources;
      if (only !== undefined) await writeJson(terminal, only);
      return;
    }
    case 'yaml':
      return writeItems(terminal, resources, output);
    case 'name':
      return terminal.write(resources.map((resource) => `${nameOfResource(resource)}\n`).join(''));
    default: {
      const now = clock.now();
      const tables = found.flatMap(({ selection: { kind }, items }) => {
        if (items.length === 0) return [];
        const columns = columnsOf(kind.kind, {
          wide: output === 'wide',
          withTenant: allTenants && kind.scope === 'tenant',
        });
        return [formatTable([headerOf(columns), ...items.map((item) => rowOf(columns, item, now))])];
      });
      if (tables.length > 0)
        return terminal.write(`${tables.map((lines) => lines.join('\n')).join('\n\n')}\n`);
      const unnamed = found.filter(({ selection }) => selection.names.length === 0);
      for (const { selection } of unnamed) terminal.tell(`no ${pluralOf(selection.kind)}\n`);
    }
  }
}

function parseSelectors(kind: AnyKind, { selector = '', fieldSelector = '' }: GetOptions): Selector {
  const labels = parseLabelSelector(selector);
  if (!labels.ok) throw usageError('--selector', labels.error);
  const fields = parseFieldSelector(kind, fieldSelector);
  if (!fields.ok) throw usageError('--field-selector', fields.error);
  return { labels: labels.value, fields: fields.value };
}

/** The table as it is, then a row for every change. */
async function watchTable(
  session: Session,
  { kind, names }: Selection,
  selector: Selector,
  scope: Scope,
  { output = 'table', allTenants = false }: GetOptions,
): Promise<void> {
  const { terminal, clock, signal } = session;
  if (output !== 'table' && output !== 'wide') {
    throw usageError(
      '--output',
      `a table can be watched; \`outboard watch ${kindToken(kind)} -o json\` follows as JSON`,
    );
  }
  const columns = columnsOf(kind.kind, {
    wide: output === 'wide',
    withTenant: allTenants && kind.scope === 'tenant',
  });
  const isWanted = (object: ResourceJson): boolean => {
    if (names.length > 0 && !names.includes(String(object.metadata.name))) return false;
    const resource = decodeResource(object);
    return resource.ok && matches(kind, selector, resource.value);
  };
  const { bus } = await session.connect();
  const follower = new StateFollower();
  let present: ResourceJson[] | undefined = [];
  let widths: readonly number[] = [];
  const shown = new Set<string>();
  for await (const step of steps(bus, stateSpec(kind, tenantFor(kind, scope), names), signal)) {
    for (const { operation, object, address } of follower.take(step)) {
      const key = `${address.tenant}/${address.name}`;
      const isDeleted = operation === 'deleted';
      if (isDeleted || !object || !isWanted(object)) {
        if (!shown.delete(key)) continue;
        const place = allTenants && kind.scope === 'tenant' ? [address.tenant, address.name] : [address.name];
        const end = isDeleted ? 'deleted' : 'not selected any more';
        await terminal.write(`${formatRow([...place, end], widths)}\n`);
      } else {
        shown.add(key);
        if (present) present.push(object);
        else await terminal.write(`${formatRow(rowOf(columns, object, clock.now()), widths)}\n`);
      }
    }
    if (step.type === 'current' && present) {
      const rows = [headerOf(columns), ...present.map((object) => rowOf(columns, object, clock.now()))];
      widths = widthsOf(rows);
      present = undefined;
      await terminal.write(`${rows.map((row) => formatRow(row, widths)).join('\n')}\n`);
    }
  }
}
