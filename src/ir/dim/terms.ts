import { InvariantError } from '../diagnostic.js';
import { symbolKey, writeAtom, writeTerms } from './format.js';

/**
 * An integer expression. Constants are numbers while they are safe integers and bigints beyond; both stay within int64.
 * Values are mathematical integers: an intermediate result never wraps.
 */
export type Expr = number | bigint | SymbolicExpr;

/** A tensor dimension. */
export type Dim = number | SymbolicExpr;

/**
 * A sum of products that is no constant, in canonical form. Only the operations of `dim.ts` make one: equal `key`s mean
 * equal expressions.
 */
export type SymbolicExpr = {
  /** In descending order (see `compareMonomials`), no two with the same atoms, no coefficient 0. */
  readonly terms: readonly Term[];
  readonly key: string;
  /** How deep atoms nest in atoms. */
  readonly depth: number;
};

/** `coefficient` times the product of `atoms`, which are sorted and repeat for powers; the constant term has none. */
export type Term = { readonly coefficient: bigint; readonly atoms: readonly Atom[] };

/** What a product multiplies: a symbol, or an operation that no sum of products expresses. */
export type Atom = AtomContent & { readonly key: string; readonly depth: number; readonly range: Range };

export type AtomContent =
  | { readonly kind: 'symbol'; readonly name: string }
  | { readonly kind: 'floor'; readonly numerator: SymbolicExpr; readonly divisor: bigint }
  | { readonly kind: MembersKind; readonly members: readonly Expr[] };

export type MembersKind = 'min' | 'max' | 'broadcast';

/** Both ends belong to it. */
export type Range = { readonly low: bigint; readonly high: bigint };

export const int64Min = -(2n ** 63n);
export const int64Max = 2n ** 63n - 1n;

/** Limits past which an expression is given up as unknown, so that no graph can make them grow without end. */
const maxTerms = 64;
const maxDegree = 16;
const maxDepth = 32;
export const maxKeyLength = 4096;

/**
 * The dimension of this name: an integer from 0 to INT64_MAX.
 * @throws InvariantError for an empty name, which in ONNX names nothing.
 */
export function symbol(name: string): SymbolicExpr {
  if (name === '') throw new InvariantError('a symbol needs a name');
  const key = symbolKey(name);
  const atom: Atom = { kind: 'symbol', name, key, depth: 0, range: { low: 0n, high: int64Max } };
  return { terms: [{ coefficient: 1n, atoms: [atom] }], key, depth: 0 };
}

export const makeAtom = (content: AtomContent, range: Range): Atom => ({
  ...content,
  key: writeAtom(content, (inner) => (typeof inner === 'object' ? inner.key : String(inner)), symbolKey),
  depth: atomDepth(content),
  range,
});

function atomDepth(content: AtomContent): number {
  if (content.kind === 'symbol') return 0;
  const inner = content.kind === 'floor' ? [content.numerator] : content.members;
  return 1 + Math.max(...inner.map((expr) => (typeof expr === 'object' ? expr.depth : 0)));
}

