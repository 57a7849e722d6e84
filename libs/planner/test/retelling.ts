import { expect } from '@jest/globals';
import type { Decision } from '../src/index.js';
import type { Lab } from './lab.js';

/** What a decision may change beside the ports that it tells. */
const OTHERS = 6;

/** A decision tells no more ports than one may, and changes little else. */
export function expectOnePart(lab: Lab, { changes }: Decision): void {
  expect(changes.length).toBeLessThan(lab.world.toldAtOnce + OTHERS);
}

/** Goes on until there is no more; how many ports each decision told. */
export function retellAll(lab: Lab, onPart: () => void = () => {}): number[] {
  const told: number[] = [];
  for (let part = lab.retell(); part; part = lab.retell()) {
    told.push(part.changes.filter(({ after }) => after?.kind === 'Port').length);
    expectOnePart(lab, part);
    onPart();
  }
  return told;
}
