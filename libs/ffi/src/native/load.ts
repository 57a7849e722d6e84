import koffi, { type LibraryHandle } from 'koffi';

/** A library that this machine does not have, or of which a symbol is missing. */
export class LibraryUnavailable extends Error {
  override readonly name = 'LibraryUnavailable';
}

/** Loads a shared library by its soname and binds what `bind` asks of it. Throws `LibraryUnavailable`. */
export function bindLibrary<Bindings>(soname: string, bind: (library: LibraryHandle) => Bindings): Bindings {
  try {
    // Deep: what a library calls of its own is its own. Node exports functions of the same names, of its own OpenSSL.
    return bind(koffi.load(soname, { deep: true }));
  } catch (failure) {
    throw new LibraryUnavailable(
      `${soname}: ${failure instanceof Error ? failure.message : String(failure)}`,
    );
  }
}
