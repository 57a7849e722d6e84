import type { AdminObject } from '@outboard/contracts';
import type { ObjectProblem, Source } from '@outboard/dataplane/contract';

/** The sorts of objects in a document of owner `admin`. */
export type AdminObjectCase = NonNullable<AdminObject['object']['case']>;

/** What an object of that sort holds. */
export type AdminObjectValue<Case extends AdminObjectCase> = Extract<
  AdminObject['object'],
  { readonly case: Case }
>['value'];

/** One object as it is wanted. */
export interface WantedObject<Value> {
  readonly key: string;
  readonly source: Source;
  readonly value: Value;
}

/** What makes the objects of one sort so. */
export interface AdminPart<Value = never> {
  /**
   * Takes over all that is wanted of its sort, and returns at once; what is not done by then is a problem that is under
   * way. `isKnown` false: the owner does not know this DPU, and wants nothing of it for that reason.
   */
  want(objects: readonly WantedObject<Value>[], isKnown: boolean): void;
  /** Of what is wanted, all that is not applied and read back at this moment. */
  problems(): readonly ObjectProblem[];
  /** To be called when `problems` may be others, or so many things were made right again after a change from outside. */
  onChange(listener: (repaired: number) => void): void;
}

/** The parts of a worker, by what they care for; a sort without one is UNSUPPORTED. */
export type AdminParts = {
  readonly [Case in AdminObjectCase]?: AdminPart<AdminObjectValue<Case>>;
};
