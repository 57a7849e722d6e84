// A client of strongSwan's vici protocol, over the socket of its daemon.
import { connect } from 'node:net';
import { decodeMessage, encodeMessage } from './vici-message.mjs';

const CMD_REQUEST = 0;
const CMD_RESPONSE = 1;
const EVENT_REGISTER = 3;
const EVENT_UNREGISTER = 4;
const EVENT_CONFIRM = 5;
const EVENT = 7;

/** One request at a time is under way: the protocol answers in order and names no request. */
export class Vici {
  #socket;
  #received = Buffer.alloc(0);
  #last = Promise.resolve();
  /** What the next packets are for: `{ onPacket, reject }`. */
  #waiting;

  /** Rejects with the error of connect(2). */
  static open(path) {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once('error', reject).once('connect', () => {
        socket.off('error', reject);
        resolve(new Vici(socket));
      });
    });
  }

  constructor(socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#waiting?.reject(new Error('charon has closed the connection')));
  }

  /** The answer. Throws what the daemon says when it refuses. */
  async request(command, message = {}) {
    const answer = await this.#inTurn(() => this.#exchange(CMD_REQUEST, command, CMD_RESPONSE, message));
    if (answer.success === 'no') throw new Error(answer.errmsg || `charon refuses ${command}`);
    return answer;
  }

  /** Of commands such as list-sas that stream what they find as events. */
  stream(command, event, message = {}) {
    return this.#inTurn(async () => {
      const found = [];
      await this.#exchange(EVENT_REGISTER, event, EVENT_CONFIRM);
      await this.#exchange(CMD_REQUEST, command, CMD_RESPONSE, message, (each) => found.push(each));
      await this.#exchange(EVENT_UNREGISTER, event, EVENT_CONFIRM);
      return found;
    });
  }

  close() {
    this.#socket.destroy();
  }

  #inTurn(work) {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }

  #exchange(type, name, answer, message = {}, onEvent = () => undefined) {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(new Error('charon has closed the connection'));
        return;
      }
      const onPacket = (packet) => {
        const kind = packet.readUInt8();
        if (kind === EVENT) {
          onEvent(decodeMessage(packet.subarray(2 + packet.readUInt8(1))));
          return;
        }
        this.#waiting = undefined;
        if (kind === answer) resolve(decodeMessage(packet.subarray(1)));
        else reject(new Error(`charon does not know ${name}`));
      };
      this.#waiting = { onPacket, reject };
      const content = Buffer.concat([
        Buffer.from([type, Buffer.byteLength(name)]),
        Buffer.from(name),
        encodeMessage(message),
      ]);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(content.length);
      this.#socket.write(Buffer.concat([length, content]));
    });
  }

  #receive(bytes) {
    this.#received = Buffer.concat([this.#received, bytes]);
    while (this.#received.length >= 4) {
      const end = 4 + this.#received.readUInt32BE();
      if (this.#received.length < end) return;
      const packet = this.#received.subarray(4, end);
      this.#received = this.#received.subarray(end);
      this.#waiting?.onPacket(packet);
    }
  }
}
