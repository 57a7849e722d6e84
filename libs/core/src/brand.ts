declare const brand: unique symbol;

/** A primitive that only its own parser can make: `Brand<string, 'MacAddress'>` is not assignable from `string`. */
export type Brand<Primitive, Name extends string> = Primitive & { readonly [brand]: Name };
