import { add, floorDiv, maxOf, minOf, mul } from './arithmetic.js';
import { broadcastExprs } from './broadcast.js';
import { formatDim } from './format.js';
import { type Atom, constant, type Expr, maxKeyLength, symbol } from './terms.js';

/**
 * Reads what `formatDim` writes. Any other text is one symbol of that name, even where it looks like an expression
 * ("batch-size", "n*1"), so that formatDim(parseDim(text)) is always `text`. Undefined for an empty text, which in ONNX
 * names nothing. Digits read as a constant, "-1" included: a caller whose texts are only names has to look for that.
 */
export function parseDim(text: string): Expr | undefined {
  if (text === '') return undefined;
  const expr = text.length > maxKeyLength ? undefined : readExpression(text);
  return expr !== undefined && formatDim(expr) === text ? expr : symbol(text);
}

const alphabet = /^[A-Za-z0-9_.+\-*/(), ]*$/;
const tokenPattern = /[A-Za-z_][A-Za-z0-9_.]*|\d+|[-+*/(),]/g;

/** Past this depth no expression has a canonical form that would read back. */
const maxNesting = 80;

/** The tokens not yet read, the next one last. */
type Tokens = string[];

function readExpression(text: string): Expr | undefined {
  if (!alphabet.test(text)) return undefined;
  const tokens: Tokens = (text.match(tokenPattern) ?? []).reverse();
  const expr = readSum(tokens, 0);
  return tokens.length === 0 ? expr : undefined;
}

/** True where `token` came next; it is then read. */
function accept(tokens: Tokens, token: string): boolean {
  if (tokens.at(-1) !== token) return false;
  tokens.pop();
  return true;
}

/** sum = ["-"] product {("+" | "-") product} */
function readSum(tokens: Tokens, nesting: number): Expr | undefined {
  if (nesting > maxNesting) return undefined;
  let sum = readProduct(tokens, nesting, accept(tokens, '-') ? -1n : 1n);
  while (sum !== undefined) {
    if (accept(tokens, '+')) sum = add(sum, readProduct(tokens, nesting, 1n));
    else if (accept(tokens, '-')) sum = add(sum, readProduct(tokens, nesting, -1n));
    else return sum;
  }
  return undefined;
}

/** product = factor {"*" factor}, times `sign`, which belongs to its digits: -2^63 is an int64 and 2^63 is none. */
function readProduct(tokens: Tokens, nesting: number, sign: bigint): Expr | undefined {
  const digits = /^\d/.test(tokens.at(-1) ?? '') ? tokens.pop() : undefined;
  let product = digits === undefined ? mul(sign, readFactor(tokens, nesting)) : constant(sign * BigInt(digits));
  while (product !== undefined && accept(tokens, '*')) product = mul(product, readFactor(tokens, nesting));
  return product;
}

/** factor = digits | name | "(" sum ")" | "floor(" product "/" digits ")" | kind "(" sum {"," sum} ")" */
function readFactor(tokens: Tokens, nesting: number): Expr | undefined {
  const token = tokens.pop();
  if (token === undefined) return undefined;
  if (token === '(') {
    const sum = readSum(tokens, nesting + 1);
    return accept(tokens, ')') ? sum : undefined;
  }
  if (/^\d/.test(token)) return constant(BigInt(token));
  if (!/^[A-Za-z_]/.test(token)) return undefined;
  if (!accept(tokens, '(')) return symbol(token);
  return token === 'floor' ? readFloor(tokens, nesting + 1) : readMembers(token, tokens, nesting + 1);
}

/** product "/" digits ")" */
function readFloor(tokens: Tokens, nesting: number): Expr | undefined {
  if (nesting > maxNesting) return undefined;
  const numerator = readProduct(tokens, nesting, 1n);
  if (numerator === undefined || !accept(tokens, '/')) return undefined;
  const divisor = readFactor(tokens, nesting);
  if (typeof divisor === 'object' || !accept(tokens, ')')) return undefined;
  const quotient = floorDiv(numerator, divisor);
  return loneAtom(quotient)?.kind === 'floor' ? quotient : undefined;
}

/** sum {"," sum} ")" */
function readMembers(kind: string, tokens: Tokens, nesting: number): Expr | undefined {
  const members: Expr[] = [];
  do {
    const member = readSum(tokens, nesting);
    if (member === undefined) return undefined;
    members.push(member);
  } while (accept(tokens, ','));
  const combine = combiners.get(kind);
  if (combine === undefined || !accept(tokens, ')')) return undefined;
  const result = combine(members);
  const atom = loneAtom(result);
  return atom !== undefined && 'members' in atom && atom.members.length === members.length ? result : undefined;
}

const combiners = new Map<string, (members: readonly Expr[]) => Expr | undefined>([
  ['min', minOf],
  ['max', maxOf],
  ['broadcast', broadcastExprs],
]);

/** What formatDim writes as a call is one atom. Whatever folds was not written by it, and costs no further work. */
function loneAtom(expr: Expr | undefined): Atom | undefined {
  if (typeof expr !== 'object' || expr.terms.length > 1) return undefined;
  const { coefficient, atoms } = expr.terms[0]!;
  return coefficient === 1n && atoms.length === 1 ? atoms[0] : undefined;
}
