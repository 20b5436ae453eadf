/** How both tables write lists of types: `tensor(float)` as `float`, in one fixed order, long lists once, by name. */
import { createHash } from 'node:crypto';
import { dataTypes, isDataType } from '../../src/ir/data_type.js';

/** Longer lists are named; shorter ones read better where they stand. */
const longestInline = 3;

export class TypeLists {
  readonly #texts = new Map<string, string>();

  /** The text of a list, or the name of its line in `lines`: made of its content, so that other lists keep theirs. */
  write(types: readonly string[]): string {
    const tokens = [...types].sort(byWrapperThenDataType).map(shorten);
    const text = tokens.join('|');
    if (tokens.length <= longestInline) return text;
    const name = `$${createHash('sha256').update(text).digest('hex').slice(0, 4)}`;
    const known = this.#texts.get(name);
    if (known !== undefined && known !== text) throw new Error(`two type lists are named ${name}: lengthen the names`);
    this.#texts.set(name, text);
    return name;
  }

  /** `name=type|type`, by the lists' texts: neighbours in the file are neighbours in content. */
  lines(): string[] {
    const entries = [...this.#texts].sort(([, a], [, b]) => (a < b ? -1 : 1));
    return entries.map(([name, text]) => `${name}=${text}`);
  }
}

/** `T=float|double T1=int64`, or `-`. */
export function writeConstraints(types: Readonly<Record<string, readonly string[]>>, lists: TypeLists): string {
  const entries = Object.entries(types).map(([parameter, list]) => `${parameter}=${lists.write(list)}`);
  return entries.length === 0 ? '-' : entries.join(' ');
}

/** A value of an `export const` holding these lines. */
export function templateLiteral(lines: readonly string[]): string {
  const text = lines.join('\n');
  if (/[`\\]|\$\{/.test(text)) throw new Error('a line needs escaping, which the tables do without');
  return `\`\n${text}\n\``;
}

const shorten = (type: string): string => /^tensor\((\w+)\)$/.exec(type)?.[1] ?? type.replaceAll(' ', '');

function byWrapperThenDataType(a: string, b: string): number {
  const [wrapperA, codeA] = order(a);
  const [wrapperB, codeB] = order(b);
  return wrapperA - wrapperB || codeA - codeB || (a < b ? -1 : 1);
}

const wrappers = ['tensor(', 'sparse_tensor(', 'seq(tensor(', 'optional(tensor(', 'optional(seq(tensor('];

function order(type: string): [wrapper: number, code: number] {
  const wrapper = wrappers.findIndex((prefix) => type.startsWith(prefix));
  const word = type.slice(wrappers[wrapper]?.length ?? 0).replaceAll(')', '');
  return [wrapper === -1 ? wrappers.length : wrapper, isDataType(word) ? dataTypes.indexOf(word) : -1];
}
