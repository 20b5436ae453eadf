import protobuf from 'protobufjs/light.js';
import type { TensorStorage } from '../tensor.js';
import { encodeVarint } from './varint.js';
import { encodeLoneSurrogates } from './wire_text.js';

/** Bytes of a message that are read only when they are written out. */
export class StoredBytes {
  readonly storage: TensorStorage;
  readonly length: number;

  constructor(storage: TensorStorage, length: number) {
    this.storage = storage;
    this.length = length;
  }
}

/** Messages are written as chunks that follow each other: tensor data is never copied into one buffer. */
export type Chunk = Uint8Array | StoredBytes;

export const bytesOf = (chunk: Chunk): Uint8Array => (chunk instanceof StoredBytes ? chunk.storage.bytes() : chunk);

/** From here on, a chunk of its own costs less than the copy. */
const minChunkBytes = 1024;

const spareByte = new Uint8Array(1);

/** Writes messages of protobufjs, leaving long byte fields where they are. */
export class MessageWriter extends protobuf.Writer {
  /** Chunks outside the buffer, each with the position in the buffer it stands before. */
  private readonly outside: { at: number; chunk: Chunk }[] = [];
  private outsideBytes = 0;
  private readonly open: { at: number; outside: number; outsideBytes: number }[] = [];

  override bytes(value: Uint8Array | string | StoredBytes): this {
    if (typeof value === 'string') throw new TypeError('bytes are given as bytes');
    if (value.length < minChunkBytes && value instanceof Uint8Array) super.bytes(value);
    else {
      super.raw(encodeVarint(value.length));
      this.place(value);
    }
    return this;
  }

  override raw(value: Uint8Array): this {
    if (value.length < minChunkBytes) super.raw(value);
    else this.place(value);
    return this;
  }

  override string(value: string): this {
    const bytes = encodeLoneSurrogates(value);
    if (bytes === undefined) super.string(value);
    else this.bytes(bytes);
    return this;
  }

  override fork(): this {
    this.open.push({ at: this.pos, outside: this.outside.length, outsideBytes: this.outsideBytes });
    super.raw(spareByte);
    return this;
  }

  /** Puts the length of what was written since `fork` before it, chunks outside included. */
  override ldelim(): this {
    const { at, outside, outsideBytes } = this.open.pop()!;
    const inside = this.pos - at - 1;
    const prefix = encodeVarint(inside + this.outsideBytes - outsideBytes);
    const shift = prefix.length - 1;
    if (shift > 0) {
      super.raw(prefix.subarray(0, shift));
      this.buf.copyWithin(at + 1 + shift, at + 1, at + 1 + inside);
      for (const mark of this.outside.slice(outside)) mark.at += shift;
    }
    this.buf.set(prefix, at);
    return this;
  }

  chunks(): Chunk[] {
    const chunks: Chunk[] = [];
    let start = 0;
    for (const { at, chunk } of this.outside) {
      if (at > start) chunks.push(this.buf.subarray(start, at));
      chunks.push(chunk);
      start = at;
    }
    if (this.pos > start) chunks.push(this.buf.subarray(start, this.pos));
    return chunks;
  }

  private place(chunk: Chunk): void {
    this.outside.push({ at: this.pos, chunk });
    this.outsideBytes += chunk.length;
  }
}
