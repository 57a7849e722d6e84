const REMEMBERED = 4096;

/**
 * The same function, which gives the very same value for the same text again: what thousands of objects name is there once.
 * The memory is bounded, as is what it saves.
 */
export function remembered<Value>(make: (text: string) => Value): (text: string) => Value {
  const known = new Map<string, Value>();
  return (text) => {
    let value = known.get(text);
    if (value === undefined) {
      value = make(text);
      if (known.size >= REMEMBERED) known.clear();
      known.set(text, value);
    }
    return value;
  };
}
