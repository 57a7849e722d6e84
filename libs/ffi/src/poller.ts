import { EPOLL_DATA_OFFSET, EPOLL_EVENT_LENGTH, EPOLLERR, EPOLLIN, EPOLLOUT, libc } from './libc.js';
import { SystemError } from './system-error.js';

const EVENTS_PER_WAIT = 64;
const ADD = 1;
const REMOVE = 2;
const MODIFY = 3;

/**
 * epoll(7) for a thread that has nothing else to wait for: `wait` blocks it. For threads with an event loop there is
 * `watchReadable`.
 */
export class Poller implements Disposable {
  readonly #epoll = libc.epollCreate();
  readonly #callbacks = new Map<number, () => void>();
  readonly #events = Buffer.alloc(EPOLL_EVENT_LENGTH * EVENTS_PER_WAIT);

  /** `onReady` is called in `wait` as long as there is something to read, or an error. */
  add(descriptor: number, onReady: () => void): void {
    libc.epollControl(this.#epoll, ADD, descriptor, EPOLLIN | EPOLLERR);
    this.#callbacks.set(descriptor, onReady);
  }

  /** What a descriptor is waited for; errors always are. */
  change(descriptor: number, interest: { readonly readable: boolean; readonly writable: boolean }): void {
    const events = (interest.readable ? EPOLLIN : 0) | (interest.writable ? EPOLLOUT : 0) | EPOLLERR;
    libc.epollControl(this.#epoll, MODIFY, descriptor, events);
  }

  /** Before the descriptor is closed. */
  remove(descriptor: number): void {
    if (this.#callbacks.delete(descriptor)) libc.epollControl(this.#epoll, REMOVE, descriptor, 0);
  }

  /**
   * Calls whoever is ready; blocks the thread until there is one, at most `milliseconds` (-1: without limit). Before the
   * first of them `onAwake` is called: whoever keeps the time looks at the clock then.
   */
  wait(milliseconds: number, onAwake?: () => void): void {
    let count: number;
    try {
      count = libc.epollWait(this.#epoll, this.#events, EVENTS_PER_WAIT, milliseconds);
    } catch (failure) {
      if (!(failure instanceof SystemError && failure.code === 'EINTR')) throw failure;
      count = 0;
    }
    onAwake?.();
    for (let index = 0; index < count; index++) {
      this.#callbacks.get(this.#events.readInt32LE(index * EPOLL_EVENT_LENGTH + EPOLL_DATA_OFFSET))?.();
    }
  }

  [Symbol.dispose](): void {
    libc.close(this.#epoll);
  }
}
