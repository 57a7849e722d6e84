import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { AdminObjectSchema, encodeBinary, type UnderlayConfiguration } from '@outboard/contracts';
import type { DocumentReport, DocumentUpdate, ObjectProblem } from '@outboard/dataplane/contract';
import { AdminEngine } from './admin-engine.js';
import type { AdminPart, WantedObject } from './admin-part.js';

const SOURCE = { kind: 'DpuNetworkConfiguration', tenant: '_', name: 'dpu-1' };
const VERSION = { epoch: 'e', sequence: 1n, digest: new Uint8Array() };

const bytes = (object: MessageInitShape<typeof AdminObjectSchema>): Uint8Array =>
  encodeBinary(AdminObjectSchema, create(AdminObjectSchema, object));
const underlay = (generation: number): Uint8Array =>
  bytes({ source: SOURCE, object: { case: 'underlayConfiguration', value: { uid: 'u', generation } } });

class FakePart implements AdminPart<UnderlayConfiguration> {
  readonly asked: (readonly [boolean, ...number[]])[] = [];
  problem: Pick<ObjectProblem, 'state' | 'message'> | undefined;
  tell: (repaired: number) => void = () => {};
  #objects: readonly WantedObject<UnderlayConfiguration>[] = [];

  want(objects: readonly WantedObject<UnderlayConfiguration>[], isKnown: boolean): void {
    this.#objects = objects;
    this.asked.push([isKnown, ...objects.map(({ value }) => value.generation)]);
    this.tell(0);
  }

  problems(): readonly ObjectProblem[] {
    const { problem } = this;
    return problem ? this.#objects.map(({ key, source }) => ({ key, source, ...problem })) : [];
  }

  onChange(listener: (repaired: number) => void): void {
    this.tell = listener;
  }
}

describe('the document of owner admin', () => {
  let part: FakePart;
  let engine: AdminEngine;
  let reports: DocumentReport[];
  const submit = (update: Omit<DocumentUpdate, 'owner' | 'version'>, version = VERSION) =>
    engine.submit({ owner: 'admin', version, ...update });

  beforeEach(() => {
    part = new FakePart();
    engine = new AdminEngine({ underlayConfiguration: part });
    reports = [];
    engine.onReport((report) => reports.push(report));
  });

  it('is handed to the parts, all of each sort that has changed, and reported once', () => {
    submit({ complete: new Map([['underlay', underlay(1)]]) });
    submit({ upserts: new Map([['underlay', underlay(2)]]) });
    submit({ upserts: new Map([['underlay', underlay(2)]]) });
    submit({ deletes: ['underlay'] });
    expect(part.asked).toEqual([[true, 1], [true, 2], [true]]);
    expect(reports.map(({ problemTotal }) => problemTotal)).toEqual([0, 0, 0, 0]);
  });

  it('of an owner that does not know the DPU is known as such', () => {
    submit({ complete: new Map() }, { ...VERSION, epoch: '' });
    expect(part.asked).toEqual([[false]]);
  });

  it('is reported again when a part tells of a problem or a repair', () => {
    submit({ complete: new Map([['underlay', underlay(1)]]) });
    part.problem = { state: 'FAILED', message: 'no' };
    part.tell(3);
    expect(reports.at(-1)).toMatchObject({
      version: VERSION,
      problems: [{ key: 'underlay', source: SOURCE, state: 'FAILED', message: 'no' }],
      repaired: 3,
    });
  });

  it('has problems for what no part of this worker makes, and for what cannot be read', () => {
    const bare = new AdminEngine({});
    bare.onReport((report) => reports.push(report));
    const complete = new Map([
      ['underlay', underlay(1)],
      ['future', bytes({ source: SOURCE })],
      ['broken', new Uint8Array([0xff])],
    ]);
    bare.submit({ owner: 'admin', version: VERSION, complete });
    expect(reports[0]?.problems.map(({ key, state }) => [key, state])).toEqual([
      ['underlay', 'UNSUPPORTED'],
      ['future', 'UNSUPPORTED'],
      ['broken', 'UNSUPPORTED'],
    ]);
  });
});
