import { add, floorDiv, maxOf, minOf, mul } from './arithmetic.js';
import { broadcastExprs } from './broadcast.js';
import { floorDivide, largest, smallest } from './integers.js';
import { type Atom, constant, type Expr, type Term } from './terms.js';

/**
 * The value where each symbol is the dimension that `bindings` gives it. Undefined where a symbol has none, where
 * dimensions do not broadcast, or where the value leaves int64.
 */
export function evaluate(expr: Expr, bindings: ReadonlyMap<string, number>): number | bigint | undefined {
  if (typeof expr === 'number') return expr;
  const value = exprValue(expr, bindings);
  return value === undefined ? undefined : constant(value);
}

type Bindings = ReadonlyMap<string, number>;

function exprValue(expr: Expr, bindings: Bindings): bigint | undefined {
  if (typeof expr !== 'object') return BigInt(expr);
  let sum = 0n;
  for (const term of expr.terms) {
    const value = termValue(term, bindings);
    if (value === undefined) return undefined;
    sum += value;
  }
  return sum;
}

function termValue({ coefficient, atoms }: Term, bindings: Bindings): bigint | undefined {
  let value = coefficient;
  for (const atom of atoms) {
    const factor = atomValue(atom, bindings);
    if (factor === undefined) return undefined;
    value *= factor;
  }
  return value;
}

function atomValue(atom: Atom, bindings: Bindings): bigint | undefined {
  switch (atom.kind) {
    case 'symbol': {
      const bound = bindings.get(atom.name);
      return bound === undefined ? undefined : BigInt(bound);
    }
    case 'floor': {
      const numerator = exprValue(atom.numerator, bindings);
      return numerator === undefined ? undefined : floorDivide(numerator, atom.divisor);
    }
    case 'min':
    case 'max':
    case 'broadcast': {
      const values: bigint[] = [];
      for (const member of atom.members) {
        const value = exprValue(member, bindings);
        if (value === undefined) return undefined;
        values.push(value);
      }
      if (atom.kind === 'broadcast') return broadcastValue(values);
      return atom.kind === 'min' ? smallest(values) : largest(values);
    }
  }
}

function broadcastValue(values: readonly bigint[]): bigint | undefined {
  const [stretched = 1n, ...others] = new Set(values.filter((value) => value !== 1n));
  return others.length === 0 ? stretched : undefined;
}

/**
 * The expression with symbols replaced, all at once, by expressions that are never negative; a symbol without an entry
 * stays. Undefined where the result is: what it then divides by, broadcasts or grows to may have none.
 */
export function substitute(expr: Expr, replacements: ReadonlyMap<string, Expr>): Expr | undefined {
  if (typeof expr !== 'object') return expr;
  let sum: Expr | undefined = 0;
  for (const { coefficient, atoms } of expr.terms) {
    let value: Expr | undefined = constant(coefficient);
    for (const atom of atoms) value = mul(value, substituteAtom(atom, replacements));
    sum = add(sum, value);
  }
  return sum;
}

function substituteAtom(atom: Atom, replacements: ReadonlyMap<string, Expr>): Expr | undefined {
  switch (atom.kind) {
    case 'symbol':
      return replacements.get(atom.name) ?? { terms: [{ coefficient: 1n, atoms: [atom] }], key: atom.key, depth: 0 };
    case 'floor':
      return floorDiv(substitute(atom.numerator, replacements), constant(atom.divisor));
    case 'min':
      return minOf(atom.members.map((member) => substitute(member, replacements)));
    case 'max':
      return maxOf(atom.members.map((member) => substitute(member, replacements)));
    case 'broadcast':
      return broadcastExprs(atom.members.map((member) => substitute(member, replacements)));
  }
}

/** The names of all symbols in the expression, in the order in which it mentions them. */
export function symbolsOf(expr: Expr): ReadonlySet<string> {
  const names = new Set<string>();
  collectSymbols(expr, names);
  return names;
}

function collectSymbols(expr: Expr, names: Set<string>): void {
  if (typeof expr !== 'object') return;
  for (const atom of expr.terms.flatMap(({ atoms }) => atoms)) {
    if (atom.kind === 'symbol') names.add(atom.name);
    else if (atom.kind === 'floor') collectSymbols(atom.numerator, names);
    else for (const member of atom.members) collectSymbols(member, names);
  }
}
