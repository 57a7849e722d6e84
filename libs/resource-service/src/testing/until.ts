/** Turns of the event loop, not milliseconds: everything that is waited for happens in this process. */
const MAX_TURNS = 20_000;

/** Resolves with what `look` finds, once it finds something. */
export async function until<Found>(look: () => Found | undefined | false): Promise<Found> {
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    const found = look();
    if (found !== undefined && found !== false) return found;
    await new Promise(setImmediate);
  }
  throw new Error(`it did not come true: ${look}`);
}

/** Lets everything that goes on by itself come to its end. */
export async function settled(turns = 50): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
}
