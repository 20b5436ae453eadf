import type { Atom, AtomContent, Expr, SymbolicExpr, Term } from './terms.js';

const identifier = /^[A-Za-z_][A-Za-z0-9_.]*$/;

/** Names that the grammar cannot tell from operators are quoted in keys, so that two expressions never share one. */
export const symbolKey = (name: string): string => (identifier.test(name) ? name : JSON.stringify(name));

/**
 * The expression as text: `2*n + 1`, `floor((h + 1)/2)`, `min(n, 10)`. Deterministic; `parseDim` reads it back where
 * every name in it is an identifier `[A-Za-z_][A-Za-z0-9_.]*`, or where it is one name alone. Other names appear as
 * they are.
 */
export function formatDim(expr: Expr): string {
  if (typeof expr !== 'object') return String(expr);
  // Without a quoted name the key is that text already.
  return expr.key.includes('"') ? writeTerms(expr.terms, formatAtom) : expr.key;
}

const formatAtom = (atom: Atom): string => writeAtom(atom, formatDim, (name) => name);

export function writeTerms(terms: readonly Term[], atomText: (atom: Atom) => string): string {
  // `5 - n` rather than `-n + 5`: the first positive term leads.
  const front = Math.max(
    0,
    terms.findIndex(({ coefficient }) => coefficient > 0n),
  );
  const ordered = [terms[front]!, ...terms.slice(0, front), ...terms.slice(front + 1)];
  let text = '';
  for (const { coefficient, atoms } of ordered) {
    const sign = coefficient < 0n ? '-' : '+';
    const size = coefficient < 0n ? -coefficient : coefficient;
    const factors = atoms.map(atomText);
    if (size !== 1n || factors.length === 0) factors.unshift(String(size));
    const separator = text === '' ? (sign === '-' ? '-' : '') : ` ${sign} `;
    text += separator + factors.join('*');
  }
  return text;
}

export function writeAtom(
  atom: AtomContent,
  exprText: (expr: Expr) => string,
  nameText: (name: string) => string,
): string {
  switch (atom.kind) {
    case 'symbol':
      return nameText(atom.name);
    case 'floor':
      return `floor(${numeratorText(atom.numerator, exprText)}/${atom.divisor})`;
    case 'min':
    case 'max':
    case 'broadcast':
      return `${atom.kind}(${atom.members.map(exprText).join(', ')})`;
  }
}

const numeratorText = (numerator: SymbolicExpr, exprText: (expr: Expr) => string): string =>
  numerator.terms.length === 1 ? exprText(numerator) : `(${exprText(numerator)})`;
