/** The user has had enough while nothing was at stake: there is nothing to tell. */
export class Interrupted extends Error {}

/** What becomes of it, unless the signal comes first; then it is left to itself. */
export function unlessInterrupted<Value>(signal: AbortSignal, running: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    const interrupt = (): void => reject(new Interrupted());
    if (signal.aborted) interrupt();
    signal.addEventListener('abort', interrupt, { once: true });
    running.then(resolve, reject).finally(() => signal.removeEventListener('abort', interrupt));
  });
}
