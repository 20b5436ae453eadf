import type { Described } from '../graph.js';
import type { DescribedProto, EntryProto, OperatorSetIdProto, ValueInfoProto } from './messages.js';
import { entriesOf, type Message } from './messages.js';

/**
 * What the decoder remembers of a message beside what the graph models, so that encoding can give it back: leftover
 * fields, and the metadata entries as they stood.
 */
export type PartWire = {
  readonly rest?: object;
  readonly entries?: readonly EntryProto[];
  /** The map the decoder made of the entries: unchanged as long as the part still has this very map. */
  readonly metadata?: ReadonlyMap<string, string>;
};

export type ModelWire = PartWire & { readonly opsets?: readonly OperatorSetIdProto[] };

export type GraphWire = PartWire & {
  /** value_info entries that name no value of the graph. */
  readonly orphans?: readonly ValueInfoProto[];
  /** The names of value_info as they stood, where orphans were among them. */
  readonly order?: readonly string[];
};

export function describedWire(message: DescribedProto, rest: object | undefined): PartWire | undefined {
  const entries = message.metadata_props;
  if (rest === undefined && entries === undefined) return undefined;
  return { ...(rest && { rest }), ...(entries && { entries }) };
}

export const partWire = <T extends PartWire>(part: Described): T | undefined => part.wire as T | undefined;

/** A new message that begins with what was left over when the part was read. */
export function startMessage<T extends Message>(part: Described): T {
  const rest = partWire(part)?.rest as T | undefined;
  const message = { ...rest } as T;
  if (rest?.$unknowns !== undefined) message.$unknowns = rest.$unknowns;
  return message;
}

/** Doc string and metadata of a part into its message. */
export function putDescription(message: DescribedProto, part: Described): void {
  if (part.docString !== undefined) message.doc_string = part.docString;
  const wire = partWire(part);
  const entries =
    wire?.entries !== undefined && wire.metadata === part.metadata ? [...wire.entries] : entriesOf(part.metadata);
  if (entries.length > 0) message.metadata_props = entries;
}

/** The opset imports, as they were spelled where none has changed. */
export function opsetMessages(
  imports: ReadonlyMap<string, number>,
  wire: readonly OperatorSetIdProto[] | undefined,
  toMessage: (domain: string, version: number) => OperatorSetIdProto,
): OperatorSetIdProto[] {
  const made = Array.from(imports, ([domain, version]) => toMessage(domain, version));
  if (wire === undefined || wire.length !== made.length) return made;
  const same = wire.every((entry) => Number(entry.version ?? 0) === imports.get(entry.domain ?? ''));
  return same ? [...wire] : made;
}
