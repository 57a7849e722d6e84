// Messages of strongSwan's vici protocol (src/libcharon/plugins/vici/README.md there): an object whose values are texts, buffers,
// lists of these, and such objects again. No input, no output.
const SECTION_START = 1;
const SECTION_END = 2;
const KEY_VALUE = 3;
const LIST_START = 4;
const LIST_ITEM = 5;
const LIST_END = 6;

export function encodeMessage(message) {
  const parts = [];
  const name = (text) => parts.push(Buffer.from([Buffer.byteLength(text)]), Buffer.from(text));
  const value = (content) => {
    const bytes = Buffer.from(content);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(bytes.length);
    parts.push(length, bytes);
  };
  const element = (type) => parts.push(Buffer.from([type]));
  const section = (content) => {
    for (const [key, each] of Object.entries(content)) {
      if (each === undefined) continue;
      if (Array.isArray(each)) {
        element(LIST_START);
        name(key);
        for (const item of each) {
          element(LIST_ITEM);
          value(item);
        }
        element(LIST_END);
      } else if (typeof each === 'object' && !Buffer.isBuffer(each)) {
        element(SECTION_START);
        name(key);
        section(each);
        element(SECTION_END);
      } else {
        element(KEY_VALUE);
        name(key);
        value(each);
      }
    }
  };
  section(message);
  return Buffer.concat(parts);
}

/** Values become texts. Throws when it is cut off or no message. */
export function decodeMessage(bytes) {
  let at = 0;
  const take = (length) => {
    if (at + length > bytes.length) throw new Error('a vici message is cut off');
    at += length;
    return bytes.subarray(at - length, at);
  };
  const name = () => take(take(1).readUInt8()).toString();
  const value = () => take(take(2).readUInt16BE()).toString();
  const message = {};
  const open = [message];
  let list;
  while (at < bytes.length) {
    const section = open.at(-1);
    const type = take(1).readUInt8();
    if (type === SECTION_START) {
      const inner = {};
      section[name()] = inner;
      open.push(inner);
    } else if (type === SECTION_END && open.length > 1) open.pop();
    else if (type === KEY_VALUE) section[name()] = value();
    else if (type === LIST_START) {
      list = [];
      section[name()] = list;
    } else if (type === LIST_ITEM && list !== undefined) list.push(value());
    else if (type === LIST_END) list = undefined;
    else throw new Error(`a vici message has an element of type ${type} where none may be`);
  }
  if (open.length > 1) throw new Error('a vici message is cut off');
  return message;
}
