import { EPOLL_DATA_OFFSET, EPOLL_EVENT_LENGTH, EPOLLERR, EPOLLIN, EPOLLOUT, libc } from './libc.js';
import { SystemError } from './system-error.js';

const EVENTS_PER_WAIT = 64;
const ONE = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);

/**
 * Waits for any number of descriptors with one thread of libuv's pool: a blocking recv per socket would take one
 * thread each, and four sockets would stop every file and DNS operation of the process.
 */
class ReadinessLoop {
  readonly #epoll = libc.epollCreate();
  readonly #wake = libc.eventfd();
  readonly #callbacks = new Map<number, () => void>();
  readonly #events = Buffer.alloc(EPOLL_EVENT_LENGTH * EVENTS_PER_WAIT);
  readonly #eventsNow = Buffer.alloc(EPOLL_EVENT_LENGTH * EVENTS_PER_WAIT);
  #waiting = false;

  constructor() {
    libc.epollControl(this.#epoll, 1, this.#wake, EPOLLIN);
    // Node's exit waits for its pool threads: without this it would hang while one sits in epoll_wait.
    process.on('exit', () => this.#interrupt());
  }

  add(descriptor: number, events: number, onReady: () => void): void {
    libc.epollControl(this.#epoll, 1, descriptor, events | EPOLLERR);
    this.#callbacks.set(descriptor, onReady);
    if (!this.#waiting) void this.#run();
  }

  remove(descriptor: number): void {
    if (!this.#callbacks.delete(descriptor)) return;
    libc.epollControl(this.#epoll, 2, descriptor, 0);
    if (this.#callbacks.size === 0) this.#interrupt();
  }

  /** Those that are ready at this moment; undefined: too many to tell. */
  readyNow(): ReadonlySet<number> | undefined {
    const count = libc.epollWait(this.#epoll, this.#eventsNow, EVENTS_PER_WAIT, 0);
    if (count === EVENTS_PER_WAIT) return undefined;
    return new Set(Array.from({ length: count }, (_, index) => descriptorAt(this.#eventsNow, index)));
  }

  #interrupt(): void {
    libc.write(this.#wake, ONE);
  }

  async #run(): Promise<void> {
    this.#waiting = true;
    while (this.#callbacks.size > 0) {
      const count = await this.#wait();
      for (let index = 0; index < count; index++) {
        const descriptor = descriptorAt(this.#events, index);
        if (descriptor === this.#wake) libc.read(this.#wake, Buffer.alloc(8));
        else this.#callbacks.get(descriptor)?.();
      }
    }
    this.#waiting = false;
  }

  async #wait(): Promise<number> {
    try {
      return await libc.epollWaitOffThread(this.#epoll, this.#events, EVENTS_PER_WAIT);
    } catch (failure) {
      if (failure instanceof SystemError && failure.code === 'EINTR') return 0;
      throw failure;
    }
  }
}

const descriptorAt = (events: Buffer, index: number): number =>
  events.readInt32LE(index * EPOLL_EVENT_LENGTH + EPOLL_DATA_OFFSET);

let loop: ReadinessLoop | undefined;

function watch(descriptor: number, events: number, onReady: () => void): Disposable {
  loop ??= new ReadinessLoop();
  const own = loop;
  own.add(descriptor, events, onReady);
  return { [Symbol.dispose]: () => own.remove(descriptor) };
}

/**
 * The watched descriptors for which somebody would be called now, by one system call however many are watched; undefined:
 * there are too many to tell, so that each may be.
 */
export const readyNow = (): ReadonlySet<number> | undefined =>
  loop === undefined ? new Set() : loop.readyNow();

/**
 * Calls `onReadable` on the main thread each time the descriptor has something to read or an error pending
 * (level-triggered: it is called again until it was read). Keeps the process alive until it is disposed; dispose it
 * before closing the descriptor. A callback must not throw: it has no caller, so the process would end.
 */
export function watchReadable(descriptor: number, onReadable: () => void): Disposable {
  return watch(descriptor, EPOLLIN, onReadable);
}

/**
 * As `watchReadable`, for room to write or the end of connecting. Dispose it at the first call, for there nearly always
 * is room. A descriptor is watched for one of the two at a time (a second watch throws EEXIST).
 */
export function watchWritable(descriptor: number, onWritable: () => void): Disposable {
  return watch(descriptor, EPOLLOUT, onWritable);
}
