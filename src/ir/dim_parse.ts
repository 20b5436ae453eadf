import { add, floorDiv, maxOf, minOf, mul, neg, sub } from './dim_arithmetic.js';
import { broadcastExprs } from './dim_broadcast.js';
import { formatDim } from './dim_format.js';
import { constant, type Expr, maxKeyLength, symbol } from './dim_terms.js';

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
  let sum = accept(tokens, '-') ? neg(readProduct(tokens, nesting)) : readProduct(tokens, nesting);
  while (sum !== undefined) {
    if (accept(tokens, '+')) sum = add(sum, readProduct(tokens, nesting));
    else if (accept(tokens, '-')) sum = sub(sum, readProduct(tokens, nesting));
    else return sum;
  }
  return undefined;
}

/** product = factor {"*" factor} */
function readProduct(tokens: Tokens, nesting: number): Expr | undefined {
  let product = readFactor(tokens, nesting);
  while (product !== undefined && accept(tokens, '*')) product = mul(product, readFactor(tokens, nesting));
  return product;
}

/** factor = digits | name | "(" sum ")" | "floor(" product "/" digits ")" | ("min" | "max" | "broadcast") list */
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
  if (token === 'floor') return readFloor(tokens, nesting + 1);
  const members = readList(tokens, nesting + 1);
  if (members === undefined) return undefined;
  if (token === 'min') return minOf(members);
  if (token === 'max') return maxOf(members);
  return token === 'broadcast' ? broadcastExprs(members) : undefined;
}

function readFloor(tokens: Tokens, nesting: number): Expr | undefined {
  if (nesting > maxNesting) return undefined;
  const numerator = readProduct(tokens, nesting);
  if (numerator === undefined || !accept(tokens, '/')) return undefined;
  const divisor = readFactor(tokens, nesting);
  return typeof divisor !== 'object' && accept(tokens, ')') ? floorDiv(numerator, divisor) : undefined;
}

/** list = sum {"," sum} ")" */
function readList(tokens: Tokens, nesting: number): readonly Expr[] | undefined {
  const members: Expr[] = [];
  do {
    const member = readSum(tokens, nesting);
    if (member === undefined) return undefined;
    members.push(member);
  } while (accept(tokens, ','));
  return accept(tokens, ')') ? members : undefined;
}
