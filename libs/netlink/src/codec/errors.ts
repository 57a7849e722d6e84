/** A message that is not well-formed. `path` names the attribute, outermost first: `link.linkinfo.data.id`. */
abstract class CodecError extends Error {
  #path: string[] = [];
  readonly #problem: string;

  constructor(problem: string) {
    super(problem);
    this.#problem = problem;
  }

  get path(): string {
    return this.#path.join('.');
  }

  /** Puts the name of the enclosing attribute or message in front, on the error's way out. */
  within(name: string): this {
    this.#path = [name, ...this.#path];
    this.message = `${this.path}: ${this.#problem}`;
    return this;
  }
}

/** Bytes from the kernel (or whoever) that do not parse as the message that they claim to be. */
export class DecodeError extends CodecError {
  override readonly name = 'DecodeError';
}

/** A value that the attribute's type cannot carry; nothing of its message was sent. */
export class EncodeError extends CodecError {
  override readonly name = 'EncodeError';
}

/** Rethrows with the name of the enclosing attribute in front, if it is an error of the codec. */
export function rethrowWithin(name: string, failure: unknown): never {
  throw failure instanceof CodecError ? failure.within(name) : failure;
}
