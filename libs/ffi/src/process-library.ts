import koffi from 'koffi';

/** A function of the C library, as koffi calls it. */
// biome-ignore lint/suspicious/noExplicitAny: arguments and results are what the definition says
type NativeFunction = ((...args: any[]) => any) & { readonly async: (...args: any[]) => any };

let library: ReturnType<typeof koffi.load> | undefined;

/**
 * Functions of the C library that the process has. Each is looked for when it is first called: what uses this only for
 * addresses and names can be loaded where the kernel is another, and has no such function.
 */
export const processLibrary = {
  /** As `func` of a library of koffi's: a prototype, or a name, a type and the types of the arguments. */
  func(...definition: readonly [string] | readonly [string, string, readonly unknown[]]): NativeFunction {
    let bound: NativeFunction | undefined;
    const resolve = (): NativeFunction => {
      library ??= koffi.load(null);
      bound = (library.func as (...args: readonly unknown[]) => NativeFunction)(...definition);
      return bound;
    };
    return Object.assign((...args: unknown[]) => (bound ?? resolve())(...args), {
      async: (...args: unknown[]) => (bound ?? resolve()).async(...args),
    });
  },
};