/** The canonical constant, or undefined beyond int64. */
export function constant(value: bigint): number | bigint | undefined {
  if (value < int64Min || value > int64Max) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

export function termsOf(expr: Expr): readonly Term[] {
  return typeof expr === 'object' ? expr.terms : constantTerms(BigInt(expr));
}

export const constantTerms = (value: bigint): readonly Term[] =>
  value === 0n ? [] : [{ coefficient: value, atoms: [] }];

/** The expression of sorted terms, or undefined where it passes a limit. */
export function exprOf(terms: readonly Term[]): Expr | undefined {
  const first = terms[0];
  if (first === undefined) return 0;
  if (first.atoms.length === 0) return constant(first.coefficient);
  if (terms.length > maxTerms) return undefined;
  let depth = 0;
  let length = 0;
  for (const { coefficient, atoms } of terms) {
    if (coefficient < int64Min || coefficient > int64Max || atoms.length > maxDegree) return undefined;
    for (const atom of atoms) {
      depth = Math.max(depth, atom.depth);
      length += atom.key.length;
    }
  }
  if (depth > maxDepth || (length > maxKeyLength && !isSymbol(terms))) return undefined;
  const key = writeTerms(terms, (atom) => atom.key);
  return key.length > maxKeyLength && !isSymbol(terms) ? undefined : { terms, key, depth };
}

/** A name is as long as the model wants it; only what is built from it is bounded. */
function isSymbol([term, ...others]: readonly Term[]): boolean {
  return others.length === 0 && term?.coefficient === 1n && term.atoms.length === 1 && term.atoms[0]!.kind === 'symbol';
}

const kindOrder = { symbol: 0, floor: 1, min: 2, max: 3, broadcast: 4 } as const;

function compareAtoms(a: Atom, b: Atom): number {
  if (a === b || a.key === b.key) return 0;
  return kindOrder[a.kind] - kindOrder[b.kind] || (a.key < b.key ? -1 : 1);
}

/**
 * Graded lexicographic order, greatest first: negative where `a` is greater. It agrees with multiplication, which
 * polynomial division needs, and puts the constant last.
 */
function compareMonomials(a: readonly Atom[], b: readonly Atom[]): number {
  if (a.length !== b.length) return b.length - a.length;
  for (const [index, atom] of a.entries()) {
    const order = compareAtoms(atom, b[index]!);
    if (order !== 0) return order;
  }
  return 0;
}

/** Both sums' terms with coefficients combined by `combine`, which gets 0 for a term that one side lacks. */
export function mergeTerms(
  a: readonly Term[],
  b: readonly Term[],
  combine: (left: bigint, right: bigint) => bigint,
): readonly Term[] {
  const merged: Term[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const left = a[i];
    const right = b[j];
    const order =
      left === undefined ? 1 : right === undefined ? -1 : Math.sign(compareMonomials(left.atoms, right.atoms));
    if (order <= 0) i++;
    if (order >= 0) j++;
    const coefficient = combine(order <= 0 ? left!.coefficient : 0n, order >= 0 ? right!.coefficient : 0n);
    if (coefficient !== 0n) merged.push({ coefficient, atoms: (order <= 0 ? left! : right!).atoms });
  }
  return merged;
}

export const addTerms = (a: readonly Term[], b: readonly Term[]): readonly Term[] =>
  mergeTerms(a, b, (left, right) => left + right);

export const scaleTerms = (terms: readonly Term[], factor: bigint): readonly Term[] =>
  factor === 0n ? [] : terms.map(({ coefficient, atoms }) => ({ coefficient: coefficient * factor, atoms }));

export const subtractTerms = (a: readonly Term[], b: readonly Term[]): readonly Term[] =>
  mergeTerms(a, b, (left, right) => left - right);

export function multiplyTerms(a: readonly Term[], b: readonly Term[]): readonly Term[] {
  if (a.length > b.length) return multiplyTerms(b, a);
  const [first] = a;
  if (first === undefined) return [];
  if (a.length === 1) return b.map((term) => multiplyTerm(first, term));
  const products = a.flatMap((left) => b.map((right) => multiplyTerm(left, right)));
  products.sort((left, right) => compareMonomials(left.atoms, right.atoms));
  const merged: Term[] = [];
  for (const product of products) {
    const last = merged.at(-1);
    if (last !== undefined && compareMonomials(last.atoms, product.atoms) === 0) {
      merged[merged.length - 1] = { coefficient: last.coefficient + product.coefficient, atoms: last.atoms };
    } else {
      merged.push(product);
    }
  }
  return merged.filter(({ coefficient }) => coefficient !== 0n);
}

function multiplyTerm(a: Term, b: Term): Term {
  const coefficient = a.coefficient * b.coefficient;
  if (a.atoms.length === 0) return { coefficient, atoms: b.atoms };
  if (b.atoms.length === 0) return { coefficient, atoms: a.atoms };
  return { coefficient, atoms: [...a.atoms, ...b.atoms].sort(compareAtoms) };
}

/** `atoms` less those of `divisor`, or undefined where it lacks one of them. */
export function divideMonomial(atoms: readonly Atom[], divisor: readonly Atom[]): readonly Atom[] | undefined {
  const rest = [...atoms];
  for (const { key } of divisor) {
    const index = rest.findIndex((atom) => atom.key === key);
    if (index < 0) return undefined;
    rest.splice(index, 1);
  }
  return rest;
}

/** The terms with every occurrence of `atom` replaced by a sum; undefined where that makes more than `limit` terms. */
export function replaceAtom(
  terms: readonly Term[],
  { key }: Atom,
  replacement: readonly Term[],
  limit: number,
): readonly Term[] | undefined {
  let result: readonly Term[] = terms.filter(({ atoms }) => atoms.every((atom) => atom.key !== key));
  for (const { coefficient, atoms } of terms) {
    const others = atoms.filter((atom) => atom.key !== key);
    if (others.length === atoms.length) continue;
    let product: readonly Term[] = [{ coefficient, atoms: others }];
    for (let power = others.length; power < atoms.length; power++) {
      if (product.length * replacement.length > limit) return undefined;
      product = multiplyTerms(product, replacement);
    }
    result = addTerms(result, product);
    if (result.length > limit) return undefined;
  }
  return result;
}
