import { AppError, err, ok, type Result } from '@outboard/core';
import { type AnyResource, kindOf } from '@outboard/model';
import type {
  Command,
  DomainChange,
  DomainContext,
  DomainDecision,
  ResourceDomain,
} from '@outboard/resource-service';
import type { AdminChange, Inventory } from './inventory.js';
import type { AdminResource } from './inventory-tables.js';

/** The inventory as a domain of resources: Dpu and Function. */
export class AdminDomain implements ResourceDomain {
  readonly api = 'admin';
  readonly kinds = ['Dpu', 'Function'] as const;
  readonly rowKinds = this.kinds;

  constructor(readonly inventory: Inventory) {}

  reload(records: Iterable<unknown>): void {
    this.inventory.load(records as Iterable<AdminResource>);
  }

  decide(command: Command, context: DomainContext): Result<DomainDecision, AppError> {
    const decided = this.#decide(command, context);
    if (!decided.ok) return decided;
    const resource = this.#subject(command, decided.value);
    return ok({ resource, changes: toDomainChanges(decided.value) });
  }

  plan(command: Command, context: DomainContext): Result<unknown, AppError> {
    const decided = this.#decide(command, context);
    if (!decided.ok) return decided;
    this.inventory.undo(decided.value);
    const changed = toDomainChanges(decided.value).map(({ key }) => `${key.kind}/${key.tenant}/${key.name}`);
    // Nothing of this API reaches a DPU's document yet.
    return ok({ changed, documents: [] });
  }

  resourceOf(record: unknown): AnyResource {
    return record as AdminResource;
  }

  #decide(command: Command, context: DomainContext): Result<readonly AdminChange[], AppError> {
    if (command.operation === 'delete') {
      return command.kind === 'Dpu'
        ? this.inventory.removeDpu(command.name, command, context)
        : this.inventory.removeFunction(command.name, command, context);
    }
    const { intent, existence } = command;
    switch (intent.kind) {
      case 'Dpu':
        return this.inventory.applyDpu(intent, context, existence);
      case 'Function':
        return this.inventory.applyFunction(intent, context, existence);
      default:
        return err(new AppError('UNIMPLEMENTED', `${intent.kind} is not a kind of this API`));
    }
  }

  /** What the command was about: changed, or as it stays when nothing had to be changed. */
  #subject(command: Command, changes: readonly AdminChange[]): AnyResource {
    const { kind, name } =
      command.operation === 'delete'
        ? command
        : { kind: command.intent.kind, name: command.intent.metadata.name };
    const change = changes.find(({ before, after }) => {
      const resource = after ?? before;
      return resource?.kind === kind && resource.metadata.name === name;
    });
    const resource = change ? (change.after ?? change.before) : this.inventory.find(kind, name);
    if (!resource) throw new Error(`${kind} ${name} was decided on but is nowhere`);
    return resource;
  }
}

/** Rows and resources of decided changes. */
export const toDomainChanges = (changes: readonly AdminChange[]): readonly DomainChange[] =>
  changes.map(({ before, after }) => {
    const resource = after ?? before;
    if (!resource) throw new Error('a change of nothing');
    const { tenant, name } = resource.metadata;
    return {
      key: { kind: resource.kind, tenant, name },
      // As the inventory is in memory, of the store only what no two rows may hold is wanted.
      record: after && {
        data: after,
        indexes: kindOf(after)
          .indexes(after)
          .filter(({ unique }) => unique),
      },
      resource: { before, after },
    };
  });
