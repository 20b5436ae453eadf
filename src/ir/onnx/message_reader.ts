import protobuf from 'protobufjs/light.js';
import { decodeText } from './wire_text.js';

/** Reads messages of protobufjs: unknown fields are kept, and text that is not UTF-8 loses nothing. */
export class MessageReader extends protobuf.Reader {
  private readonly text: Buffer;

  constructor(bytes: Uint8Array) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    super(buffer);
    this.text = buffer;
    this.discardUnknown = false;
  }

  override string(): string {
    const length = this.size();
    const start = this.pos;
    if (length > this.len - start) throw new RangeError('index out of range');
    this.pos = start + length;
    return decodeText(this.text, start, this.pos);
  }
}
